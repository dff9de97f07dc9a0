"""A run whose process is gone holds nobody up, and one that is there is left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import dagster as dg
import pytest

from lakehouse_assets.engine.compile.in_flight import LAKE_TAG, PROCESS_TAG, START_SECONDS, is_under_way, note_process
from lakehouse_assets.engine.compile.sensors import RUN_TAG
from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.engine.compile.sensors import Sensor
from lakehouse_assets_tests.project import Project

STARTED = dg.DagsterRunStatus.STARTED
TAGS = {RUN_TAG: "shop", LAKE_TAG: "/lake"}

# A run as it is under way: its one table says that its step has begun, and sleeps on until the test kills it.
RUN = """
import sys, time
import dagster as dg
from lakehouse_assets.resources.lake import LakeResource

@dg.asset
def parcels(lake: LakeResource) -> None:
    print("in the step", flush=True)
    time.sleep(600)

with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    dg.materialize([parcels], instance=instance, tags={"lakehouse/arrivals": "shop"},
                   resources={"lake": LakeResource(root=sys.argv[2], landing=sys.argv[2] + "/landing")})
"""


@dg.op
def nothing() -> None:
    """Does nothing."""


@dg.job
def shop() -> None:
    """Stands for a job of a domain."""
    nothing()


def record(instance: dg.DagsterInstance, status: dg.DagsterRunStatus = STARTED, **tags: str) -> dg.DagsterRun:
    return instance.create_run_for_job(shop, tags={**TAGS, **tags}, status=status)


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def tagged(instance: dg.DagsterInstance, run: dg.DagsterRun, process: str) -> None:
    instance.add_run_tags(run.run_id, {PROCESS_TAG: f"{run.run_id} {process}"})


@pytest.fixture
def here(instance: dg.DagsterInstance) -> list[str]:
    """Host, boot, number and start time of this process, as a run notes them."""
    run = record(instance)
    note_process(instance, run.run_id, "/lake")
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    instance.delete_run(run.run_id)
    return found.tags[PROCESS_TAG].split(" ")[1:]


def test_the_files_of_a_run_that_is_killed_are_asked_for_by_the_next_tick(project: Project) -> None:
    (project.root / "dagster.yaml").write_text(f"storage: {{sqlite: {{base_dir: {project.root}/history}}}}\n"
                                               "run_retries: {enabled: true, max_retries: 1}\n"
                                               "telemetry: {enabled: false}\n")  # fmt: skip
    project.bronze("parcels")
    project.land("parcels/1.csv", "id\n1\n")
    command = [sys.executable, "-c", RUN, str(project.root), project.lake.root]
    with (
        dg.DagsterInstance.from_config(str(project.root)) as instance,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=PROJECT, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "in the step\n"
            sensor = Sensor(project.definitions(), "shop_arrivals", instance)
            assert sensor.tick().skip_message == "a run for earlier files is still under way"
        finally:
            process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(sensor.tick().run_requests) == 1
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.FAILURE
        assert run.tags["dagster/will_retry"] == "false"  # as the sensor has asked for its files
        (event,) = instance.all_logs(run.run_id, dg.DagsterEventType.RUN_FAILURE)
        assert event.dagster_event is not None
        assert f"its process {process.pid} on" in str(event.dagster_event.message)


@pytest.mark.parametrize(
    ("part", "other"),
    [(1, "another-boot"), (2, "4194305"), (3, "17")],
    ids=["the machine was started again", "no process has its number", "another process has its number"],
)
def test_a_run_whose_process_is_gone_is_reported_as_failed(
    instance: dg.DagsterInstance, here: list[str], part: int, other: str
) -> None:
    run, elsewhere = record(instance), record(instance, **{LAKE_TAG: "/another", RUN_TAG: "other"})
    for each in (run, elsewhere):
        tagged(instance, each, " ".join([*here[:part], other, *here[part + 1 :]]))
    assert not is_under_way(instance, TAGS)
    assert status(instance, run) is dg.DagsterRunStatus.FAILURE
    # It counts in the queue's limits, for which two lakes with one domain name are the same.
    assert status(instance, elsewhere) is dg.DagsterRunStatus.FAILURE


def test_a_run_that_may_be_there_is_left_alone(instance: dg.DagsterInstance, here: list[str]) -> None:
    there, far, odd, child = (record(instance) for _ in range(4))
    tagged(instance, there, " ".join(here))
    tagged(instance, far, " ".join(["another-host", *here[1:]]))
    tagged(instance, odd, "in a form of a later version")
    instance.add_run_tags(child.run_id, {PROCESS_TAG: f"{there.run_id} {here[0]} another-boot 1 1"})
    assert is_under_way(instance, TAGS)
    assert [status(instance, run) for run in (there, far, odd, child)] == [STARTED] * 4


def test_a_run_that_no_process_takes_up_is_given_up_after_two_minutes(
    instance: dg.DagsterInstance, here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = [record(instance, s) for s in (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, STARTED)]
    assert is_under_way(instance, TAGS)
    assert all(status(instance, run) is run.status for run in begun)
    (record_of_it,) = instance.get_run_records(dg.RunsFilter(run_ids=[begun[-1].run_id]))
    monkeypatch.setattr("time.time", lambda: record_of_it.update_timestamp.timestamp() + START_SECONDS + 1)
    other = record(instance, dg.DagsterRunStatus.STARTING, **{LAKE_TAG: "/another"})
    noted, odd = record(instance), record(instance)
    tagged(instance, noted, " ".join(here))
    tagged(instance, odd, "in a form of a later version")
    assert is_under_way(instance, TAGS)
    assert {status(instance, run) for run in begun} == {dg.DagsterRunStatus.FAILURE}
    assert status(instance, other) is dg.DagsterRunStatus.STARTING
    assert [status(instance, run) for run in (noted, odd)] == [STARTED] * 2


def test_a_run_of_another_lake_with_a_domain_of_that_name_keeps_nobody_waiting(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.bronze("parcels")
    project.land("parcels/1.csv", "id\n1\n")
    sensor = Sensor(project.definitions(), "shop_arrivals", instance)
    record(instance)
    (request,) = sensor.tick().run_requests
    assert request.tags[LAKE_TAG] == project.lake.root
    assert json.loads(sensor.cursor or "")["tries"] == 1


def test_every_run_says_which_lake_it_writes_to_and_which_process_it_is(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.bronze("parcels")
    done = project.definitions().resolve_job_def("shop").execute_in_process(instance=instance)
    assert done.dagster_run.run_id
    run = instance.get_run_by_id(done.run_id)
    assert run is not None
    assert run.tags[LAKE_TAG] == project.lake.root
    assert f" {os.getpid()} " in run.tags[PROCESS_TAG]
