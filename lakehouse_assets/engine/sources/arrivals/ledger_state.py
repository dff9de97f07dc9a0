"""The state of the arrivals ledger: what its events add up to, and what follows from that for a listing."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from lakehouse_assets.engine.lake.delta_rs import arrow, select, texts
from lakehouse_assets.engine.lake.stores import reaching
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, still_there, version_of

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

Status = Literal["announced", "planned", "done", "failed", "renamed", "vanished", "retry", "forgotten"]
STATUSES: tuple[str, ...] = get_args(Status)
ENDED = ("done", "failed", "vanished")
SETTLED = ("planned", "done", "failed", "renamed", "forgotten")
# Of a version that was read in place of another, `planned` and `done` have one number.
_LATEST = """WITH latest AS (
    SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY path, etag ORDER BY seq DESC, status) AS nth FROM events)
    WHERE nth = 1)"""


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
    """The ledger as it was at one moment.

    `table` is the Delta table at that version: a commit on it is refused if another came in between.
    """

    table: DeltaTable | None

    def where(self, *statuses: str) -> list[Entry]:
        """The entries, each the latest event of a (path, etag), that have one of these statuses; by path."""
        names = ", ".join(f.name for f in fields(Entry))
        return [Entry(**row) for row in self._select(f"{names} FROM latest WHERE {_one_of(statuses)} ORDER BY path")]

    def unreadable(self) -> list[tuple[str, str]]:
        """The paths whose newest version has failed, with the reason; by path."""
        found = self._select("""path, error FROM
            (SELECT *, row_number() OVER (PARTITION BY path ORDER BY seq DESC, modified DESC) AS age FROM latest)
            WHERE age = 1 AND status = 'failed' ORDER BY path""")
        return [(row["path"], row["error"] or "") for row in found]

    def open_batch(self) -> tuple[int, list[Arrival]] | None:
        """The batch that is planned and not marked, with its files by path."""
        # One batch is open at a time, and marked whole: what has a greater number than all that ended is open.
        found = self._select(f"""batch, path, etag, size, modified FROM events AS given
            WHERE status = 'planned'
            AND batch > (SELECT coalesce(max(batch), 0) FROM events WHERE {_one_of(ENDED)})
            AND NOT EXISTS (SELECT 1 FROM events AS other WHERE other.status = 'forgotten' AND other.seq > given.seq
                AND other.path = given.path AND other.etag = given.etag) ORDER BY path""")
        files = [Arrival(f["path"], f["etag"], f["size"], f["modified"]) for f in found]
        return (found[0]["batch"], files) if found else None

    def named(self, path: str) -> list[Entry]:
        """The versions of a file, under the names that it has had."""
        every = self.where(*STATUSES)
        mine = [e for e in every if e.path == path]
        moved = {(e.etag, e.size, e.modified) for e in every if e.status == "renamed"}
        same = {(e.etag, e.size, e.modified) for e in mine} & moved
        return mine + [e for e in every if e.path != path and (e.etag, e.size, e.modified) in same]

    def forgotten(self, after: int) -> list[Entry]:
        """What was asked to be forgotten after an event, in that order, whatever became of the file since."""
        names = ", ".join(f.name for f in fields(Entry))
        found = self._select(f"{names} FROM events WHERE status = 'forgotten' AND seq > {after} ORDER BY seq, path")
        return [Entry(**row) for row in found]

    def announced(self) -> list[Arrival]:
        """The files that a notification told of, and no run has planned yet."""
        # Nothing but that is known of them. Not by `latest`, as this too is asked at every tick: where nothing was told
        # of, that is seen by the files' statistics.
        found = self._select("""path, etag, min(size) AS size, min(modified) AS modified FROM events AS told
            WHERE status = 'announced' AND NOT EXISTS (SELECT 1 FROM events AS other
                WHERE other.path = told.path AND other.etag = told.etag AND other.status != 'announced')
            GROUP BY path, etag""")
        return [Arrival(**row) for row in found]

    def known(self, files: Sequence[Arrival]) -> frozenset[str]:
        """The versions of these files that the ledger has, whatever became of them, as `version_of` writes them."""
        if not files:
            return frozenset()
        return self._versions(f"SELECT DISTINCT etag || ' ' || path FROM events WHERE {_paths(files)}")

    def read(self, files: Sequence[Arrival]) -> list[tuple[Arrival, int]]:
        """Those of these files whose rows are in the table, each with its batch."""
        versions = {version_of(f): f for f in files}
        if not versions:
            return []
        done = f"{_one_of(('done', 'renamed'))} AND {_paths(files)}"
        found = self._select(f"etag || ' ' || path AS version, batch FROM latest WHERE {done}")
        return [(versions[row["version"]], row["batch"]) for row in found if row["version"] in versions]

    def settled(self) -> frozenset[str]:
        """The versions of files that no run has to read any more, as `version_of` writes them."""
        # Settled it is from its plan, renaming or forgetting on, unless something undid that since. Not by `latest`:
        # without groups this is four times as fast, and it's asked at every tick.
        return self._versions(f"""SELECT etag || ' ' || path FROM events AS given
            WHERE status IN ('planned', 'renamed', 'forgotten') AND NOT EXISTS (SELECT 1 FROM events AS undone
                WHERE undone.status NOT IN {SETTLED} AND undone.seq > given.seq
                AND undone.path = given.path AND undone.etag = given.etag)""")

    def last(self, number: Literal["seq", "batch"]) -> int:
        """The last number given to an event or a batch; 0 if none was."""
        found = self._select(f"max({number}) AS last FROM events")
        return (found[0]["last"] or 0) if found else 0

    def _versions(self, query: str) -> frozenset[str]:
        if self.table is None:
            return frozenset()
        # Not by `_select`: a row is a dict, and 100,000 of them take 0.02 s.
        return frozenset(arrow(self.table, "events", query).column(0).to_pylist())

    def _select(self, query: str) -> list[dict[str, Any]]:
        if self.table is None:
            return []
        with reaching("Reading the ledger", self.table.table_uri):
            return select(self.table, "events", f"{_LATEST} SELECT {query}")


def _one_of(statuses: Sequence[str]) -> str:
    return f"status IN ({', '.join(map(repr, statuses))})"


def _paths(files: Sequence[Arrival]) -> str:
    return f"path IN ({texts({f.path for f in files})})"


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


def renamed(state: State, fresh: Sequence[Arrival]) -> set[Arrival]:
    """The fresh files that were read already under another path, where they aren't any more."""
    etags = {f.etag for f in fresh}
    gone = still_there([e.arrival for e in state.where("done", "renamed") if e.etag in etags])[1]
    left: dict[tuple[str, int, datetime], set[str]] = {}
    for f in gone:
        left.setdefault((f.etag, f.size, f.modified), set()).add(f.path)
    # Another path, not merely a path that something else was read from: names may be passed on, as logs are rotated.
    return {f for f in fresh if left.get((f.etag, f.size, f.modified), set()) - {f.path}}


def bounded(files: Sequence[Arrival], most: int, most_bytes: int) -> list[Arrival]:
    """The first of the files, as many as are allowed; one in any case."""
    total, kept = 0, list[Arrival]()
    for file in files:
        total += file.size
        if kept and (len(kept) >= most or total > most_bytes):
            break
        kept.append(file)
    return kept


def near(state: State, path: str) -> str:
    """The end of a message about an unknown path: the names most like it."""
    names = sorted({e.path for e in state.where(*STATUSES)})
    same = [n for n in names if n.rpartition("/")[2] == path.rpartition("/")[2]]
    near = (same + [n for n in difflib.get_close_matches(path, names, 3, 0.6) if n not in same])[:3]
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else "; see the arrivals for the names it knows"
