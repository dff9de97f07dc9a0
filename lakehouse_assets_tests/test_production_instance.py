"""The Dagster instance of deploy/ as it is, on a real PostgreSQL and an account of Azure Storage under its own name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import dagster as dg
import psycopg2
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)

from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers import azure_account
from lakehouse_assets_tests.servers.azure_account import Account
from lakehouse_assets_tests.servers.postgres import USER, Postgres

# Prints, while another run is under way too.
SPEAKING = """
import time
@table(landed=files("{name}/*"), columns=[Column("id", "string")], checks=[volume()])
def {name}(landed: DataFrame) -> DataFrame:
    print("said by {name}")
    time.sleep(2)
    return landed
"""
# What another process finds in the instance of the folder that it's started in.
READ = """
import json, dagster as dg
with dg.DagsterInstance.from_config(".") as instance:
    runs = {run.run_id: run.status.value for run in instance.get_runs()}
    events = {run: [e.dagster_event for e in instance.all_logs(run) if e.dagster_event] for run in runs}
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    checks = [e.event_specific_data for of_run in events.values() for e in of_run if e.event_type is kind]
    states = {state.name: state for state in instance.all_instigator_state()}
    ticks = {name: instance.get_ticks(it.instigator_origin_id, it.selector_id) for name, it in states.items()}
    print(json.dumps({
        "runs": runs,
        "events": {run: [e.event_type_value for e in of_run] for run, of_run in events.items()},
        "checks": [[check.check_name, check.passed] for check in checks],
        "ticks": {name: [it.status.value, *(tick.status.value for tick in ticks[name])] for name, it in states.items()},
    }))
"""


@pytest.fixture(scope="module")
def cloud(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """The account, beside a database."""
    with azure_account.running(tmp_path_factory.mktemp("account")) as account:
        postgres.database("dagster")
        account.make("logs")
        yield account


@pytest.fixture
def production(
    project: Project, cloud: Account, postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> Command:  # fmt: skip
    """The command, whose Dagster is that of deploy/."""
    command = Command(project, monkeypatch, capsys)
    shutil.copy(PROJECT / "deploy" / "dagster" / "dagster.yaml", project.root)
    told = {
        "PG_HOST": postgres.host, "PG_USER": USER, "PG_PASSWORD": postgres.password,
        "LOGS_ACCOUNT": azure_account.ACCOUNT, "LOGS_CONTAINER": "logs",
    }  # fmt: skip
    for name, value in {**{f"DAGSTER_{name}": value for name, value in told.items()}, **cloud.environment}.items():
        monkeypatch.setenv(name, value)
    for name in ("orders", "parcels"):
        project.table(f"bronze.{name}", SPEAKING.format(name=name))
        project.land(f"{name}/1.csv", "id\n1\n2\n")
    return command


def read_by_another_process(command: Command) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ],
        cwd=command.project.root, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_two_runs_at_once_are_kept_and_what_they_printed_is_in_the_container(
    production: Command, cloud: Account
) -> None:
    with production.started("run", "bronze.orders") as one, production.started("run", "bronze.parcels") as other:
        said = [process.communicate(timeout=120) for process in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), said
    assert [production.project.rows(f"bronze.{name}", "id") for name in ("orders", "parcels")] == [[("1",), ("2",)]] * 2
    found = read_by_another_process(production)
    assert [*found["runs"].values()] == ["SUCCESS"] * 2
    for of_run in found["events"].values():
        assert (of_run.count("ASSET_MATERIALIZATION"), of_run[-1]) == (1, "PIPELINE_SUCCESS")
    assert sorted(found["checks"]) == [["files_readable", True]] * 2 + [["volume", True]] * 2
    texts = cloud.blobs("logs")
    for name in ("orders", "parcels"):
        (log,) = (path for path, text in texts.items() if f"said by {name}" in text)
        assert log.startswith("dagster/storage/")
        assert log.split("/")[2] in found["runs"]


def test_a_schedule_and_its_ticks_are_kept(production: Command) -> None:
    with dg.DagsterInstance.from_config(str(production.project.root)) as instance:
        location = RegisteredCodeLocationOrigin("lakehouse_assets.definitions")
        origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "shop_schedule")
        data = ScheduleInstigatorData("0 6 * * *")
        state = InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, data)
        instance.add_instigator_state(state)
        told = TickData(state.instigator_origin_id, "shop_schedule", InstigatorType.SCHEDULE, TickStatus.SKIPPED, 0.0)
        instance.create_tick(told)
    assert read_by_another_process(production)["ticks"] == {"shop_schedule": ["RUNNING", "SKIPPED"]}


def test_postgresql_lets_nobody_in_without_the_password(cloud: Account, postgres: Postgres) -> None:
    for password in ("", "wrong"):
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(host=postgres.host, user=USER, password=password, dbname="dagster")
    assert os.stat(cloud.certificate.with_name("key.pem")).st_mode & 0o077 == 0  # noqa: PTH116
