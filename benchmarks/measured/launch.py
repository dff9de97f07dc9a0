"""One new row, from the launch in the UI to the success of the run, beside the same work in a warm process."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from benchmarks.measure import Bench, Row, timed
from benchmarks.one_row import TABLES, refresh
from benchmarks.weather import hours, with_a_year
from lakehouse_assets.settings import PROJECT

POLL_SECONDS = 0.1
START_SECONDS = 120.0
RUN_SECONDS = 300.0
LOCATION = {"repositoryLocationName": "lakehouse_assets.definitions", "repositoryName": "__repository__"}
LAUNCH = """mutation ($it: ExecutionParams!) { launchRun(executionParams: $it) {
    ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } ... on RunConflict { message } } }"""
STATE = """query ($run: ID!) { runOrError(runId: $run) {
    ... on Run { status stats { ... on RunStatsSnapshot { enqueuedTime launchTime startTime endTime } } } } }"""
# The tick of the sensor would run the tables by itself.
STOP_SENSORS = """query { sensorsOrError(repositorySelector: {
    repositoryLocationName: "lakehouse_assets.definitions", repositoryName: "__repository__"}) {
    ... on Sensors { results { sensorState { id } } } } }"""
STOP_SENSOR = """mutation ($id: String!) { stopSensor(id: $id) {
    ... on StopSensorMutationResult { instigationState { status } } } }"""


def run(bench: Bench) -> list[Row]:
    settings = with_a_year(bench, bench.folder / "launch")
    landing, phases = hours(settings), list[dict[str, float]]()

    def warm_process() -> float:
        next(landing)
        return timed(lambda: refresh(settings, bench.engine))()

    with _server(bench, settings.home) as url:
        _stop_sensors(url)

        def launched() -> float:
            next(landing)
            start = time.perf_counter()
            phases.append(_launch(url))
            return time.perf_counter() - start

        medians = bench.pair(launched, warm_process)
    seen = ", ".join(f"{name} {statistics.median(p[name] for p in phases[1:]):.1f} s" for name in phases[0])
    return [Row("one row, launched in the UI", *medians, "below 6 s", seen)]


@contextmanager
def _server(bench: Bench, folder: Path) -> Iterator[str]:
    """The UI's address. It serves the project's definitions from a folder of its own, which has the history of runs."""
    shutil.copy(PROJECT / "dagster.yaml", folder)
    command = [sys.executable, "-m", "lakehouse_assets.serve", "--port", "0"]
    environment = bench.environment(folder) | {"PYTHONPATH": str(PROJECT)}
    log = folder / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output) as it,
    ):
        try:
            yield _announced(it, log)
        finally:
            it.terminate()


def _announced(server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"lakehouse is at (http://\S+)", log.read_text()):
            _wait_for_daemon(log, deadline)
            return found[1]
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"the server didn't start:\n{log.read_text()}")


def _wait_for_daemon(log: Path, deadline: float) -> None:
    while "following daemons" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _stop_sensors(url: str) -> None:
    for sensor in _query(url, STOP_SENSORS)["sensorsOrError"]["results"]:
        while not (stopped := _stopped(url, sensor["sensorState"]["id"])):
            time.sleep(POLL_SECONDS)
        assert stopped["instigationState"]["status"] == "STOPPED", stopped


def _stopped(url: str, sensor: str) -> dict[str, Any] | None:
    """What Dagster says of it; None if the daemon was writing the sensor's state at its first tick too."""
    try:
        stopped: dict[str, Any] = _query(url, STOP_SENSOR, id=sensor)["stopSensor"]
    except HTTPError as error:
        if error.code != HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return None
    return stopped


def _launch(url: str) -> dict[str, float]:
    """Launch the run as the UI does, wait until it succeeded; the seconds of its phases."""
    assets = [{"path": key.split(".")} for key in TABLES]
    selector = {**LOCATION, "jobName": "__ASSET_JOB", "assetSelection": assets}
    answer = _query(url, LAUNCH, it={"selector": selector, "mode": "default", "runConfigData": {}})["launchRun"]
    assert "run" in answer, answer
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        state = _query(url, STATE, run=answer["run"]["runId"])["runOrError"]
        if state["status"] == "SUCCESS":
            times = state["stats"]
            return {
                "queued": times["launchTime"] - times["enqueuedTime"],
                "starting": times["startTime"] - times["launchTime"],
                "running": times["endTime"] - times["startTime"],
            }
        assert state["status"] not in ("FAILURE", "CANCELED"), state
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"the run didn't end in {RUN_SECONDS:.0f} s")


def _query(url: str, query: str, **variables: Any) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310 - ours
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        found = json.load(answer)
    assert "errors" not in found, found
    data: dict[str, Any] = found["data"]
    return data
