"""The sensor for arrivals as it's declared: when it asks for a run, of what, and what it says when it asks for none."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from lakehouse_assets.definitions import definitions
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.engine.compile.sensors import Sensor
from lakehouse_assets_tests.project import Project

IN_FLIGHT = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING,
             dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]  # fmt: skip

# A run can be in the queue only if it says whose code it runs.
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__"), "shop")


def airlines_tick(home: Path, instance: dg.DagsterInstance) -> dg.SensorExecutionData:
    """What the sensor of the airlines decides with the landing folder of this home."""
    loaded = definitions(read_settings({**os.environ, "LAKEHOUSE_HOME": str(home)}))
    return Sensor(loaded, "airlines_arrivals", instance).tick()


def test_the_sensor_skips_with_a_reason_where_nothing_landed(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    decision = airlines_tick(tmp_path, instance)
    assert (decision.run_requests, decision.skip_message) == ([], "no new files")


def test_the_sensor_asks_for_one_run_for_all_files_with_a_small_cursor(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    flights = tmp_path / "landing" / "airlines" / "flights"
    flights.mkdir(parents=True)
    for day in range(1, 301):
        (flights / f"{day}.csv").write_text("carrier\nUA\n")
    (flights / "_301.csv").write_text("half a fi")
    decision = airlines_tick(tmp_path, instance)
    (request,) = decision.run_requests
    assert request.tags["lakehouse/arrivals"] == "airlines"
    assets = open_lakehouse(strict=True).assets.values()
    by_messages = {f"airlines.{name}" for name in ("bronze.flight_updates", "bronze.positions", "silver.flight_status",
                                                   "silver.tracks", "gold.delays_by_minute")}  # fmt: skip
    by_files = {a.key for a in assets if a.domain == "airlines"} - by_messages
    assert {".".join(key.path) for key in request.asset_selection} == by_files
    assert request.tags["lakehouse/waiting"] == "airlines.bronze.flights: 300"
    assert len(decision.cursor) < 200


# A table that reads its files, or fails where a file of this name lies beside the landing folder.
PARCELS = """
from pathlib import Path
@table(landed=files("parcels/*.csv"))
def parcels(landed: DataFrame) -> DataFrame:
    if Path("{broken}").exists():
        raise RuntimeError("out of luck")
    return landed
"""


class Shop:
    """A lakehouse of one table, with what Dagster remembers of it between the ticks of its sensor."""

    def __init__(self, project: Project, instance: dg.DagsterInstance) -> None:
        self.project, self.instance, self.broken = project, instance, project.root / "broken"
        project.table("bronze.parcels", PARCELS.format(broken=self.broken))
        self.sensor = Sensor(project.definitions(), "shop_arrivals", instance)

    def land(self, name: str) -> None:
        self.project.land(f"parcels/{name}.csv", "id\n1\n2\n")

    def tick(self) -> list[dg.RunRequest] | str:
        """The runs that the sensor asks for, or why it asks for none."""
        decision = self.sensor.tick()
        return decision.run_requests or decision.skip_message

    def run(self, requests: list[dg.RunRequest] | str) -> bool:
        """Whether the run that was asked for succeeded."""
        (request,) = requests
        assert isinstance(request, dg.RunRequest)
        return self.sensor.run(request).success

    def rows(self) -> int:
        return len(self.project.rows("bronze.parcels"))


@pytest.fixture
def shop(project: Project, instance: dg.DagsterInstance) -> Shop:
    return Shop(project, instance)


def test_the_sensor_rests_when_its_run_has_read_the_files_and_wakes_for_new_ones(shop: Shop) -> None:
    shop.land("monday")
    shop.land("tuesday")
    assert shop.run(shop.tick())
    assert shop.rows() == 4
    assert shop.tick() == "no new files"
    shop.land("wednesday")
    assert shop.run(shop.tick())
    assert shop.rows() == 6
    assert shop.tick() == "no new files"


def test_a_tick_looks_into_the_folders_of_the_last_days_and_into_all_of_them_once_an_hour(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 5, 10, 12, tzinfo=UTC).timestamp()
    monkeypatch.setattr("time.time", lambda: now)
    project.table(
        "bronze.parcels",
        """
        @table(landed=files("parcels/%Y/%m/%d/%H-*.csv"))
        def parcels(landed: DataFrame) -> DataFrame:
            return landed
        """,
    )
    sensor = Sensor(project.definitions(), "shop_arrivals", instance)
    assert sensor.tick().skip_message == "no new files"
    for name in ("2026/05/10/09-new", "2026/05/11/00-ahead", "2026/01/02/09-late", "2026/05/xx/09-no-day"):
        project.land(f"parcels/{name}.csv", "id\n1\n")
    (request,) = sensor.tick().run_requests
    assert request.tags["lakehouse/waiting"] == "shop.bronze.parcels: 2"
    assert sensor.run(request).success
    assert len(project.rows("bronze.parcels")) == 3  # a run takes all there is
    assert sensor.tick().skip_message == "no new files"
    project.land("parcels/2026/01/03/09-late.csv", "id\n1\n")
    assert sensor.tick().skip_message == "no new files"
    now += 3600
    (request,) = sensor.tick().run_requests
    assert request.tags["lakehouse/waiting"] == "shop.bronze.parcels: 1"
    assert sensor.run(request).success
    project.land("parcels/2026/01/04/09-late.csv", "id\n1\n")
    now -= 24 * 3600  # it was a day ahead, and is set right
    (request,) = sensor.tick().run_requests
    assert request.tags["lakehouse/waiting"] == "shop.bronze.parcels: 1"


def test_the_sensor_waits_while_a_run_for_arrivals_is_under_way(shop: Shop) -> None:
    shop.land("monday")
    (request,) = shop.tick()
    assert isinstance(request, dg.RunRequest)
    shop.land("tuesday")
    for status in IN_FLIGHT:
        run = shop.instance.create_run_for_job(
            shop.sensor.job, tags=request.tags, status=status, remote_job_origin=ORIGIN
        )
        assert shop.tick() == "a run for earlier files is still under way", status
        shop.instance.delete_run(run.run_id)
    elsewhere = {"lakehouse/arrivals": "airlines"}
    shop.instance.create_run_for_job(shop.sensor.job, tags=elsewhere, status=dg.DagsterRunStatus.STARTED)
    shop.instance.create_run_for_job(shop.sensor.job, tags=request.tags, status=dg.DagsterRunStatus.SUCCESS)
    assert isinstance(shop.tick(), list)


def test_files_whose_run_failed_are_tried_again_after_one_two_four_minutes_and_then_each_hour(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    shop.land("monday")
    shop.broken.touch()
    for minutes in (1, 2, 4, 8, 16, 32, 60, 60):
        requests = shop.tick()
        if minutes == 1:  # what the others would do is the same
            assert not shop.run(requests)
        assert shop.tick() == f"a run for these files didn't end well; they're tried again in {minutes * 60} s"
        now += minutes * 60 - 1
        assert shop.tick() == "a run for these files didn't end well; they're tried again in 1 s"
        now += 1
    assert isinstance(shop.tick(), list)
    now -= 24 * 3600  # the clock was a day ahead, and is set right
    assert isinstance(shop.tick(), list)
    now += 3600
    shop.broken.unlink()
    assert shop.run(shop.tick())
    assert shop.rows() == 2
    assert shop.tick() == "no new files"


def test_a_new_file_is_not_kept_waiting_by_the_failure_of_others(shop: Shop) -> None:
    shop.land("monday")
    shop.broken.touch()
    assert not shop.run(shop.tick())
    assert isinstance(shop.tick(), str)
    shop.land("tuesday")
    shop.broken.unlink()
    assert shop.run(shop.tick())
    assert shop.rows() == 4
