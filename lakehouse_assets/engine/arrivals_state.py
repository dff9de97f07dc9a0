"""The state of the arrivals ledger: what its events add up to, and what follows from that for a listing."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from lakehouse_assets.engine.sources.listing import Arrival, still_there

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

Status = Literal["planned", "done", "failed", "renamed", "vanished", "retry"]
STATUSES: tuple[str, ...] = get_args(Status)
SETTLED = ("planned", "done", "failed", "renamed")


@dataclass(frozen=True)
class Entry:
    """What is known about one version of one file: its latest event. `rows` is null unless it's done."""

    path: str
    etag: str
    size: int
    modified: datetime
    batch: int
    status: Status
    error: str | None
    rows: int | None
    at: datetime
    seq: int
    rebuild: bool

    @property
    def arrival(self) -> Arrival:
        return Arrival(self.path, self.etag, self.size, self.modified)


@dataclass(frozen=True)
class State:
    """The ledger as it was at one moment: the latest event of each (path, etag), and the numbers used so far.

    `table` is the Delta table at that version: a commit on it is refused if another came in between.
    """

    table: DeltaTable | None
    entries: pa.Table
    seq: int
    batch: int

    def where(self, *statuses: str) -> list[Entry]:
        """The entries with one of these statuses, by path."""
        import pyarrow.compute as pc

        rows = self.entries.filter(pc.field("status").isin(statuses)).sort_by([("path", "ascending")])
        return [Entry(**row) for row in rows.to_pylist()]


def schema() -> pa.Schema:
    """The columns of the ledger's table; `size` in bytes, times in UTC, `seq` orders the events."""
    import pyarrow as pa

    text, number, time = pa.string(), pa.int64(), pa.timestamp("us", tz="UTC")
    return pa.schema({
        "path": text, "etag": text, "size": number, "modified": time, "batch": number,
        "status": text, "error": text, "rows": number, "at": time, "seq": number, "rebuild": pa.bool_(),
    })  # fmt: skip


def event(
    file: Arrival, batch: int, status: Status, error: str | None = None, rows: int | None = None
) -> dict[str, Any]:
    known = {"path": file.path, "etag": file.etag, "size": file.size, "modified": file.modified}
    return {**known, "batch": batch, "status": status, "error": error, "rows": rows, "rebuild": False}


def _keys(paths: pa.ChunkedArray, etags: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(paths, etags, "\0")


def state_of(table: DeltaTable | None, events: pa.Table) -> State:
    """The latest event of each (path, etag)."""
    import numpy as np
    import pyarrow.compute as pc

    events = events.sort_by("seq")
    codes = _keys(events["path"], events["etag"]).combine_chunks().dictionary_encode().indices.to_numpy()
    latest = np.zeros(codes.max(initial=-1) + 1, dtype=np.int64)
    latest[codes] = np.arange(len(codes))  # of several events of a key, the last assigned stays
    batch, seq = pc.max(events["batch"]).as_py() or 0, pc.max(events["seq"]).as_py() or 0
    return State(table, events.take(latest), seq, batch)


def pending(state: State, listing: Sequence[Arrival]) -> list[Arrival]:
    """The files of a listing that are still to be read, in its order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    settled = state.entries.filter(pc.field("status").isin(SETTLED))
    listed = _keys(pa.array([f.path for f in listing], pa.string()), pa.array([f.etag for f in listing], pa.string()))
    known = pc.is_in(listed, value_set=_keys(settled["path"], settled["etag"]).combine_chunks())
    return [listing[i] for i in pc.indices_nonzero(pc.invert(known)).to_pylist()]


def open_batch(state: State) -> tuple[int, list[Arrival]] | None:
    """The batch that is planned and not marked, with its files by path."""
    planned = state.where("planned")
    return (planned[0].batch, [e.arrival for e in planned]) if planned else None


def renamed(state: State, fresh: Sequence[Arrival]) -> set[Arrival]:
    """The fresh files that were read already under another path, where they aren't any more."""
    import pyarrow as pa
    import pyarrow.compute as pc

    etags = pa.array([f.etag for f in fresh], pa.string())
    twins = state.entries.filter(pc.field("status").isin(["done", "renamed"]) & pc.field("etag").isin(etags))
    gone = still_there([Entry(**row).arrival for row in twins.to_pylist()])[1]
    left: dict[tuple[str, int, datetime], set[str]] = {}
    for f in gone:
        left.setdefault((f.etag, f.size, f.modified), set()).add(f.path)
    # Another path, not merely a path that something else was read from: names may be passed on, as logs are rotated.
    return {f for f in fresh if left.get((f.etag, f.size, f.modified), set()) - {f.path}}


def near(state: State, path: str) -> str:
    """The end of a message about an unknown path: the names most like it."""
    names = sorted(set(state.entries["path"].to_pylist()))
    same = [n for n in names if n.rpartition("/")[2] == path.rpartition("/")[2]]
    near = (same + [n for n in difflib.get_close_matches(path, names, 3, 0.6) if n not in same])[:3]
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else "; see the arrivals for the names it knows"
