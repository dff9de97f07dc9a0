"""How far a table has read its topic, and whether what comes next is still there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lakehouse_assets.engine.errors import StreamUnavailable
from lakehouse_assets.engine.lake.delta_log import TableLog
from lakehouse_assets.engine.lake.delta_rs import select
from lakehouse_assets.engine.sources.kafka.topic import Offsets, Spans, Standing, behind, total
from lakehouse_assets.engine.spec.inputs import Topic
from lakehouse_assets.engine.spec.table import Table


@dataclass(frozen=True)
class Place:
    """The topic by its id, empty if no commit tells it, and of each partition the offset that is read next."""

    id: str
    nexts: Offsets

    def recorded(self, after: Offsets) -> dict[str, Any]:
        """What a commit notes, from where to where it goes."""
        return {"id": self.id, "after": as_texts(after), "to": as_texts(self.nexts)}


def as_texts(offsets: Offsets) -> dict[str, int]:
    """Offsets as JSON has them."""
    return {str(partition): offset for partition, offset in sorted(offsets.items())}


def topic_of(table: Table) -> Topic:
    assert table.topic is not None  # noqa: S101  (only tables of a topic come here)
    return table.topic


def place_of(table: Table, log: TableLog | None) -> Place:
    """How far a table has come, by its newest commit; by its rows where the log no longer tells."""
    if log is None:
        return Place("", {})
    run = log.newest_run
    if run and (told := run["read"].get(topic_of(table).key)):
        return Place(told["id"], {int(partition): offset for partition, offset in told["to"].items()})
    rows = select(log.table, "stored", "SELECT _partition AS p, max(_offset) + 1 AS o FROM stored GROUP BY 1")
    return Place("", {row["p"]: row["o"] for row in rows})


def lag(table: Table, log: TableLog | None, now: Standing) -> Spans:
    """Of each partition that has more than was read: from where, and to where."""
    return behind(place_of(table, log).nexts, now)


def moved(table: Table, log: TableLog | None, now: Standing) -> Place:
    """The nearest place from which a table can go on: where it is, if what comes next is there."""
    here = place_of(table, log)
    if here.id != now.id and here.id:
        return Place(now.id, now.begins)
    known = {p: here.nexts.get(p, 0 if here.nexts else begin) for p, begin in now.begins.items()}
    return Place(now.id, {p: min(max(at, now.begins[p]), now.ends[p]) for p, at in known.items()})


def require_there(table: Table, log: TableLog | None, now: Standing) -> None:
    """Refuse to go on where messages are gone that weren't read.

    Raises:
        StreamUnavailable: the topic was made anew, or no longer has what is to be read next.
    """
    here = place_of(table, log)
    why = _made_anew(here, now) or _removed(here, now) or _cut(here, now)
    if why:
        raise StreamUnavailable(
            f"Reading the topic {topic_of(table).name!r} for {table.key}: {why}. `lakehouse seek {table.key}` goes on "
            "with what is there"
        )


def _made_anew(here: Place, now: Standing) -> str:
    again = here.id and here.id != now.id
    return "it was made anew since the last run, so what the old one had that wasn't read is gone" if again else ""


def _removed(here: Place, now: Standing) -> str:
    """Of a partition that is new since the first run, all of it is to be read."""
    known = {p: here.nexts.get(p, 0) for p in now.begins} if here.nexts else {}
    lost = {p: (at, now.begins[p]) for p, at in known.items() if at < now.begins[p]}
    if not lost:
        return ""
    some, (begin, end) = next(iter(lost.items()))
    return (
        f"its retention has removed {total(lost.values()):,} messages that weren't read, as offsets {begin:,} to "
        f"{end - 1:,} of partition {some}"
    )


def _cut(here: Place, now: Standing) -> str:
    some = next((p for p, at in here.nexts.items() if at > now.ends.get(p, 0)), None)
    if some is None:
        return ""
    return (
        f"partition {some} was read up to offset {here.nexts[some]:,}, and ends at {now.ends.get(some, 0):,} now, so "
        "the brokers have lost its newest messages"
    )
