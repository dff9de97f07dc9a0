"""Tables that jobs of a workspace compute, on a server that speaks Databricks' REST and runs the wheel."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import dagster as dg
import pytest

from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.resources.jobs import IN_BOTH, IN_ONE, Jobs, failure, materialised, told
from lakehouse_assets_tests.servers.azurite import KEY
from lakehouse_assets_tests.servers.databricks import SCOPE, Databricks
from lakehouse_assets_tests.servers.databricks_runs import TOKEN
from lakehouse_assets_tests.servers.databricks_workspace import CLIENT


@IN_BOTH
def test_a_job_is_told_as_a_run_of_this_process(project: Project, jobs: Jobs) -> None:
    names = ("bronze.orders", "silver.orders")
    far = {name: told(jobs.run(name), project) for name in names}
    rows = [project.rows(name, *columns) for name, columns in zip(names, (("id", "amount"),) * 2, strict=True)]
    shutil.rmtree(project.lake.root)
    near = {name: told(materialised(project, name, None), project) for name in names}
    assert far == near
    assert len(near["silver.orders"]) == 8
    assert rows == [project.rows(name, "id", "amount") for name in names]
    assert rows[1] == [(1, 5), (3, 7)]


def test_the_page_of_a_table_links_to_its_job_run_and_names_the_cluster(jobs: Jobs) -> None:
    (event,) = jobs.run("bronze.orders").get_asset_materialization_events()
    shown = {name: value.value for name, value in event.materialization.metadata.items()}
    number = shown["databricks_run_id"]
    assert shown["databricks_run"] == f"{jobs.workspace.address}/jobs/runs/{number}"
    assert shown["databricks_cluster"] == f"cluster-{number}"
    assert (shown["databricks_setup_seconds"], shown["databricks_seconds"]) == (1.5, 2.5)


@IN_ONE
def test_a_broken_expectation_on_the_cluster_is_told_as_here(project: Project, jobs: Jobs) -> None:
    jobs.run("bronze.orders")
    project.land("orders/2.csv", "id,amount\n4,5000\n")
    jobs.run("bronze.orders")
    far, near = jobs.run("silver.orders"), materialised(project, "silver.orders", None)
    assert told(far, project) == told(near, project)
    message, page = failure(far).replace(str(jobs.workspace.folder / "site"), str(project.root)).split("\n")
    assert message == failure(near)
    assert page.strip().startswith(f"on Databricks: {jobs.workspace.address}/jobs/runs/")


def test_a_table_that_waits_for_files_is_told_as_here(project: Project, jobs: Jobs) -> None:
    project.bronze("parcels")
    far, near = jobs.run("bronze.parcels"), materialised(project, "bronze.parcels", None)
    assert far.success
    assert told(far, project) == told(near, project)
    assert not far.get_asset_materialization_events()


@IN_BOTH
def test_no_secret_is_in_what_is_submitted_logged_or_shown(
    command: Command, databricks: Databricks, monkeypatch: pytest.MonkeyPatch
) -> None:
    databricks.keep_secret("azure-client-secret", "s3cret")
    monkeypatch.setenv("LAKEHOUSE_DATABRICKS_SECRETS", SCOPE)
    before = len(databricks.seen["jobs"])
    said = command("run")
    assert said.code == 0
    shown = [said.out, said.err, str(databricks.seen["jobs"][before:])]
    assert "--secrets" in shown[-1]
    with dg.DagsterInstance.from_config(str(command.project.root)) as instance:
        shown += [str(instance.all_logs(run.run_id)) for run in instance.get_runs()]
    assert len(shown) == 4
    assert not any(secret in text for text in shown for secret in (TOKEN, "s3cret", KEY))


CLIENT_ID, SECRET = CLIENT.split(":")
PROFILE = {"DATABRICKS_TOKEN": "", "DATABRICKS_HOST": "", "DATABRICKS_CONFIG_PROFILE": "shop"}


@pytest.mark.parametrize(
    "env",
    [
        {"DATABRICKS_TOKEN": "", "DATABRICKS_CLIENT_ID": CLIENT_ID, "DATABRICKS_CLIENT_SECRET": SECRET},
        {"ARM_CLIENT_ID": "me", "ARM_CLIENT_SECRET": "s", "ARM_TENANT_ID": "t", "DATABRICKS_AUTH_TYPE": "pat"},
        PROFILE,
    ],
    ids=["OAuth client", "of two ways the one that is named", "profile"],
)
def test_a_user_signs_in(jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str]) -> None:
    profile = f"[shop]\nhost = {jobs.workspace.address}\ntoken = {TOKEN}\n"
    (tmp_path / "databrickscfg").write_text(profile)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "databrickscfg"))
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert jobs.resource.client().current_user.me().user_name == "ann@example.com"


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"DATABRICKS_TOKEN": ""}, "cannot configure default credentials"),
        ({"ARM_CLIENT_ID": "me", "ARM_CLIENT_SECRET": "s", "ARM_TENANT_ID": "t"}, "more than one authorization method"),
        ({"DATABRICKS_TOKEN": "", "DATABRICKS_CLIENT_ID": CLIENT_ID, "DATABRICKS_CLIENT_SECRET": "no"}, "its secret"),
        ({**PROFILE, "DATABRICKS_CONFIG_FILE": "/none"}, "/none"),
        ({"DATABRICKS_TOKEN": "wrong"}, "who are you?"),
    ],
)
def test_a_way_to_sign_in_that_does_not_work_is_told_with_those_that_do(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], why: str
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    said = failure(jobs.run("bronze.orders"))
    assert why in said
    assert "DATABRICKS_HOST" in said


def found(command: Command) -> dict[str, str]:
    """What `doctor` says of the workspace."""
    lines = (re.match(r"[✓✗] +Databricks ?(\w*)  .*", line) for line in command("doctor").out.splitlines())
    return {line[1]: line[0] for line in lines if line}


def test_doctor_tries_what_jobs_need_of_a_workspace(
    command: Command, databricks: Databricks, monkeypatch: pytest.MonkeyPatch
) -> None:
    databricks.keep_secret("azure-client-id", "me")
    monkeypatch.setenv("LAKEHOUSE_DATABRICKS_SECRETS", SCOPE)
    well = found(command)
    assert all(line.startswith("✓") for line in well.values())
    assert "ann@example.com is signed in by pat" in well[""]
    assert f"{databricks.volume}: written, read and deleted" in well["volume"]
    assert "shop: has azure-client-id" in well["secrets"]
    monkeypatch.setenv("LAKEHOUSE_DATABRICKS_WHEELS", f"{databricks.volume}/wheels/none.whl")
    monkeypatch.setenv("LAKEHOUSE_DATABRICKS_VOLUME", "/Volumes/of/others")
    ill = found(command)
    assert [ill[what][0] for what in ("", "volume", "wheel", "secrets")] == ["✓", "✗", "✗", "✓"]
    assert "is in no volume of yours" in ill["volume"]
    assert "build it by `make wheel`" in ill["wheel"]


@pytest.mark.parametrize("databricks", ["container"], indirect=True)
def test_doctor_tries_a_container_and_a_wheel_in_the_workspace(
    command: Command, databricks: Databricks, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = databricks.folder / "Workspace" / "lakehouse.whl"
    monkeypatch.setenv("LAKEHOUSE_DATABRICKS_WHEELS", "/Workspace/lakehouse.whl")
    ill = found(command)
    assert "/Workspace/lakehouse.whl isn't there" in ill["wheel"]
    there.parent.mkdir()
    shutil.copy(databricks.wheel, there)
    well = found(command)
    assert f"{databricks.volume}: written, read and deleted" in well["volume"]
    assert f"/Workspace/lakehouse.whl: {there.stat().st_size / 1000:,.0f} kB" in well["wheel"]
    monkeypatch.setenv("LAKEHOUSE_DATABRICKS_VOLUME", databricks.volume.replace("@", "-none@"))
    assert found(command)["volume"].startswith("✗")
    monkeypatch.delenv("LAKEHOUSE_DATABRICKS_WHEELS")
    assert "set LAKEHOUSE_DATABRICKS_WHEELS" in command("doctor").out


def test_doctor_says_who_is_not_let_in_and_tries_no_more(
    command: Command, databricks: Databricks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_TOKEN", "wrong")
    ill = found(command)
    assert [*ill] == [""]
    assert ill[""].startswith("✗")
    assert "who are you?" in ill[""]


def test_an_address_that_names_a_cluster_reaches_spark_connect(
    engine: SparkResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Databricks has it; the engine here takes the cluster's id for any header, and can't tell whose it is."""
    url = spark_server.attach(engine.server_settings).url.replace("127.0.0.1", "localhost")
    monkeypatch.setenv("LAKEHOUSE_SPARK", f"{url};x-databricks-cluster-id=0101-abc")
    resource = SparkResource.from_settings(read_settings())
    assert resource.session().range(3).count() == 3
    assert ";" not in resource.address  # which Dagster shows
