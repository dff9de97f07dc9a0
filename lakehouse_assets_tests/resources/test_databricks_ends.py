"""Jobs whose workspace is away, that end otherwise than well, are cancelled, or outlive their Dagster."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path

import dagster as dg
import pytest

from lakehouse_assets.engine.run.plain_json import to_json
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.resources.databricks_folders import Folders
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.resources.jobs import IN_ONE, Jobs, failure
from lakehouse_assets_tests.servers.azurite import KEY, Azurite
from lakehouse_assets_tests.servers.databricks import Databricks
from lakehouse_assets_tests.servers.databricks_runs import TOKEN
from lakehouse_assets_tests.servers.throttle import refused, throttled
from lakehouse_assets_tests.servers.waiting import wait_until
from lakehouse_assets_tests.soak import some

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


CALLS = ["runs/submit", "runs/get", "PUT /api/2.0/fs/files", "GET /api/2.0/fs/files", "fs/directories", "DELETE"]
FAULTS = [
    {"status": 429}, {"status": 503}, {"status": 500, "code": "INTERNAL_ERROR"}, {"drop": "before"}, {"drop": "after"},
]  # fmt: skip


@pytest.mark.parametrize("first", some(range(len(FAULTS)), 2))
def test_a_workspace_that_is_away_for_a_moment_at_each_call_runs_a_table_once(jobs: Jobs, first: int) -> None:
    jobs.workspace.fail(*({"at": call, **FAULTS[(first + n) % len(FAULTS)]} for n, call in enumerate(CALLS)))
    with jobs.counted() as begun:
        assert jobs.run("bronze.orders").success
    assert len(begun) == 1


@pytest.mark.parametrize("databricks", ["container"], indirect=True)
def test_a_store_that_is_busy_for_a_moment_runs_a_table_once(
    jobs: Jobs, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        throttled(azurite, {"azsdk-python-storage-blob": 3}) as busy,
        jobs.counted() as begun,
        monkeypatch.context() as patch,
    ):
        patch.setenv("AZURE_STORAGE_CONNECTION_STRING", busy.connection_string)
        assert jobs.run("bronze.orders").success
        assert refused(busy) == {"azsdk-python-storage-blob": 3}
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
def slow(command: Command, tmp_path: Path) -> Path:
    """A table that touches `mark` while it's made, and goes on once there is `go`, in the folder that is returned."""
    text = SLOW.format(mark=str(tmp_path / "mark"), go=str(tmp_path / "go"))
    command.project.table("silver.slow", text)
    command.project.run("bronze.orders")
    return tmp_path


@contextmanager
def begun(command: Command, slow: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of the slow table in a process of its own, once its job is computing."""
    with command.started("run", "silver.slow") as process:
        wait_until((slow / "mark").exists, 120)
        yield process


@IN_ONE
def test_an_interrupted_run_cancels_its_job(command: Command, slow: Path, databricks: Databricks) -> None:
    with begun(command, slow) as process:
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
    with begun(command, slow) as process:
        databricks.cancel_newest()
        said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "ended as CANCELED" in said[0]
    assert "Run cancelled." in said[0]


def kill(command: Command, slow: Path) -> None:
    """Kill a run of the slow table, whose job goes on."""
    with begun(command, slow) as process:
        process.kill()
        process.wait(timeout=10)


@IN_ONE
def test_a_job_that_outlives_its_dagster_is_adopted_by_the_next_run(
    command: Command, slow: Path, databricks: Databricks
) -> None:
    kill(command, slow)
    before, files = databricks.seen, databricks.left
    assert {"claim.json", "requests.jsonl", "context.json"} <= {path.rpartition("/")[2] for path in files}
    assert not any(secret in text for text in files.values() for secret in (TOKEN, KEY))
    (slow / "go").touch()
    said = command("run", "silver.slow")
    assert (said.code, databricks.seen["started"]) == (0, before["started"]), said
    assert len(command.project.rows("silver.slow")) == 3
    assert len(command.project.log("silver.slow").commits) == 1


def test_a_job_that_outlives_its_dagster_is_cancelled_where_something_else_is_asked_for(
    command: Command, slow: Path, databricks: Databricks
) -> None:
    kill(command, slow)
    before = databricks.seen["ends"]
    with command.started("run", "silver.slow", "--full") as process:
        wait_until(lambda: databricks.seen["ends"] != before, 120)
        (slow / "go").touch()
        said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert databricks.seen["ends"][-2:] == [["TERMINATED", "CANCELED"], ["TERMINATED", "SUCCESS"]]


def test_a_job_that_was_not_submitted_when_its_dagster_died_is_by_the_next_run(project: Project, jobs: Jobs) -> None:
    text = '@table(landed=files("orders/*"), compute=ExistingCluster("0101-abc"))\ndef orders(landed): return landed\n'
    project.table("bronze.orders", text)
    asked = to_json(Request("shop.bronze.orders", user=getuser()))
    with dg.DagsterInstance.ephemeral() as instance, jobs.counted() as requests:
        run = instance.create_run_for_job(dg.GraphDefinition("died").to_job(), status=dg.DagsterRunStatus.FAILURE)
        folders = Folders(jobs.resource.files(), f"{jobs.workspace.volume}/runs", "shop.bronze.orders")
        folders.new([asked], run.run_id)
        assert jobs.run("bronze.orders", instance=instance).success
    assert requests == [asked]
    assert jobs.workspace.seen["jobs"][-1]["tasks"][0]["existing_cluster_id"] == "0101-abc"
