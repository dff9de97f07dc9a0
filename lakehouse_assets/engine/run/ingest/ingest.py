"""How a table takes in arriving files: a batch is planned in the ledger, written under its number, then marked.

A file that can't be read is marked failed with the reason, one that is gone or was overwritten before it was read as
vanished; neither stops the others of its batch.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.lake.by_hand import quarantine_changed
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_rs import select
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.plan.plan import Plan, Strategy
from lakehouse_assets.engine.plan.undone import find_undone
from lakehouse_assets.engine.quality import quarantine
from lakehouse_assets.engine.run.ingest.bad_files import source_of
from lakehouse_assets.engine.run.ingest.batch import Batch, Written, finish_batch, write_batch
from lakehouse_assets.engine.run.ingest.forget import finish_forgetting, forget_versions
from lakehouse_assets.engine.run.outcome import Outcome, together
from lakehouse_assets.engine.sources.arrivals import downloads
from lakehouse_assets.engine.sources.arrivals.cleanup import put_away
from lakehouse_assets.engine.sources.arrivals.ledger import VANISHED, Ledger
from lakehouse_assets.engine.sources.arrivals.ledger import Outcome as Ending
from lakehouse_assets.engine.sources.arrivals.ledger_state import Entry, State
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, list_arrivals, version_of
from lakehouse_assets.engine.spec.table import Table

GIVEN_UP = "forgotten by a rebuild with --accept-loss, as it was gone"


def ingest(table: Table, context: Context, full: bool, accept_loss: bool = False) -> Outcome:
    """Read the files that no run has read, or all of them into a new table if `full`.

    With `accept_loss` that table is made of the files that are there, and the rows of others are given up.

    Raises:
        SourceError: a full refresh would lose rows, because files read before are gone; or something couldn't be
            downloaded or put away, which is told when the rest has been read.
    """
    failed = _downloaded(table, context)
    finish_forgetting(table, context)
    lost = _give_up(table, context) if full and accept_loss else 0
    outcome = _read_arrivals(table, context, full, accept_loss)
    if lost:
        reason = f"{outcome.plan.reason}; {lost:,} rows are lost, as their files are gone"
        outcome = replace(outcome, plan=replace(outcome.plan, reason=reason))
    outcome = replace(outcome, files={**outcome.files, **_put_away(table, context)})
    if failed:
        raise downloads.refused(table.key, failed)
    return outcome


def _downloaded(table: Table, context: Context) -> dict[str, str]:
    """Land what changed at the addresses of the source, if it has any; those where that failed, with the reason."""
    source = source_of(table)
    by = downloads.downloaded(source, context.lake)
    if by is None or downloads.unset(by):
        return {}
    return downloads.fetch(by, f"{context.lake.landing_folder(table.domain)}/{table.name}", f".{source.format.name}")


def _read_arrivals(table: Table, context: Context, full: bool, accept_loss: bool) -> Outcome:
    ledger = Ledger(context.lake.arrivals(table.key), context.lake.storage)
    state = ledger.state()
    unfinished = state.open_batch()
    taken = list[Outcome]()
    if unfinished:
        batch = Batch(*unfinished, rebuild=ledger.rebuilds(unfinished[0]))
        taken.append(_take(table, context, ledger, batch, resumed=True))
    known, source = frozenset() if full else state.settled(), source_of(table)
    left = list_arrivals(source, context.lake.landing_folder(table.domain), known)
    bounds = (source.intake.files_per_batch, source.intake.bytes_per_batch)
    while True:
        number, files = _plan_rebuild(table, context, left, accept_loss) if full else ledger.plan(left, *bounds)
        if not files:
            break
        taken.append(_take(table, context, ledger, Batch(number, files, ledger.rebuilds(number)), resumed=False))
        planned = {version_of(f) for f in files}
        left = [f for f in left if version_of(f) not in planned]
        if full or not left:
            break
    return together(taken) if taken else Outcome(Plan(table, "nothing", "no new files"), 0)


def bring_back(table: Table, context: Context, accept_loss: bool = False) -> str:
    """Let files be read again whose rows someone took out of the table, and take out those that are back; why that is.

    With `accept_loss` rows that someone took out of its quarantine are given up.

    Raises:
        SourceError: the table was changed in another way by hand, or such a file is gone.
    """
    if accept_loss:
        accept_quarantine(table, context.lake)
    undone = find_undone(table, context.lake)
    if undone.refused:
        raise SourceError(undone.refused)
    if undone.back:
        forget_versions(table, context, undone.back, "forgotten before, and back by hand")
    if undone.again:
        Ledger(context.lake.arrivals(table.key), context.lake.storage).reopen(undone.again)
    return undone.reason


def _put_away(table: Table, context: Context) -> dict[str, int]:
    """Archive or delete the files whose rows are in the table, those of a run that ended before it did so too."""
    source, landing = source_of(table), context.lake.landing_folder(table.domain)
    if source.intake.afterwards == "keep":
        return {}
    state = Ledger(context.lake.arrivals(table.key), context.lake.storage).state()
    read = state.read(list_arrivals(source, landing))
    return {"put_away": put_away(source, landing, read)}


def finish_open_batch(table: Table, context: Context) -> None:
    """Complete a batch that was committed, and not marked, by a process that ended early."""
    ledger = Ledger(context.lake.arrivals(table.key), context.lake.storage)
    unfinished = ledger.state().open_batch()
    log = read_log(context.lake.table(table.key)) if unfinished else None
    if unfinished and log and log.transaction(table.key) >= unfinished[0]:
        _take(table, context, ledger, Batch(*unfinished, rebuild=ledger.rebuilds(unfinished[0])), resumed=True)


def _plan_rebuild(
    table: Table, context: Context, listing: list[Arrival], accept_loss: bool
) -> tuple[int, list[Arrival]]:
    ledger = Ledger(context.lake.arrivals(table.key), context.lake.storage)
    state, log = ledger.state(), read_log(context.lake.table(table.key))
    gone = _gone(state, listing)
    if gone:
        rows, kept = sum(e.rows or 0 for e in gone), source_of(table).intake.afterwards == "keep"
        raise SourceError(
            f"Full refresh of {table.key}: {len(gone)} files read before are gone or were overwritten "
            f"(as {gone[0].path}); it would lose their {rows} rows. {'Put them back, refresh' if kept else 'Refresh'} "
            f"what is downstream only, or give `lakehouse run {table.key} --full --accept-loss` if the loss is meant"
        )
    last = log.transaction(table.key) if log else 0
    if log and last > state.last("batch") and not accept_loss:
        _refuse_unlisted(table, log, listing)
    forgotten = {version_of(e.arrival) for e in state.where("forgotten")}
    return ledger.plan_rebuild([f for f in listing if version_of(f) not in forgotten], last)


def _refuse_unlisted(table: Table, log: TableLog, listing: list[Arrival]) -> None:
    """Refuse to lose rows of files that are gone, of which the ledger doesn't know, as it was removed or restored."""
    sources = {row["s"] for row in select(log.table, "stored", 'SELECT DISTINCT "_source" AS s FROM stored')}
    gone = sorted(sources - {f.path for f in listing})
    if gone:
        raise SourceError(
            f"Full refresh of {table.key}: {len(gone)} files whose rows it has are gone (as {gone[0]}). Put them back, "
            f"or give `lakehouse run {table.key} --full --accept-loss` if the loss is meant"
        )


def _gone(state: State, listing: list[Arrival]) -> list[Entry]:
    """The files whose rows are in the table, and that aren't there any more, under whatever name."""
    there = {version_of(f) for f in listing}
    moved = {e.etag for e in state.where("renamed") if version_of(e.arrival) in there}
    return [e for e in state.where("done") if e.rows and version_of(e.arrival) not in there and e.etag not in moved]


def _give_up(table: Table, context: Context) -> int:
    """Forget the files that are gone, as it was accepted that their rows are lost; how many rows that are."""
    finish_open_batch(table, context)
    listing = list_arrivals(source_of(table), context.lake.landing_folder(table.domain))
    gone = _gone(Ledger(context.lake.arrivals(table.key), context.lake.storage).state(), listing)
    return forget_versions(table, context, [e.arrival for e in gone], GIVEN_UP)[1] if gone else 0


def _take(table: Table, context: Context, ledger: Ledger, batch: Batch, *, resumed: bool) -> Outcome:
    """Write a planned batch, or find that it was written already; then mark it."""
    log = read_log(context.lake.table(table.key))
    strategy: Strategy = "full" if batch.rebuild else "append"
    plan = Plan(
        table, strategy, f"{len(batch.files)} files in batch {batch.number}", batch.number, files=len(batch.files)
    )
    if log is not None and log.transaction(table.key) >= batch.number:
        written = finish_batch(plan, batch, context, log)
    else:
        written = write_batch(plan, batch, context, log, resumed=resumed)
    endings = [_ending(f.path, written) for f in batch.files]
    meanwhile = ledger.mark(batch.number, endings)
    if meanwhile:
        forget_versions(
            table, context, [f for f in batch.files if f.path in meanwhile], "forgotten while it was being read"
        )
    counts = Counter[str](e.status for e in endings) + Counter(done=len(written.instead))
    return Outcome(plan, 0, written.version, written.counts, {}, counts, written.failed, written.added)


def _ending(path: str, written: Written) -> Ending:
    """How a file of the batch ended; one with nothing in it is done, with no rows."""
    if path in written.failed:
        return Ending(path, "failed", error=written.failed[path])
    if path in written.instead:
        return Ending(path, "vanished", written.rows[path], VANISHED, written.instead[path])
    if path in written.vanished:
        return Ending(path, "vanished", error=VANISHED)
    return Ending(path, "done", rows=written.rows.get(path, 0))


def accept_quarantine(table: Table, lake: Lake) -> None:
    """Go on with the quarantine as it is, if someone changed it or it's gone."""
    log, kept = read_log(lake.table(table.key)), read_log(lake.quarantine(table.key))
    if log and quarantine_changed(table, log, kept):
        quarantine.accept(lake.quarantine(table.key), table.key)
