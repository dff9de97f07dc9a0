"""Files that are read, and whose rows someone took out of the table by hand: which are read again, and what hinders it.

The ledger says how many rows each file gave in which batch, and the table has file and batch of each row. They are held
against one another where the log of the table has a change that none of our runs made, or the table is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse_assets.engine.lake.by_hand import quarantine_changed
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.sources.arrivals.ledger_state import Entry, State
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, still_there
from lakehouse_assets.engine.spec.table import Table

# What takes rows out, and changes none of those that stay.
_TAKES_OUT = {"RESTORE", "DELETE", "TRUNCATE"}


@dataclass(frozen=True)
class Undone:
    """The files to be read `again` and why; those whose rows are `back` though they were forgotten; what hinders it."""

    again: Sequence[Arrival] = ()
    reason: str = ""
    back: Sequence[Arrival] = ()
    refused: str = ""


def find_undone(table: Table, lake: Lake) -> Undone:
    """What has to be done before files are read, so that the table has the rows of each that was read, once."""
    state = Ledger(lake.arrivals(table.key), lake.storage).state()
    log = read_log(lake.table(table.key))
    if log is None:
        done = [e for e in state.where("done") if e.rows]
        return _again(table, state, done, "its table is gone", "put them back") if done else Undone()
    if log.transaction(table.key) > state.last("batch"):
        return Undone(refused=_ledger_behind(table, lake, log.transaction(table.key), state.last("batch")))
    kept = read_log(lake.quarantine(table.key))
    if what := quarantine_changed(table, log, kept):
        return Undone(refused=_other_rejects(table, what, kept))
    return _held_together(table, log, state) if log.hands else Undone()


def _other_rejects(table: Table, what: str, kept: TableLog | None) -> str:
    hand = kept.tampered if kept else None
    back = f"Undo it by {_restore(kept, hand.version - 1)}" if kept and hand else "Put it back"
    run = f"lakehouse run {table.key}"
    return (
        f"Reading files of {table.key}: {what}. {back}; or make both anew from the files that are there: "
        f"`{run} --full`; or, if rejected rows may be lost, `{run} --accept-loss`"
    )


def _restore(log: TableLog, version: int) -> str:
    return f"`RESTORE TABLE delta.`{log.table.table_uri}` TO VERSION AS OF {version}`"


def _ledger_behind(table: Table, lake: Lake, batch: int, known: int) -> str:
    return (
        f"Reading files of {table.key}: its table has come to batch {batch}, and its ledger {lake.arrivals(table.key)} "
        f"to {known}, so someone removed or restored that. Put the ledger back as it was, or make both anew from the "
        f"files that are there: `lakehouse run {table.key} --full`"
    )


def _held_together(table: Table, log: TableLog, state: State) -> Undone:
    hand, first = log.hands[0], log.hands[-1]
    what = f"it was changed by hand ({hand.operation.lower()} at version {hand.version})"
    back = _restore(log, first.version - 1)
    found, done = log.rows_by_file(), [e for e in state.where("done") if e.rows]
    odd = [e for e in done if found.get((e.path, e.batch), e.rows) != e.rows]
    if odd or not {c.operation for c in log.hands} <= _TAKES_OUT:
        return Undone(refused=_other_rows(table, what, back, odd))
    forgotten = [e.arrival for e in state.where("forgotten") if (e.path, e.batch) in found]
    lost = [e for e in done if (e.path, e.batch) not in found]
    undone = _again(table, state, lost, what, f"put them back, undo it by {back}") if lost else Undone()
    return Undone(undone.again, undone.reason, forgotten, undone.refused)


def _other_rows(table: Table, what: str, back: str, odd: Sequence[Entry]) -> str:
    rows = f"; of {odd[0].path} other rows are there than were read" if odd else ""
    return (
        f"Reading files of {table.key}: {what}{rows}. {back} undoes it; `lakehouse run {table.key} --full` makes it "
        "anew from the files that are there"
    )


def _again(table: Table, state: State, lost: Sequence[Entry], what: str, remedy: str) -> Undone:
    """The files of which no row is left, under the names that they have now, if all of them are still there."""
    moved = {(e.etag, e.size): e for e in state.where("renamed")}
    now = [moved.get((e.etag, e.size), e).arrival for e in lost]
    there, gone = still_there(now)
    if gone:
        return Undone(
            refused=f"Reading files of {table.key}: {what}, and {len(gone)} of the files whose rows it lacks are gone "
            f"(as {gone[0].path}): {remedy}, or give `lakehouse run {table.key} --full --accept-loss`"
        )
    names = [e.arrival for e in lost]
    return Undone(
        list(dict.fromkeys([*names, *there])), f"{what}; {len(lost)} files whose rows it lacks are read again"
    )
