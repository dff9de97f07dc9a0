"""What may be in a queue: whatever it is, the messages beside it are taken down, and nothing that is real is lost."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.sources.arrivals.blob_events import CREATED
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.sources.arrivals.notifications import Drained, Queues, drain
from lakehouse_assets.engine.spec.declare import files, table


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
    peer.tables[1] = replace(peer.tables[1], inputs={"landed": files("refunds/**")})
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
