"""Runs of jobs that others own, as Dagster is told of them by the sensor of their domain."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from deltalake import write_deltalake

from lakehouse_assets.engine.compile.definitions import compile_definitions
from lakehouse_assets.engine.compile.jobs_of_others.sensor import MOST
from lakehouse_assets.resources.databricks import DatabricksResource
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.databricks import Databricks

NOW = int(time.time() * 1000)
KEY = dg.AssetKey(["shop", "gold", "ratings"])
MINUTE = 60_000


def run(number: int, started: int, ended: int | None, result: str = "SUCCESS", **more: Any) -> dict[str, Any]:
    """A run by the minutes before now at which it began and ended; one without an end goes on."""
    over = {"life_cycle_state": "TERMINATED", "result_state": result, "state_message": more.pop("message", "")}
    end = 0 if ended is None else NOW - ended * MINUTE
    return {
        "run_id": number, "start_time": NOW - started * MINUTE, "end_time": end,
        "state": {"life_cycle_state": "RUNNING"} if ended is None else over, "trigger": "PERIODIC",
        "creator_user_name": "ben@example.com", "run_page_url": f"https://work.space/runs/{number}", **more,
    }  # fmt: skip


def job(*runs: dict[str, Any], name: str = "nightly ratings", number: int = 1) -> dict[str, Any]:
    return {"job_id": number, "name": name, "runs": list(runs)}


class Watched:
    """The sensor of a project's domain, tick by tick, in one Dagster instance."""

    def __init__(self, project: Project, workspace: Databricks, instance: dg.DagsterInstance) -> None:
        self.project, self.workspace, self.instance = project, workspace, instance
        self.cursor: str | None = None

    @property
    def definitions(self) -> dg.Definitions:
        databricks = DatabricksResource(volume=self.workspace.volume, wheels=[], places=[])
        return compile_definitions(self.project.lakehouse, {**self.project.resources, "databricks": databricks})

    def tick(self) -> dg.SensorExecutionData:
        """One tick, whose events Dagster keeps, and then the cursor."""
        loaded = self.definitions
        sensor, resources = loaded.resolve_sensor_def("shop_jobs_of_others"), dict(loaded.resources or {})
        with dg.build_sensor_context(self.instance, self.cursor, resources=resources) as context:
            result = sensor.evaluate_tick(context)
        for event in result.asset_events:
            self.instance.report_runless_asset_event(event)
        self.cursor = result.cursor
        return result

    def told(self) -> list[tuple[str, bool]]:
        """What one tick tells of: the ids of runs, in their order, and whether they went well."""
        checks = [e for e in self.tick().asset_events if isinstance(e, dg.AssetCheckEvaluation)]
        return [(str(check.metadata["databricks_run_id"].value), check.passed) for check in checks]


@pytest.fixture
def watched(
    project: Project, workspace: Databricks, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watched]:
    for name, value in workspace.environment.items():
        monkeypatch.setenv(name, value)
    project.external("gold.ratings", str(project.root / "ratings"))
    yield Watched(project, workspace, instance)
    workspace.have()
    workspace.fail()


def test_a_run_is_told_of_once_with_its_page_and_the_version_of_the_table(watched: Watched) -> None:
    import pyarrow as pa

    for number in (1, 2):
        write_deltalake(watched.project.root / "ratings", pa.table({"id": [number]}), mode="append")
    failed = run(8, 40, 30, "FAILED", message="Task ratings failed.", error="no such column: stars",
                 tasks=[{"task_key": "ratings", "run_id": 8}])  # fmt: skip
    watched.workspace.have(job(run(7, 60, 50), failed, run(9, 5, -600)))
    made, good, bad, later, _ = watched.tick().asset_events
    shown = {name: value.value for name, value in made.metadata.items()}
    assert (shown["databricks_run"], shown["seconds"]) == ("https://work.space/runs/7", 600.0)
    assert shown["started_by"] == "ben@example.com, periodic"
    assert "delta_version" not in shown  # the table came after it
    assert later.metadata["delta_version"].value == 1
    assert (good.passed, bad.passed, bad.check_name) == (True, False, "job_succeeded")
    assert "Run 8 ended as FAILED" in bad.description
    assert "no such column: stars" in bad.description
    assert "\\n" not in bad.description  # the UI would show it
    again = watched.tick()
    assert again.asset_events == []
    assert again.skip_message == "no run has ended since the last look"


def test_runs_that_overlap_are_told_of_as_they_end_and_none_is_missed(watched: Watched) -> None:
    watched.workspace.have(job(run(1, 300, None), run(2, 80, 70), run(3, 79, 70), run(4, 60, None)))
    assert watched.told() == [("2", True), ("3", True)]
    watched.workspace.have(
        job(run(1, 300, 30), run(2, 80, 70), run(3, 79, 70), run(4, 60, 30), run(5, 78, 70), run(6, 20, 10, "CANCELED"))
    )
    assert watched.told() == [("5", True), ("1", True), ("4", True), ("6", False)]
    assert watched.told() == []


def test_a_run_that_failed_and_was_repaired_ends_twice(watched: Watched) -> None:
    watched.workspace.have(job(run(1, 30, 20, "TIMEDOUT", tasks=[])))
    assert watched.told() == [("1", False)]
    watched.workspace.have(job(run(1, 30, 5)))
    assert watched.told() == [("1", True)]


@pytest.mark.parametrize(
    "cursor", ["", "[]", "{", "null", '{"shop.gold.ratings": 1}', json.dumps({str(KEY.path): {"since": 1}}),
               json.dumps({"shop.gold.ratings": {"since": NOW * 2, "runs": []}}),
               json.dumps({"shop.gold.ratings": {"since": 5, "runs": [[1, "2", 3]]}})],
    ids=["empty", "a list", "not ended", "null", "a number", "another key", "a time to come", "not a run"],
)  # fmt: skip
def test_a_cursor_that_is_none_makes_no_run_told_of_twice(watched: Watched, cursor: str) -> None:
    watched.workspace.have(job(run(1, 30, 20), run(2, 10, 5, "FAILED", tasks=[])))
    assert len(watched.told()) == 2
    watched.cursor = cursor
    watched.workspace.have(job(run(1, 30, 20), run(2, 10, 5, "FAILED", tasks=[]), run(3, 4, 3)))
    assert watched.told() == [("3", True)]


def test_more_runs_than_one_tick_tells_of_come_in_the_next_and_the_cursor_stays_small(watched: Watched) -> None:
    runs = [run(n, 3000 - 10 * n, 2991 - 10 * n) for n in range(1, MOST + 41)]
    watched.workspace.have(job(*runs))
    first, second = watched.told(), watched.told()
    assert [int(number) for number, _ in first + second] == [*range(1, MOST + 41)]
    assert watched.told() == []
    assert watched.cursor
    assert len(watched.cursor) < 500  # the runs of an hour


def test_a_job_that_is_not_found_is_told_with_what_to_do_and_keeps_no_other_waiting(watched: Watched) -> None:
    watched.workspace.have(job(run(1, 30, 20), name="renamed"))
    with pytest.raises(Exception, match=r"no job that this user may see is called so.* mend its Job"):
        watched.tick()
    twins = [job(run(1, 30, 20)), job(run(2, 10, 5), number=2)]
    watched.workspace.have(*twins)
    with pytest.raises(Exception, match=r"2 jobs are called so, with the ids 1, 2; say which is meant by Job"):
        watched.tick()
    watched.project.table("gold.stars", 'stars = external_table(job=Job("nightly ratings", id=2))')
    assert watched.told() == [("2", True)]
    watched.project.table("gold.stars", 'stars = external_table(job=Job("nightly ratings", id=3))')
    with pytest.raises(Exception, match="are called so"):
        watched.tick()


def test_a_workspace_that_is_away_is_a_tick_without_news(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.workspace.have(job(run(1, 30, 20)))
    assert watched.told() == [("1", True)]
    before = watched.cursor
    monkeypatch.setattr("lakehouse_assets.resources.databricks_jobs_of_others.PATIENCE", 1)
    watched.workspace.fail({"at": "jobs/runs/list", "status": 503, "times": 99})
    away = watched.tick()
    assert (away.asset_events, away.cursor) == ([], before)
    assert "Asking the Databricks workspace: " in str(away.skip_message)
    watched.workspace.fail()
    watched.workspace.have(job(run(1, 30, 20), run(2, 10, 5)))
    assert watched.told() == [("2", True)]


def test_a_failure_whose_reason_cannot_be_asked_for_waits_and_what_came_before_does_not(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.workspace.have(job(run(1, 30, 20), run(2, 10, 5, "FAILED", tasks=[])))
    monkeypatch.setattr("lakehouse_assets.resources.databricks_jobs_of_others.PATIENCE", 1)
    watched.workspace.fail({"at": "jobs/runs/get", "status": 503, "times": 99})
    assert watched.told() == [("1", True)]
    watched.workspace.fail()
    assert watched.told() == [("2", False)]


def test_a_failure_that_the_workspace_has_no_more_of_keeps_none_behind_it_waiting(watched: Watched) -> None:
    watched.workspace.have(job(run(1, 30, 20, "FAILED", tasks=[]), run(2, 10, 5)))
    watched.workspace.fail({"at": "jobs/runs/get", "status": 400, "code": "INVALID_PARAMETER_VALUE", "times": 9})
    assert watched.told() == [("1", False), ("2", True)]


def test_the_check_asks_for_the_last_run_anew(watched: Watched) -> None:
    def checked() -> dg.AssetCheckEvaluation:
        made = watched.definitions.resolve_job_def("checks").execute_in_process(instance=watched.instance)
        (found,) = made.get_asset_check_evaluations()
        return found

    watched.workspace.have(job())
    assert checked().severity is dg.AssetCheckSeverity.WARN
    watched.workspace.have(job(run(1, 30, 20), run(2, 10, 5, "FAILED", message="it broke", tasks=[])))
    assert "it broke" in str(checked().description)
    assert watched.told() == [("1", True), ("2", False)]  # though the check was told of one
