"""Notifications in a Storage Queue: each file they tell of is read once, whatever else is in the queue or isn't."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import fsspec
import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue import QueueClient
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_assets.engine.arrivals import Ledger, Outcome
from lakehouse_assets.engine.compile.cursor import Cursor
from lakehouse_assets.engine.declare import files, table
from lakehouse_assets.engine.inputs import Files
from lakehouse_assets.engine.lake import Lake
from lakehouse_assets.engine.sources import notified
from lakehouse_assets.engine.sources.blob_events import CREATED
from lakehouse_assets.engine.sources.listing import Arrival, list_arrivals
from lakehouse_assets.engine.sources.notified import Drained, Queues, drain
from lakehouse_assets.resources.azure import queues_at
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets_tests.azurite import Azurite, created
from lakehouse_assets_tests.conftest import new_project
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.sensors import Sensor
from lakehouse_assets_tests.waiting import holds_within, wait_until


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
        return list_arrivals(Files("orders/**/*.csv"), self.lake.landing_folder("shop"))

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
    monkeypatch.setattr(notified, "VISIBILITY_SECONDS", 1)
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
    monkeypatch.setattr(notified, "VISIBILITY_SECONDS", 1)
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
    monkeypatch.setattr(notified, "VISIBILITY_SECONDS", 2)
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


@dataclass
class Memory:
    """A queue that a peer keeps in memory; a message comes back at once until it's deleted."""

    messages: list[SimpleNamespace] = field(default_factory=list)
    refuses: AzureError | None = None

    def receive_messages(self, *, max_messages: int, **_: int) -> Sequence[Any]:
        waiting = [m for m in self.messages if not m.hidden][:max_messages]
        for message in waiting:
            message.hidden, message.dequeue_count = True, message.dequeue_count + 1
        return waiting

    def update_message(self, message: Any, **_: int) -> Any:
        return message

    def delete_message(self, message: Any) -> None:
        self.messages.remove(message)

    def send_message(self, content: str) -> None:
        if self.refuses:
            raise self.refuses
        self.messages.append(SimpleNamespace(content=content, dequeue_count=0, hidden=False))

    def come_back(self) -> None:
        """The time is over for which messages are nobody else's."""
        for message in self.messages:
            message.hidden = False


URL = "abfss://shop@account.dfs.core.windows.net/landing"


class Peer:
    """A table with a ledger on a disk, of whose files in a store a queue in memory tells."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.events, self.poison = Memory(), Memory()
        self.lake = Lake(str(folder / "lake"), URL)
        self.tables = [a_table(name) for name in names or ("orders",)]

    def drained(self, deliveries: int = 1) -> Drained:
        found = Drained()
        for _ in range(deliveries):
            self.events.come_back()
            found += drain(Queues(self.events, self.poison), self.tables, self.lake)
        return found

    def paths(self, number: int = 0) -> list[str]:
        table = self.tables[number]
        return sorted(a.path for a in Ledger(self.lake.arrivals(table.key)).state().announced())


def a_table(name: str) -> Any:
    def fn(landed: Any) -> Any:
        return landed

    fn.__name__ = name
    return replace(table(landed=files("orders/**"))(fn), domain="shop", layer="bronze")


def told(name: str = "1.csv", **changed: Any) -> dict[str, Any]:
    """The event of a file; `data` may change in part."""
    data = {"api": "PutBlob", "eTag": "0x1", "contentLength": 3}
    base = {
        "eventType": CREATED,
        "subject": f"/blobServices/default/containers/shop/blobs/landing/shop/orders/{name}",
        "eventTime": "2026-05-10T12:00:00Z",
        "data": data,
    }
    return {**base, **changed}


def of_data(**changed: Any) -> dict[str, Any]:
    return told(data={**told()["data"], **changed})


DEEP = "[" * 30_000 + "]" * 30_000
UNREADABLE = {
    "an empty message": "",
    "no JSON": "half a mess",
    "null": "null",
    "a number": "1",
    "no events": "[]",
    "a list of none": "[null]",
    "a thousand lists in one another": DEEP,
    "lists in one another in an event": json.dumps(told()).replace('"PutBlob"', DEEP[:25_000] + DEEP[-25_000:]),
    "a number of thousands of digits": json.dumps(told()).replace(": 3", ": " + "9" * 5000),
    "Base64 of no UTF-8": base64.b64encode(b"\xff\xfe{}").decode(),
    "letters that Base64 hasn't": "ü",
    "64 KB": "x" * 65_536,
    "no type": told(eventType=None),
    "a type that is a number": told(eventType=5),
    "a type that is a list": told(eventType=[CREATED]),
    "a subject that is an object": told(subject={"path": "x"}),
    "data that is a list": told(data=[]),
    "data that is a text": told(data="x"),
    "data that is false": told(data=False),
    "a time that is a number": told(eventTime=1_778_000_000),
    "a time that is an object": told(eventTime={}),
    "a time that is none": told(eventTime="yesterday"),
    "the year 0": told(eventTime="0000-01-01T00:00:00Z"),
    "before the year 1 in UTC": told(eventTime="0001-01-01T00:00:00+14:00"),
    "after 9999 in UTC": told(eventTime="9999-12-31T23:59:59-12:00"),
    "the year 10000": told(eventTime="10000-01-01T00:00:00Z"),
    "a negative size": of_data(contentLength=-1),
    "a size in letters": of_data(contentLength="many"),
    "a size in a text": of_data(contentLength="3"),
    "a size that no column holds": of_data(contentLength=2**63),
    "a size with a fraction": of_data(contentLength=3.5),
    "no number": of_data(contentLength=float("nan")),
    "infinity": of_data(contentLength=float("inf")),
    "true for a size": of_data(contentLength=True),
    "an etag that is a list": of_data(eTag=["0x1"]),
    "an etag with a space": of_data(eTag="0x1 abfss://shop"),
    "an etag of other letters": of_data(eTag="0x1\ud800"),
    "an etag without end": of_data(eTag="0" * 30_000),
    "half a character in a path": told("a\ud800.csv"),
    "NUL in a path": told("a\0.csv"),
    "a control character in a path": told("a\x1b.csv"),
    "no character in a path": told("a\uffff.csv"),
    "a path that is too long": told("a" * 1100),
}


@pytest.mark.parametrize("message", UNREADABLE.values(), ids=UNREADABLE)
def test_a_message_that_tells_of_nothing_real_is_set_aside_and_the_one_beside_it_taken_down(
    message: Any, tmp_path: Path
) -> None:
    peer = Peer(tmp_path)
    text = message if isinstance(message, str) else json.dumps(message)
    for content in (text, json.dumps(told())):
        peer.events.send_message(content)
    assert peer.drained(4) == Drained(announced=1)
    assert [m.content for m in peer.events.messages] == [text]
    assert peer.drained() == Drained(poisoned=1)
    assert ([m.content for m in peer.poison.messages], peer.events.messages) == ([text], [])
    assert peer.paths() == [f"{URL}/shop/orders/1.csv"]


@pytest.mark.parametrize(
    ("event", "named"),
    [
        (told("a//b.csv"), "a//b.csv"),
        (told("a%2Fb.csv"), "a%2Fb.csv"),
        (told("a%00b%zz.csv"), "a%00b%zz.csv"),
        (told("a'b\"c\\d.csv"), "a'b\"c\\d.csv"),
        (told("a\nb\t\x7f.csv"), "a\nb\t\x7f.csv"),
        (told("ü😀.csv"), "ü😀.csv"),
        (told(eventTime="2026-05-10T12:00:00"), "1.csv"),
        (told(eventTime="2026-05-10T12:00:00.123456789Z"), "1.csv"),
        (told(eventTime="9999-12-31T23:59:59.999999Z"), "1.csv"),
        (told(eventTime="0001-01-01T00:00:00Z"), "1.csv"),
        (of_data(contentLength=2**63 - 1), "1.csv"),
        (of_data(contentLength=None), "1.csv"),
        (told(id="\ud800", more=[float("nan")]), "1.csv"),
        (told("../../other/orders/x.csv"), None),
        (told("./x.csv"), None),
        (told(eventType="Microsoft.Storage.BlobDeleted", eventTime=1, data=[]), None),
        (told(subject="/blobServices/default/containers/other/blobs/x", data="x"), None),
        (of_data(eTag=None), None),
    ],
)
def test_a_strange_name_or_time_that_a_store_may_have_is_taken_down_as_it_is(
    event: dict[str, Any], named: str | None, tmp_path: Path
) -> None:
    peer = Peer(tmp_path)
    peer.events.send_message(json.dumps(event))
    assert peer.drained() == (Drained(announced=1) if named else Drained(ignored=1))
    assert peer.paths() == ([f"{URL}/shop/orders/{named}"] if named else [])


def test_of_a_message_that_can_be_read_in_part_the_good_events_are_taken_down(tmp_path: Path) -> None:
    peer = Peer(tmp_path)
    text = json.dumps([told("1.csv"), told("2.csv", eventTime=2), told("1.csv"), "x", told("3.csv")])
    peer.events.send_message(text)
    assert peer.drained() == Drained(announced=2, ignored=1)
    assert peer.paths() == [f"{URL}/shop/orders/{n}.csv" for n in (1, 3)]
    assert peer.drained(4) == Drained(ignored=12, poisoned=1)
    assert [m.content for m in peer.poison.messages] == [text]


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
PLACES = ["eventType", "subject", "eventTime", "data", "path", "eTag", "contentLength", "api", "topic"]


def put(value: Any, place: str) -> dict[str, Any]:
    match place:
        case "path":
            return told(value if isinstance(value, str) else repr(value))
        case "eTag" | "contentLength" | "api":
            return of_data(**{place: value})
    return told(**{place: value})


def test_whatever_is_in_an_event_the_one_beside_it_is_taken_down(tmp_path: Path) -> None:
    peer, number = Peer(tmp_path), count()

    @settings(max_examples=40, deadline=None, database=None)
    @given(st.lists(st.tuples(anything, st.sampled_from(PLACES), st.booleans()), min_size=1, max_size=8))
    def try_it(drawn: list[tuple[Any, str, bool]]) -> None:
        events = [(put(value, place), listed) for value, place, listed in drawn]
        control = of_data(eTag=f"0xc{next(number)}")
        for event, listed in [*events, (control, False)]:
            peer.events.send_message(json.dumps([event] if listed else event))
        found = peer.drained(5)
        assert found.announced >= 1
        assert found.announced + found.ignored + found.poisoned > len(events)
        assert (found.failed, peer.events.messages) == ((), [])

    try_it()
    etags = {a.etag for a in Ledger(peer.lake.arrivals("shop.bronze.orders")).state().announced()}
    assert etags >= {f"0xc{n}" for n in range(next(number))}


@pytest.mark.parametrize(
    "why", [ResourceNotFoundError("The specified queue does not exist."), HttpResponseError("It's too large.")]
)
def test_a_message_that_cannot_be_set_aside_stays_and_holds_nobody_up(tmp_path: Path, why: AzureError) -> None:
    peer = Peer(tmp_path)
    peer.poison.refuses = why
    peer.events.send_message("half a mess")
    assert peer.drained(4) == Drained()
    peer.events.send_message(json.dumps(told()))
    found = peer.drained()
    assert (found.announced, found.poisoned) == (1, 0)
    assert [m.content for m in peer.events.messages] == ["half a mess"]
    (told_of,) = found.failed
    assert str(why) in told_of
    assert "-poison" in told_of
    peer.poison.refuses = None
    assert peer.drained() == Drained(poisoned=1)


def test_a_message_that_another_process_has_by_now_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = Peer(tmp_path)
    for name in ("1.csv", "2.csv"):
        peer.events.send_message(json.dumps(told(name)))
    first, delete = peer.events.messages[0], peer.events.delete_message
    gone = ResourceNotFoundError("The specified message does not exist.")
    gone.status_code = 404

    def refused(message: Any) -> None:
        if message is first:
            raise gone
        delete(message)

    monkeypatch.setattr(peer.events, "delete_message", refused)
    assert peer.drained() == Drained(announced=2)
    assert peer.events.messages == [first]


def test_a_ledger_that_is_damaged_keeps_its_messages_and_no_others(tmp_path: Path) -> None:
    peer = Peer(tmp_path, "orders", "refunds")
    peer.tables[1] = replace(peer.tables[1], inputs={"landed": Files("refunds/**")})
    refund = told(subject=told()["subject"].replace("orders", "refunds"))
    damaged = Path(peer.lake.arrivals("shop.bronze.orders"), "_delta_log", f"{0:020}.json")
    damaged.parent.mkdir(parents=True)
    damaged.write_text("half a comm")
    for event in (told(), refund):
        peer.events.send_message(json.dumps(event))
    found = peer.drained()
    assert (found.announced, found.ignored) == (1, 0)
    assert [json.loads(m.content) for m in peer.events.messages] == [told()]
    assert "shop.bronze.orders isn't told of 1 files, which stay in the queue" in found.failed[0]
    damaged.unlink()
    assert peer.drained() == Drained(announced=1)
    assert peer.events.messages == []


def test_a_tick_with_what_cannot_be_read_nor_set_aside_asks_for_the_rest(
    shop: Shop, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notified, "DELIVERIES", 1)
    shop.queues.poison.delete_queue()  # type: ignore[attr-defined]
    shop.tell(shop.event(shop.land("old.csv"), eventTime="0001-01-01T00:00:00+14:00"), "", DEEP, encoded=False)
    shop.tell(shop.event(shop.land("1.csv")))
    now = datetime(2026, 5, 10, 12, tzinfo=UTC).timestamp()
    monkeypatch.setattr("time.time", lambda: now)
    sensor = Sensor(shop.project.definitions(), "shop_arrivals", instance)
    sensor.cursor = Cursor("", now, 0, now).text()
    (request,) = sensor.tick().run_requests
    assert request.tags["lakehouse/waiting"] == "shop.bronze.orders: 1"
    assert shop.plan([]) == ["1.csv"]
