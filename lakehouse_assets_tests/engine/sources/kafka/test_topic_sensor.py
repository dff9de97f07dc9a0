"""The sensor of a domain asks for a run when a topic has messages that no run has read."""

from __future__ import annotations

import time

import dagster as dg
import pytest

from lakehouse_assets_tests.engine.compile.sensors import Sensor
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.kafka import Kafka

LATEST = """
@table(raw="bronze.updates", write=merge(on="name", newest="_offset"), columns=[Column("name", "string", key=True)])
def latest(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("string(value) name", "_offset")
"""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that are added to the time of the machine."""
    ahead, now = [0.0], time.time
    monkeypatch.setattr("lakehouse_assets.engine.compile.sensors.time.time", lambda: now() + ahead[0])
    return ahead


def test_a_run_is_asked_for_when_there_are_messages_and_it_is_time(
    project: Project, kafka: Kafka, instance: dg.DagsterInstance, clock: list[float]
) -> None:
    topic = kafka.topic(partitions=2)
    project.table("bronze.updates", f'updates = kafka("{topic}", every="2m")')
    project.table("silver.latest", LATEST)
    sensor = Sensor(project.definitions(), "shop_arrivals", instance)
    kafka.send(topic, ["a", "b"], partition=1)
    (request,) = sensor.tick().run_requests
    assert {key.path[-1] for key in request.asset_selection} == {"updates", "latest"}
    done = sensor.run(request)
    assert done.success
    assert project.rows("silver.latest", "name") == [("a",), ("b",)]
    (made,) = [m for m in done.get_asset_materialization_events() if m.asset_key.path[-1] == "updates"]
    told = {name: value.value for name, value in made.materialization.metadata.items()}
    assert (told["topic"], told["messages"], told["lag_messages"]) == (topic, 2, 2)
    assert told["offsets"] == {"0": 0, "1": 2}

    kafka.send(topic, ["c"], partition=0)
    assert sensor.tick().skip_message == "no new messages"  # it isn't time yet
    clock[0] = 121
    (request,) = sensor.tick().run_requests
    assert sensor.run(request).success
    clock[0] = 242
    assert sensor.tick().skip_message == "no new messages"
    assert len(project.rows("silver.latest")) == 3


def test_a_broker_that_is_down_is_told_of_and_keeps_no_file_waiting(
    project: Project, kafka: Kafka, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.table("bronze.updates", f'updates = kafka("{kafka.topic()}")')
    project.bronze("parcels")
    project.land("parcels/1.csv", "id\n1\n")
    monkeypatch.setenv("LAKEHOUSE_KAFKA", "127.0.0.1:1")
    (request,) = Sensor(project.definitions(), "shop_arrivals", instance).tick().run_requests
    assert request.tags["lakehouse/waiting"] == "shop.bronze.parcels: 1"


def test_a_topic_from_which_nothing_comes_for_too_long_is_told_of_once_and_once_when_it_comes_again(
    project: Project, kafka: Kafka, instance: dg.DagsterInstance, clock: list[float]
) -> None:
    topic = kafka.topic()
    check = 'up_to_date("_sent_at", within=timedelta(minutes=10))'
    project.table("bronze.updates", f'from datetime import timedelta\nupdates = kafka("{topic}", checks=[{check}])')
    loaded = project.definitions()
    arrivals, newest = Sensor(loaded, "shop_arrivals", instance), Sensor(loaded, "shop_up_to_date", instance)
    assert not newest.tick().asset_events  # there is no table yet
    kafka.send(topic, ["first"])
    (request,) = arrivals.tick().run_requests
    (judged,) = arrivals.run(request).get_asset_check_evaluations()
    assert (judged.check_name, judged.passed) == ("_sent_at_up_to_date", True)
    assert not newest.tick().asset_events

    clock[0] = 660
    assert _told(newest, instance) == ("_sent_at_up_to_date", False)
    assert not newest.tick().asset_events
    kafka.send(topic, ["later"], timestamp=int(time.time() * 1000))
    project.run("bronze.updates")
    assert _told(newest, instance) == ("_sent_at_up_to_date", True)


def _told(sensor: Sensor, instance: dg.DagsterInstance) -> tuple[str, bool]:
    """The one verdict of a tick, of which Dagster is told as its daemon does it."""
    (told,) = sensor.tick().asset_events
    instance.report_runless_asset_event(told)
    assert isinstance(told, dg.AssetCheckEvaluation)
    return told.check_name, told.passed
