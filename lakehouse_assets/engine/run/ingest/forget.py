"""Takes the rows of a file out of its table again, exactly once, so that what reads the table follows.

The ledger is told first: from then on no run reads these versions of the file. Then the rows go out of the table in one
commit, and out of its quarantine, both under the number of the ledger's event. What a process that ended early left
undone is completed by the next run of the table, or the next file that is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError, SourceError
from lakehouse_assets.engine.lake import delta_write
from lakehouse_assets.engine.lake.delta_commits import mark_of
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.plan.plan import Plan
from lakehouse_assets.engine.quality import quarantine
from lakehouse_assets.engine.run.outcome import Outcome, until_committed
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.sources.arrivals.ledger_state import Entry, near
from lakehouse_assets.engine.sources.arrivals.listing import Arrival
from lakehouse_assets.engine.spark_errors.explained import explained
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.engine.spec.texts import literal


@dataclass(frozen=True)
class _Forgetting:
    """The commit by which rows of files go out: whose table, the number of the ledger's event, why and by whom."""

    app: str
    run: int
    forgot: tuple[str, ...]
    rows: int
    why: str

    @property
    def metadata(self) -> str:
        return mark_of(self.app, self.run, "forget", forgot=self.forgot, rows=self.rows, why=self.why)


def forget(table: Table, context: Context, path: str, by: str, reason: str = "") -> Outcome:
    """Take the rows that a table has of a file out of it and its quarantine, and read the file no more.

    A file of the same name that lands later is read as any other. Of one that failed or vanished, nothing is left to do
    but to take it off the list of such files.

    Raises:
        LakehouseError: the table isn't made of files, or knows of no such file; or other runs kept committing first.
    """
    if table.source is None:
        raise LakehouseError(
            f"Forgetting {path} in {table.key}: it reads tables, not files; {_readers_of_files(context)}"
        )
    why = f"forgotten by {by}: {reason}" if reason else f"forgotten by {by}"
    return until_committed(lambda: _forget(table, context, path, why))


def forget_versions(table: Table, context: Context, files: Sequence[Arrival], why: str) -> tuple[int, int]:
    """Forget versions of files, told apart from others of the same names; how many were known, with how many rows."""
    log = read_log(context.lake.table(table.key))
    rows = log.rows_by_file({f.path for f in files}) if log else {}
    gone = Ledger(context.lake.arrivals(table.key), context.lake.storage).forget(files, why, rows)
    finish_forgetting(table, context)
    return len(gone), sum(rows.get((e.path, e.batch), 0) for e in gone)


def finish_forgetting(table: Table, context: Context) -> None:
    """Carry out what was asked to be forgotten, and wasn't yet."""
    app, lake = f"{table.key}/forget", context.lake
    state = Ledger(lake.arrivals(table.key), lake.storage).state()
    own, kept = (read_log(path) for path in (lake.table(table.key), lake.quarantine(table.key)))
    done = min(log.transaction(app) for log in (own, kept) if log) if own or kept else 0
    asked = state.forgotten(done)
    for number, found in groupby(asked, lambda e: e.seq):
        entries = list(found)
        if own is not None and own.transaction(app) < number:
            _delete(table, context, own, entries, number)
        if kept is not None:
            with explained(table):
                mine = [(e.path, e.batch) for e in entries]
                quarantine.forget(mine, lake.quarantine(table.key), quarantine.Part(app, number))


def _forget(table: Table, context: Context, path: str, why: str) -> Outcome:
    from lakehouse_assets.engine.run.ingest.ingest import finish_open_batch

    finish_forgetting(table, context)
    finish_open_batch(table, context)
    state = Ledger(context.lake.arrivals(table.key), context.lake.storage).state()
    versions = state.named(path)
    if not versions:
        raise SourceError(f"Forgetting {path!r} in {table.key}: it has read no such file{near(state, path)}")
    gone, rows = forget_versions(table, context, [e.arrival for e in versions], why)
    now = read_log(context.lake.table(table.key))
    plan = Plan(
        table, "forget", f"{path} is forgotten: {rows:,} row(s) of {gone} version(s) of it went out", files=gone
    )
    return Outcome(plan, 0, now.version if now and rows else None, files={"forgotten": gone})


def _delete(table: Table, context: Context, own: TableLog, entries: Sequence[Entry], number: int) -> None:
    """Delete the rows of files in one commit, of each those of the batch that read it; none where there are no rows."""
    rows = own.rows_by_file({e.path for e in entries})
    there = [e for e in entries if (e.path, e.batch) in rows]
    if not there:
        return
    mine = " OR ".join(f"(_source = {literal(e.path)} AND _batch = {e.batch})" for e in there)
    paths = tuple(sorted({e.path for e in there}))
    gone = sum(rows[e.path, e.batch] for e in there)
    stamp, spark = _Forgetting(f"{table.key}/forget", number, paths, gone, there[0].error or ""), context.session()
    with explained(table):
        delta_write.delete(spark, context.lake.table(table.key), mine, stamp)


def _readers_of_files(context: Context) -> str:
    names = [key for key, table in context.lakehouse.tables.items() if table.source]
    return f"name the table that read the file: {', '.join(names)}" if names else "no table reads files"
