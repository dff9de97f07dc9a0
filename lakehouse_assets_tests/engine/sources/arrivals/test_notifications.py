"""Notifications in a Storage Queue: each file they tell of is read once, whatever else is in the queue or isn't."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import fsspec
import pytest
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue import QueueClient

from lakehouse_assets.engine.compile.cursor import Cursor
from lakehouse_assets.engine.sources.arrivals import notifications
from lakehouse_assets.engine.sources.arrivals.blob_events import CREATED
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger, Outcome
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, list_arrivals
from lakehouse_assets.engine.sources.arrivals.notifications import Drained, Queues, drain
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets.resources.azure import queues_at
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets_tests.conftest import new_project
from lakehouse_assets_tests.engine.compile.sensors import Sensor
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.azurite import Azurite, created
from lakehouse_assets_tests.servers.waiting import holds_within, wait_until


class Shop:
    """A lakehouse of one table, with the queue that tells of its files."""

    def __init__(self, project: Project, container: str, azurite: Azurite) -> None:
        self.project, self.container, self.lake = (
            project,
            container.removeprefix("abfs://").partition("@")[0],
            project.lake,
        )
        project.queue = f"{self.container}-arrivals"
        for name in (project.queue, f"{project.queue}-poison"):
            QueueClient.from_connection_string(azurite.connection_string, name).create_queue()
        project.table("bronze.orders", BRONZE)
        self.queues: Queues = queues_at(project.queue, self.lake.landing)
        self.ledger = Ledger(self.lake.arrivals("shop.bronze.orders"), self.lake.storage)

    def land(self, name: str) -> Arrival:
        """Deliver a file; what a listing says of it."""
        self.project.land(f"orders/{name}", "id\n1\n")
        (found,) = [a for a in self.listed() if a.path.endswith(f"/orders/{name}")]
        return found

    def listed(self) -> list[Arrival]:
        return list_arrivals(files("orders/**/*.csv"), self.lake.landing_folder("shop"))

    def event(self, file: Arrival, **changed: Any) -> dict[str, Any]:
        return {**created(file, self.container), **changed}

    def tell(self, *events: Any, encoded: bool = True) -> None:
        """Put a message with each of these into the queue."""
        for event in events:
            text = event if isinstance(event, str) else json.dumps(event)
            self.queues.events.send_message(base64.b64encode(text.encode()).decode() if encoded else text)

    def drained(self) -> Drained:
        tables = [table for table, _ in self.project.lakehouse.source_tables()]
        return drain(self.queues, tables, self.lake)

    def plan(self, files: list[Arrival]) -> list[str]:
        """Plan a batch with these files listed, and mark it read; its files."""
        batch, planned = self.ledger.plan(files)
        self.ledger.mark(batch, [Outcome(f.path, "done", rows=1) for f in planned])
        return [f.path.rpartition("orders/")[2] for f in planned]

    def statuses(self) -> list[tuple[str, str]]:
        return sorted((e.path.rpartition("orders/")[2], e.status) for e in self.ledger.entries())


BRONZE = """
@table(landed=files("orders/**/*.csv"))
def orders(landed: DataFrame) -> DataFrame:
    return landed
"""


@pytest.fixture
def shop(
    tmp_path: Any, container: str, azurite: Azurite, engine: SparkResource, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    with new_project(tmp_path, engine, monkeypatch, container) as project:
        yield Shop(project, container, azurite)


def test_files_that_are_told_of_once_or_twice_in_either_schema_are_planned_once(shop: Shop) -> None:
    first, second, third = shop.land("1.csv"), shop.land("a b/ü %2F.csv"), shop.land("3.csv")
    cloud = {"type": CREATED, "time": "2026-05-10T12:00:00Z"}
    event = {k: v for k, v in shop.event(second, **cloud).items() if k not in ("eventType", "eventTime")}
    shop.tell(shop.event(first), event, shop.event(first))
    shop.tell([shop.event(first), shop.event(third)], encoded=False)
    assert shop.drained() == Drained(announced=3, ignored=2)
    assert shop.drained() == Drained()
    assert shop.plan([]) == ["1.csv", "3.csv", "a b/ü %2F.csv"]
    shop.tell(shop.event(first))
    assert shop.drained() == Drained(ignored=1)
    assert shop.plan(shop.listed()) == []


def test_what_concerns_no_table_is_taken_off_the_queue(shop: Shop) -> None:
    file = shop.land("1.csv")
    shop.tell(
        shop.event(file, eventType="Microsoft.Storage.BlobDeleted"),
        shop.event(file, subject="/blobServices/default/containers/another/blobs/landing/shop/orders/1.csv"),
        shop.event(file, subject=f"/blobServices/default/containers/{shop.container}/blobs/landing/shop/_tmp/1.csv"),
        shop.event(file, data={"api": "CreateFile", "eTag": file.etag, "contentLength": 0}),
        shop.event(file, data={}),
    )
    assert shop.drained() == Drained(ignored=5)
    assert (shop.drained(), shop.statuses()) == (Drained(), [])


def test_a_message_that_cannot_be_read_is_set_aside_at_its_fifth_delivery(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "VISIBILITY_SECONDS", 1)
    shop.tell("half a mess", '{"no": "event"}', encoded=False)
    shop.tell(shop.event(shop.land("1.csv")))
    found: list[Drained] = []

    def set_aside() -> bool:
        found.append(shop.drained())
        return sum(d.poisoned for d in found) == 2

    wait_until(set_aside, 60)
    assert sum(d.announced for d in found) == 1
    kept = shop.queues.poison.receive_messages(messages_per_page=32, visibility_timeout=1, max_messages=32)
    assert sorted(message.content for message in kept) == ["half a mess", '{"no": "event"}']


def test_a_process_that_dies_before_it_deletes_a_message_takes_the_file_down_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "VISIBILITY_SECONDS", 1)
    shop.tell(shop.event(shop.land("1.csv")))
    with monkeypatch.context() as dying:
        dying.setattr(shop.queues.events, "delete_message", _die)
        with pytest.raises(KeyboardInterrupt):
            shop.drained()
    assert shop.plan([]) == ["1.csv"]
    wait_until(lambda: shop.drained().ignored == 1, 30)
    assert (shop.plan(shop.listed()), shop.statuses()) == ([], [("1.csv", "done")])


def _die(_: Any) -> None:
    raise KeyboardInterrupt


def test_messages_are_nobody_elses_while_work_on_them_takes_long(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three ledgers, each of which takes its time, and longer together than a message stays away by itself."""
    monkeypatch.setattr(notifications, "VISIBILITY_SECONDS", 2)
    for name in ("copies", "others"):
        shop.project.table(f"bronze.{name}", BRONZE.replace("def orders", f"def {name}"))
    announce, seen = Ledger.announce, list[Any]()

    def slowly(ledger: Ledger, files: list[Arrival]) -> int:
        another = queues_at(shop.project.queue, shop.lake.landing).events
        seen.extend([1] if holds_within(lambda: any(another.receive_messages(visibility_timeout=1)), 1.2) else [])
        return announce(ledger, files)

    monkeypatch.setattr(Ledger, "announce", slowly)
    shop.tell(shop.event(shop.land("1.csv")))
    assert shop.drained() == Drained(announced=3)
    assert (seen, shop.drained()) == ([], Drained())


def test_a_file_that_is_gone_or_overwritten_before_it_is_read_holds_nobody_up(shop: Shop) -> None:
    gone, old = shop.land("gone.csv"), shop.land("again.csv")
    shop.tell(shop.event(gone), shop.event(old))
    assert shop.drained().announced == 2
    store, path = fsspec.core.url_to_fs(gone.path)
    store.rm(path)
    new = shop.land("again.csv")
    assert new.etag != old.etag
    assert shop.plan(shop.listed()) == ["again.csv"]
    assert shop.statuses() == [("again.csv", "done"), ("again.csv", "vanished"), ("gone.csv", "vanished")]


def test_a_file_is_planned_with_the_time_that_its_store_tells_not_that_of_the_event(shop: Shop) -> None:
    file = shop.land("1.csv")
    shop.tell(shop.event(file, eventTime="2026-05-10T12:00:00.1234567Z"))
    shop.drained()
    shop.plan([])
    assert [e.arrival for e in shop.ledger.entries()] == [file]


def test_a_tick_asks_for_what_it_was_told_of_and_once_an_hour_for_what_it_was_not(
    shop: Shop, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 5, 10, 12, tzinfo=UTC).timestamp()
    monkeypatch.setattr("time.time", lambda: now)
    sensor = Sensor(shop.project.definitions(), "shop_arrivals", instance)
    assert sensor.tick().skip_message == "no new files"
    told = shop.land("told.csv")
    shop.land("never told.csv")
    assert sensor.tick().skip_message == "no new files"
    shop.tell(shop.event(told))
    (request,) = sensor.tick().run_requests
    assert request.tags["lakehouse/waiting"] == "shop.bronze.orders: 1"
    assert shop.plan([]) == ["told.csv"]
    assert sensor.tick().skip_message == "no new files"
    now += 3600
    (request,) = sensor.tick().run_requests
    assert request.tags["lakehouse/waiting"] == "shop.bronze.orders: 1"
    assert shop.plan(shop.listed()) == ["never told.csv"]


def test_ten_tables_are_looked_at_by_one_client_of_each_service(
    shop: Shop, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(10):
        shop.project.table(f"bronze.t{n}", BRONZE.replace("def orders", f"def t{n}").replace("orders/", f"t{n}/"))
        shop.project.land(f"t{n}/1.csv", "id\n1\n")
    fsspec.get_filesystem_class("abfs").clear_instance_cache()
    made = Counter[str]()
    for kind in (BlobServiceClient, QueueClient):
        monkeypatch.setattr(kind, "__init__", counting(kind.__init__, made))
    (request,) = Sensor(shop.project.definitions(), "shop_arrivals", instance).tick().run_requests
    assert request.tags["lakehouse/waiting"].count(": 1") == 10
    assert made == {"BlobServiceClient": 1, "QueueClient": 2}  # the queue, and the one for what can't be read


def counting(made_by: Callable[..., None], made: Counter[str]) -> Callable[..., None]:
    def make(self: object, *args: Any, **kwargs: Any) -> None:
        made[type(self).__name__] += 1
        made_by(self, *args, **kwargs)

    return make


def test_a_tick_with_what_cannot_be_read_nor_set_aside_asks_for_the_rest(
    shop: Shop, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "DELIVERIES", 1)
    shop.queues.poison.delete_queue()  # type: ignore[attr-defined]
    shop.tell(shop.event(shop.land("old.csv"), eventTime="0001-01-01T00:00:00+14:00"), "", "[" * 30_000, encoded=False)
    shop.tell(shop.event(shop.land("1.csv")))
    now = datetime(2026, 5, 10, 12, tzinfo=UTC).timestamp()
    monkeypatch.setattr("time.time", lambda: now)
    sensor = Sensor(shop.project.definitions(), "shop_arrivals", instance)
    sensor.cursor = Cursor("", now, 0, now).text()
    (request,) = sensor.tick().run_requests
    assert request.tags["lakehouse/waiting"] == "shop.bronze.orders: 1"
    assert shop.plan([]) == ["1.csv"]
