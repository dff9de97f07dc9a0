"""The arrivals ledger: which version of which file was read in which batch, so that none is lost or read twice.

An append-only Delta table of events, kept without a JVM; of the events of one (path, etag) the latest counts:

    planned → done | failed | vanished        failed → retry → planned        renamed (already read under another path)
    announced (told of by a notification) → planned | vanished                any → forgotten → retry → planned

Every commit carries the transaction `ledger` = its own number, so two processes can't both extend the same state:
the later one is refused by Delta, reads again and decides anew.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lakehouse_assets.engine.errors import SourceError, WriteConflict
from lakehouse_assets.engine.lake.delta_rs import is_conflict, undamaged
from lakehouse_assets.engine.lake.stores import reaching, unreachable
from lakehouse_assets.engine.sources.arrivals.ledger_state import (
    STATUSES,
    Entry,
    State,
    bounded,
    event,
    near,
    renamed,
    schema,
)
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, still_there, version_of

if TYPE_CHECKING:
    from deltalake import DeltaTable

ATTEMPTS = 20
VANISHED = "it was gone or overwritten before it could be read"
COMMITS_BETWEEN_COMPACTIONS = 50
# A reader of the ledger is done within a second; what it may still hold open is kept for a day.
HOURS_KEPT = 24
T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """How a planned file ended: `done` with its rows, `failed` with the reason, or `vanished` before it was read.

    Of one that has vanished, `instead` is the version whose rows were read in place of its own, if any was.
    """

    path: str
    status: Literal["done", "failed", "vanished"]
    rows: int | None = None
    error: str | None = None
    instead: Arrival | None = None


class Ledger:
    """The ledger kept at `path`; made when first written to."""

    def __init__(self, path: str, storage_options: Mapping[str, str] = {}) -> None:
        self.path = path
        self.storage_options = dict(storage_options)

    def entries(self) -> list[Entry]:
        """The latest state of every (path, etag), by path and age."""
        return sorted(self.state().where(*STATUSES), key=lambda e: (e.path, e.seq))

    def state(self) -> State:
        """What is settled, and what is under way, at this moment."""
        return State(self._open())

    def announce(self, files: Sequence[Arrival]) -> int:
        """Record files that a notification tells of, unless they're known; how many were not.

        Raises:
            WriteConflict: other processes kept changing the ledger.
        """
        return self._attempt(lambda state: self._announce(state, files))

    def plan(
        self, files: Sequence[Arrival], most: int = sys.maxsize, most_bytes: int = sys.maxsize
    ) -> tuple[int, list[Arrival]]:
        """Make those of the files that are still pending the next batch, within bounds; its number and files, by path.

        If a batch is open already, perhaps planned by another process a moment ago, that one is returned. A file
        that was read under another path, and isn't there any more, is recorded as renamed instead of planned: the
        etag, size and time must all agree. What a notification told of is planned though it isn't among the files, or
        recorded as vanished if it isn't there any more. The list is empty when nothing is left to read; then no batch
        was planned.

        Raises:
            WriteConflict: other processes kept changing the ledger.
        """
        return self._attempt(lambda state: self._plan(state, files, most, most_bytes))

    def plan_rebuild(self, files: Sequence[Arrival], after: int = 0) -> tuple[int, list[Arrival]]:
        """Make all of the files the next batch, read before or not, for a table that's made anew from them.

        If a batch is open already, that one is returned instead. Its number is greater than `after`, the last one that
        the table has, of which a ledger that was removed or restored doesn't know.

        Raises:
            WriteConflict: other processes kept changing the ledger.
        """
        return self._attempt(lambda state: self._plan_rebuild(state, files, after))

    def rebuilds(self, batch: int) -> bool:
        """Whether the open batch with this number makes the table anew."""
        return any(e.rebuild for e in self.state().where("planned") if e.batch == batch)

    def mark(self, batch: int, outcomes: Sequence[Outcome]) -> frozenset[str]:
        """Record how the files of a batch ended, in one commit; what is marked already is left as it is.

        Returns those of the files that were forgotten while the batch was under way.

        Raises:
            SourceError: a file isn't in the batch, or one that is open was left out: the repeat of a batch that is
                half marked would read fewer files than were planned, and Delta would drop it as a repeat.
            WriteConflict: other processes kept changing the ledger.
        """
        return self._attempt(lambda state: self._mark(state, batch, outcomes))

    def forget(self, files: Sequence[Arrival], why: str, rows: Mapping[tuple[str, int], int]) -> list[Entry]:
        """Settle versions of files as forgotten; those that weren't yet, or have rows again, as they were before.

        `rows` tells how many rows the table has of a path and batch.

        Raises:
            WriteConflict: other processes kept changing the ledger.
        """
        return self._attempt(lambda state: self._forget(state, files, why, rows))

    def retry(self, path: str) -> int:
        """Let a failed, vanished or forgotten file be read again; how many versions of it that concerns.

        Raises:
            SourceError: the ledger has no such file, or its rows are in the table.
            WriteConflict: other processes kept changing the ledger.
        """
        return self._attempt(lambda state: self._retry(state, path))

    def reopen(self, files: Sequence[Arrival]) -> None:
        """Let versions of files that were read be read again, as their rows are no longer in the table.

        Raises:
            WriteConflict: other processes kept changing the ledger.
        """
        meant = {version_of(f) for f in files}

        def again(state: State) -> None:
            read = [e for e in state.where("done", "renamed") if version_of(e.arrival) in meant]
            self._append(state, [event(e.arrival, e.batch, "retry") for e in read])

        self._attempt(again)

    @property
    def version(self) -> int:
        """The Delta version; -1 before the first write."""
        table = self._open()
        return -1 if table is None else int(table.version())

    def _announce(self, state: State, files: Sequence[Arrival]) -> int:
        known = state.known(files)
        new = {version_of(f): f for f in files if version_of(f) not in known}
        self._append(state, [event(f, 0, "announced") for f in new.values()])
        return len(new)

    def _plan(self, state: State, files: Sequence[Arrival], most: int, most_bytes: int) -> tuple[int, list[Arrival]]:
        already = state.open_batch()
        if already:
            return already
        settled, listed = state.settled(), {version_of(f) for f in files}
        there, gone = still_there([f for f in state.announced() if version_of(f) not in listed])
        fresh = sorted({f for f in (*files, *there) if version_of(f) not in settled}, key=lambda f: (f.path, f.etag))
        moved = renamed(state, fresh)
        new = bounded([f for f in fresh if f not in moved], most, most_bytes)
        batch = state.last("batch") + bool(new)
        events = [event(f, batch, "planned") for f in new] + [event(f, 0, "renamed") for f in moved]
        self._append(state, events + [event(f, 0, "vanished", VANISHED) for f in gone])
        return batch, new

    def _plan_rebuild(self, state: State, files: Sequence[Arrival], after: int) -> tuple[int, list[Arrival]]:
        already = state.open_batch()
        if already:
            return already
        batch, everything = max(state.last("batch"), after) + 1, sorted(set(files), key=lambda f: (f.path, f.etag))
        self._append(state, [{**event(f, batch, "planned"), "rebuild": True} for f in everything])
        return batch, everything

    def _mark(self, state: State, batch: int, outcomes: Sequence[Outcome]) -> frozenset[str]:
        entries = state.where(*STATUSES)
        planned = {e.path: e for e in entries if e.batch == batch and e.status == "planned"}
        named = {o.path for o in outcomes}
        unknown, left = sorted(named - {e.path for e in entries}), sorted(planned.keys() - named)
        if unknown or left:
            problem = f"{unknown[0]!r} isn't in it" if unknown else f"{left[0]!r} has no outcome"
            raise SourceError(f"Marking batch {batch} in {self.path}: {problem}; mark all files of a batch at once")
        still = [o for o in outcomes if o.path in planned]
        self._append(state, [e for o in still for e in _endings(planned[o.path].arrival, batch, o)])
        return frozenset(e.path for e in entries if e.batch == batch and e.status == "forgotten" and e.path in named)

    def _forget(
        self, state: State, files: Sequence[Arrival], why: str, rows: Mapping[tuple[str, int], int]
    ) -> list[Entry]:
        meant = {version_of(f) for f in files}
        known = [(e, rows.get((e.path, e.batch))) for e in state.where(*STATUSES) if version_of(e.arrival) in meant]
        left = [(e, n) for e, n in known if e.status != "forgotten" or n]
        self._append(state, [event(e.arrival, e.batch, "forgotten", why, n) for e, n in left])
        return [e for e, _ in left]

    def _retry(self, state: State, path: str) -> int:
        versions = [e for e in state.where(*STATUSES) if e.path == path]
        if not versions:
            raise SourceError(f"Retrying {path!r}: the ledger {self.path} has no such file{near(state, path)}")
        again = [e for e in versions if e.status in ("failed", "vanished", "forgotten")]
        if not again and not any(e.status == "retry" for e in versions):
            last = max(versions, key=lambda e: e.seq)
            raise SourceError(
                f"Retrying {path!r}: it hasn't failed, it's {last.status} in batch {last.batch}; "
                "`lakehouse forget TABLE FILE` takes its rows out"
            )
        self._append(state, [event(e.arrival, e.batch, "retry") for e in again])
        return len(again)

    def _attempt(self, decide: Callable[[State], T]) -> T:
        from deltalake.exceptions import CommitFailedError, DeltaError

        refused: CommitFailedError | None = None
        for _ in range(ATTEMPTS):
            try:
                with reaching("Writing the ledger", self.path):
                    return decide(State(self._open() or self._create()))
            except DeltaError as e:  # as it also calls a disk that is full
                if not isinstance(e, CommitFailedError) or not is_conflict(e):
                    raise unreachable("Writing the ledger", self.path, e) from e
                refused = e
        raise WriteConflict(
            f"Writing the ledger {self.path}: other processes changed it {ATTEMPTS} times in a row; run again"
        ) from refused

    def _open(self) -> DeltaTable | None:
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            with undamaged(self.path), reaching("Reading the ledger", self.path):
                return DeltaTable(self.path, storage_options=self.storage_options)
        except TableNotFoundError:
            return None

    def _create(self) -> DeltaTable:
        """An empty ledger; of several processes that make it at once, the others find it made."""
        from deltalake import DeltaTable

        settings = {"delta.appendOnly": "true", "delta.logRetentionDuration": f"interval {HOURS_KEPT} hours"}
        return DeltaTable.create(
            self.path, schema(), mode="ignore", configuration=settings, storage_options=self.storage_options
        )

    def _append(self, state: State, events: Sequence[Mapping[str, Any]]) -> None:
        if not events or state.table is None:
            return
        import pyarrow as pa
        from deltalake import CommitProperties, Transaction, write_deltalake

        seq, at = state.last("seq") + 1, datetime.now(UTC)
        rows = pa.Table.from_pylist([{**e, "at": at, "seq": seq} for e in events], schema=schema())
        once = CommitProperties(app_transactions=[Transaction("ledger", seq)])
        write_deltalake(state.table, rows, mode="append", commit_properties=once)
        if seq % COMMITS_BETWEEN_COMPACTIONS == 0:
            _compact(state.table)


def _endings(planned: Arrival, batch: int, outcome: Outcome) -> list[dict[str, Any]]:
    if outcome.instead is None:
        return [event(planned, batch, outcome.status, outcome.error, outcome.rows)]
    # Settled is only what was planned.
    read = [event(outcome.instead, batch, "planned"), event(outcome.instead, batch, "done", rows=outcome.rows)]
    return [event(planned, batch, outcome.status, outcome.error), *read]


def _compact(table: DeltaTable) -> None:
    """Join the small files, make a checkpoint, and drop log and data files that no reader can need any more."""
    from deltalake.exceptions import CommitFailedError

    try:
        table.optimize.compact()
    except CommitFailedError:  # another process compacted the same files just now
        table.update_incremental()
    table.create_checkpoint()
    table.cleanup_metadata()
    table.vacuum(HOURS_KEPT, dry_run=False, enforce_retention_duration=False)
