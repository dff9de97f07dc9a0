"""Tables that jobs of a workspace compute, on a server that speaks Databricks' REST and runs the wheel."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lakehouse_assets.engine.compile.assets import Runner, build_asset
from lakehouse_assets.engine.compile.names import op_name
from lakehouse_assets.engine.run.plain_json import from_json
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.databricks import DatabricksResource
from lakehouse_assets.resources.databricks_runner import on_databricks
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.databricks import Databricks
from lakehouse_assets_tests.servers.databricks_workspace import TOKEN
from lakehouse_assets_tests.servers.waiting import wait_until

TABLE = """
@table(raw="bronze.orders", write=merge(on="id"), checks=[volume()], compute={compute},
       columns=[Column("id", "int", key=True), Column("amount", "int")],
       expect=[drop("amount > 0"), warn("id < 3"), fail("amount < 1000", name="plausible")])
def orders(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "int(amount) amount")
"""
# Says that it's being made, and goes on once the test says so.
SLOW = """
import time
from pathlib import Path
@table(raw="bronze.orders")
def slow(raw: DataFrame) -> DataFrame:
    Path({mark!r}).touch()
    while not Path({go!r}).exists():
        time.sleep(0.1)
    return raw
"""


@pytest.fixture
def databricks(workspace: Databricks, project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Databricks]:
    """The workspace, with the way to it in the environment, and `project` installed on its clusters."""
    for name, value in workspace.environment.items():
        monkeypatch.setenv(name, value)
    workspace.install(project.root, project.package)
    project.bronze("orders")
    project.table("silver.orders", TABLE.format(compute=None))
    project.land("orders/1.csv", "id,amount\n1,5\n2,-1\n3,7\n")
    own = replace(workspace, name=project.package)
    yield own
    own.fail()
    assert own.left == []  # no job's messages stay behind, however it ended


class Jobs:
    """Materialises tables of a project by jobs of a workspace."""

    def __init__(self, project: Project, workspace: Databricks) -> None:
        self.project, self.workspace = project, workspace
        lake = project.lake
        self.resource = DatabricksResource(
            volume=workspace.volume, wheels=[workspace.wheel], poll_seconds=0.2,
            places=["--lake", lake.root, "--landing", lake.landing, "--domains", project.package],
        )  # fmt: skip

    def run(self, name: str, **options: Any) -> dg.ExecuteInProcessResult:
        return materialised(self.project, name, on_databricks(self.project.lakehouse), self.resource, **options)

    @contextmanager
    def counted(self) -> Iterator[list[str]]:
        """The requests that were begun in a block, once it has ended."""
        before, begun = self.workspace.seen["started"], list[str]()
        yield begun
        for request, times in self.workspace.seen["started"].items():
            begun += [request] * (times - before.get(request, 0))


def materialised(
    project: Project, name: str, runner: Runner | None, databricks: DatabricksResource | None = None, **options: Any
) -> dg.ExecuteInProcessResult:
    lakehouse, key = project.lakehouse, f"shop.{name}"
    asset = build_asset(lakehouse.tables[key], lakehouse, runner)
    instance = options.pop("instance", None)
    resources = {**project.resources, **({"databricks": databricks} if databricks else {})}
    config = {"ops": {op_name(key): {"config": options}}}
    return dg.materialize([asset], instance=instance, resources=resources, run_config=config, raise_on_error=False)


@pytest.fixture
def jobs(project: Project, databricks: Databricks) -> Jobs:
    return Jobs(project, databricks)


def told(result: dg.ExecuteInProcessResult, project: Project) -> list[object]:
    """What Dagster has of a run, but for what is another in each run, and where it was."""
    anew = {"seconds", "delta_version", "bytes", "preview", "reason"}
    events = [e.materialization for e in result.get_asset_materialization_events()]
    shown = [
        {name: repr(value).replace(str(project.root), "") for name, value in of.metadata.items()
         if name not in anew and not name.startswith("databricks")}
        for of in events
    ]  # fmt: skip
    checks = [(c.check_name, c.passed, c.severity, repr(c.metadata)) for c in result.get_asset_check_evaluations()]
    return [result.success, *shown, *checks]


def failure(result: dg.ExecuteInProcessResult) -> str:
    """Why the only step failed, as the UI has it first."""
    assert not result.success
    assert not result.get_asset_materialization_events()
    (event,) = (e for e in result.all_events if e.is_step_failure)
    data = event.step_failure_data
    assert data.user_failure_data is not None
    return data.user_failure_data.description or ""


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


CALLS = ["runs/submit", "runs/get", "PUT /api/2.0/fs/files", "GET /api/2.0/fs/files", "fs/directories", "DELETE"]
FAULTS = [
    {"status": 429}, {"status": 503}, {"status": 500, "code": "INTERNAL_ERROR"}, {"drop": "before"}, {"drop": "after"},
]  # fmt: skip


@pytest.mark.parametrize("first", range(len(FAULTS)))
def test_a_workspace_that_is_away_for_a_moment_at_each_call_runs_a_table_once(jobs: Jobs, first: int) -> None:
    jobs.workspace.fail(*({"at": call, **FAULTS[(first + n) % len(FAULTS)]} for n, call in enumerate(CALLS)))
    with jobs.counted() as begun:
        assert jobs.run("bronze.orders").success
    assert len(begun) == 1


ENDS = [
    ({"state": "INTERNAL_ERROR", "message": "the cloud has no machines"}, "ended as INTERNAL_ERROR", "no machines"),
    ({"state": "SKIPPED", "message": "another is active"}, "ended as SKIPPED", "another is active"),
    ({"result": "TIMEDOUT", "message": "too long", "kill_after": 0}, "ended as TIMEDOUT", "too long"),
    ({"result": "EVICTED", "message": "evicted", "kill_after": 0}, "ended as TERMINATED", "evicted"),
    ({"kill_after": 0}, "ended as FAILED", "exit code -9"),
    ({"kill_after": 0, "result": "SUCCESS"}, "ended well, but without a report", ""),
]


def test_whatever_ends_a_job_but_its_success_fails_the_step(jobs: Jobs) -> None:
    for end, how, why in ENDS:
        jobs.workspace.fail({"at": "start", **end})
        said = failure(jobs.run("bronze.orders"))
        assert how in said
        assert why in said
        assert f"{jobs.workspace.address}/jobs/runs/" in said
    assert jobs.run("bronze.orders").success


def test_a_job_that_starts_slowly_is_waited_for(jobs: Jobs) -> None:
    jobs.workspace.fail({"at": "start", "seconds": 3})
    assert jobs.run("bronze.orders").success


@pytest.fixture
def command(
    project: Project, databricks: Databricks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The command, whose runs are carried out by jobs."""
    for name, value in {
        "COMPUTE": "databricks",
        "DATABRICKS_VOLUME": databricks.volume,
        "DATABRICKS_WHEELS": databricks.wheel,
    }.items():
        monkeypatch.setenv(f"LAKEHOUSE_{name}", str(value))
    return Command(project, monkeypatch, capsys)


@pytest.fixture
def slow(command: Command, tmp_path: Path) -> Path:
    """A table that touches `mark` while it's made, and goes on once there is `go`, in the folder that is returned."""
    text = SLOW.format(mark=str(tmp_path / "mark"), go=str(tmp_path / "go"))
    command.project.table("silver.slow", text)
    command.project.run("bronze.orders")
    return tmp_path


def test_an_interrupted_run_cancels_its_job(command: Command, slow: Path, databricks: Databricks) -> None:
    with command.started("run", "silver.slow") as process:
        wait_until((slow / "mark").exists, 120)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert databricks.seen["ends"][-1] == ["TERMINATED", "CANCELED"]
    assert command.runs()[0].status is dg.DagsterRunStatus.CANCELED
    (slow / "go").touch()
    assert command("run", "silver.slow").code == 0


def test_a_job_that_is_cancelled_in_the_workspace_fails_the_run(
    command: Command, slow: Path, databricks: Databricks
) -> None:
    with command.started("run", "silver.slow") as process:
        wait_until((slow / "mark").exists, 120)
        databricks.cancel_newest()
        said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "ended as CANCELED" in said[0]
    assert "Run cancelled." in said[0]


def test_a_job_that_outlives_its_dagster_is_adopted_by_the_next_run(
    command: Command, slow: Path, databricks: Databricks
) -> None:
    with command.started("run", "silver.slow") as process:
        wait_until((slow / "mark").exists, 120)
        process.kill()
        process.wait(timeout=10)
    before = databricks.seen
    (slow / "go").touch()
    said = command("run", "silver.slow")
    assert (said.code, databricks.seen["started"]) == (0, before["started"]), said
    assert len(command.project.rows("silver.slow")) == 3
    assert len(command.project.log("silver.slow").commits) == 1


def test_a_job_that_outlives_its_dagster_is_cancelled_where_something_else_is_asked_for(
    command: Command, slow: Path, databricks: Databricks
) -> None:
    with command.started("run", "silver.slow") as process:
        wait_until((slow / "mark").exists, 120)
        process.kill()
        process.wait(timeout=10)
    (slow / "go").touch()
    assert command("run", "silver.slow", "--full").code == 0
    assert databricks.seen["ends"][-2:] == [["TERMINATED", "CANCELED"], ["TERMINATED", "SUCCESS"]]


def test_no_secret_is_in_what_is_submitted_logged_or_shown(command: Command, databricks: Databricks) -> None:
    said = command("run")
    assert said.code == 0
    shown = [*said.out, *said.err, str(databricks.seen["jobs"])]
    with dg.DagsterInstance.from_config(str(command.project.root)) as instance:
        shown += [str(instance.all_logs(run.run_id)) for run in instance.get_runs()]
    assert not any(TOKEN in text for text in shown)


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"DATABRICKS_TOKEN": ""}, "cannot configure default credentials"),
        ({"ARM_CLIENT_ID": "me", "ARM_CLIENT_SECRET": "s", "ARM_TENANT_ID": "t"}, "more than one authorization method"),
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


ONE_JOB = """
from datetime import timedelta
from lakehouse_assets.engine import Domain
shop = Domain(owner="team:shop", schedule="0 6 * * *", freshness=timedelta(days=1), run_as_one_job=True)
"""
SILVER = """
@table(raw="bronze.{raw}", expect=[fail("int(amount) > 0", name="positive")], write=append(),
       checks=[TableCheck("many", "SELECT n FROM (SELECT count(*) n FROM {{table}}) WHERE n < {least}")])
def {name}(raw: DataFrame) -> DataFrame:
    return raw
"""


@pytest.fixture
def domain(project: Project, jobs: Jobs) -> Project:
    """Tables that run as one job: `bad` breaks an expectation, `few` a check that blocks; each has a reader in gold."""
    (project.root / project.package / "shop" / "__init__.py").write_text(ONE_JOB)
    for name, raw, least in (("bad", "orders", 0), ("good", "parcels", 1), ("few", "parcels", 100)):
        project.table(f"silver.{name}", SILVER.format(name=name, raw=raw, least=least))
        project.table(f"gold.of_{name}", f'of_{name} = sql_table(r="silver.{name}", sql="SELECT * FROM r")')
    project.bronze("parcels")
    project.land("parcels/1.csv", "id,amount\n1,5\n")
    return project


def all_at_once(project: Project, runner: Runner | None, databricks: DatabricksResource) -> dg.ExecuteInProcessResult:
    lakehouse = project.lakehouse
    assets = [build_asset(t, lakehouse, runner) for t in lakehouse.tables.values() if t.key != "shop.silver.orders"]
    resources = {**project.resources, "databricks": databricks}
    return dg.materialize(assets, resources=resources, raise_on_error=False)


def steps(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """How each step ended that was begun."""
    ends = {"STEP_SUCCESS", "STEP_FAILURE", "STEP_SKIPPED"}
    return {str(e.step_key): e.event_type_value for e in result.all_events if e.event_type_value in ends}


def test_the_tables_of_a_domain_are_one_job_in_which_what_reads_a_failed_one_is_left_out(
    domain: Project, jobs: Jobs
) -> None:
    before = len(jobs.workspace.seen["jobs"])
    far = all_at_once(domain, on_databricks(domain.lakehouse), jobs.resource)
    assert len(jobs.workspace.seen["jobs"]) == before + 1
    missing = [name for name in ("of_bad", "of_few", "of_good") if not list(Path(domain.lake.root).rglob(name))]
    shutil.rmtree(domain.lake.root)
    near = all_at_once(domain, None, jobs.resource)
    assert told(far, domain) == told(near, domain)
    assert steps(far) == steps(near)
    assert {name.rpartition("__")[2] for name in steps(far)} == {"orders", "parcels", "bad", "few", "good", "of_good"}
    assert missing == ["of_bad", "of_few"]


def test_a_table_that_failed_is_run_again_alone(domain: Project, jobs: Jobs) -> None:
    lakehouse = domain.lakehouse
    tables = [lakehouse.tables[f"shop.{name}"] for name in ("bronze.orders", "silver.bad")]
    resources = {**domain.resources, "databricks": jobs.resource}
    with dg.DagsterInstance.ephemeral() as instance:
        with jobs.counted() as begun:
            assets = [build_asset(table, lakehouse, on_databricks(lakehouse)) for table in tables]
            assert not dg.materialize(assets, resources=resources, raise_on_error=False, instance=instance).success
        assert sorted(map(asked, begun)) == ["shop.bronze.orders", "shop.silver.bad"]
        domain.table("silver.bad", SILVER.format(name="bad", raw="orders", least=0).replace("> 0", "> -9"))
        lakehouse = domain.lakehouse
        with jobs.counted() as begun:
            again = [build_asset(lakehouse.tables["shop.silver.bad"], lakehouse, on_databricks(lakehouse))]
            assert dg.materialize(again, resources=resources, instance=instance).success
        assert [*map(asked, begun)] == ["shop.silver.bad"]


def asked(request: str) -> str:
    return from_json(Request, request).table


def found(command: Command) -> dict[str, str]:
    """What `doctor` says of the workspace."""
    lines = (re.match(r"[✓✗] +Databricks ?(\w*)  .*", line) for line in command("doctor").out.splitlines())
    return {line[1]: line[0] for line in lines if line}


def test_doctor_tries_what_jobs_need_of_a_workspace(
    command: Command, databricks: Databricks, monkeypatch: pytest.MonkeyPatch
) -> None:
    (databricks.folder / "secrets.json").write_text('{"shop": {"azure-client-id": "me"}}')
    monkeypatch.setenv("LAKEHOUSE_DATABRICKS_SECRETS", "shop")
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
