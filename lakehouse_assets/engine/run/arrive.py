"""How a table takes in arriving files: a batch is planned in the ledger, written under its number, then marked.

A file that can't be read is marked failed with the reason and doesn't stop the others of its batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException

from lakehouse_assets.engine.arrivals import VANISHED, Ledger
from lakehouse_assets.engine.arrivals import Outcome as Ending
from lakehouse_assets.engine.delta_log import TableLog, read_log
from lakehouse_assets.engine.errors import ContractError, SourceError
from lakehouse_assets.engine.inputs import Files
from lakehouse_assets.engine.run import check, quarantine, write
from lakehouse_assets.engine.run.attempt import Environment, Outcome, together
from lakehouse_assets.engine.run.build import build
from lakehouse_assets.engine.run.commit import commit, settle
from lakehouse_assets.engine.run.interpret import interpreted
from lakehouse_assets.engine.run.plan import Plan, Way
from lakehouse_assets.engine.run.refresh import Work
from lakehouse_assets.engine.run.verdicts import Verdicts
from lakehouse_assets.engine.run.write import Stamp
from lakehouse_assets.engine.sources import http
from lakehouse_assets.engine.sources.afterwards import put_away
from lakehouse_assets.engine.sources.files import find_unreadable, read_files
from lakehouse_assets.engine.sources.listing import Arrival, list_arrivals, still_there, version_of
from lakehouse_assets.engine.spec import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Columns that bronze has beside those of the files.
SYSTEM = ("_rescued", "_source", "_ingested_at", "_batch")


@dataclass(frozen=True)
class Batch:
    """Files that are read together, once. A `rebuild` takes the place of all the table has."""

    number: int
    files: Sequence[Arrival]
    rebuild: bool = False


def materialize_arrivals(table: Table, env: Environment, full: bool) -> Outcome:
    """Read the files that no run has read, or all of them into a new table if `full`.

    Raises:
        SourceError: a full refresh would lose rows, because files read before are gone; or something couldn't be
            downloaded or put away, which is told when the rest has been read.
    """
    failed = _downloaded(table, env)
    outcome = _read_arrivals(table, env, full)
    outcome = replace(outcome, files={**outcome.files, **_put_away(table, env)})
    if failed:
        raise http.refused(table.key, failed)
    return outcome


def _downloaded(table: Table, env: Environment) -> dict[str, str]:
    """Land what changed at the addresses of the source, if it has any; those where that failed, with the reason."""
    source = _source(table)
    if source.http is None or not env.lake.downloads or http.unset(source.http):
        return {}
    return http.fetch(source.http, f"{env.lake.landing_folder(table.domain)}/{table.name}", f".{source.format}")


def _read_arrivals(table: Table, env: Environment, full: bool) -> Outcome:
    ledger = Ledger(env.lake.arrivals(table.key), env.lake.storage)
    state = ledger.state()
    unfinished = state.open_batch()
    taken = list[Outcome]()
    if unfinished:
        batch = Batch(*unfinished, rebuild=ledger.rebuilds(unfinished[0]))
        taken.append(_take(table, env, ledger, batch, resumed=True))
    known, source = frozenset() if full else state.settled(), _source(table)
    left = list_arrivals(source, env.lake.landing_folder(table.domain), known)
    bounds = (source.files_per_batch, source.bytes_per_batch)
    while True:
        number, files = _plan_rebuild(table, ledger, left) if full else ledger.plan(left, *bounds)
        if not files:
            break
        taken.append(_take(table, env, ledger, Batch(number, files, ledger.rebuilds(number)), resumed=False))
        planned = {version_of(f) for f in files}
        left = [f for f in left if version_of(f) not in planned]
        if full or not left:
            break
    return together(taken) if taken else Outcome(Plan(table, "nothing", "no new files"), 0)


def _put_away(table: Table, env: Environment) -> dict[str, int]:
    """Archive or delete the files whose rows are in the table, those of a run that ended before it did so too."""
    source, landing = _source(table), env.lake.landing_folder(table.domain)
    if source.afterwards == "keep":
        return {}
    state = Ledger(env.lake.arrivals(table.key), env.lake.storage).state()
    read = state.read(list_arrivals(source, landing))
    return {"put_away": put_away(source, landing, read)}


def _plan_rebuild(table: Table, ledger: Ledger, listing: list[Arrival]) -> tuple[int, list[Arrival]]:
    there = {(a.path, a.etag) for a in listing}
    gone = [e for e in ledger.entries() if e.status == "done" and e.rows and (e.path, e.etag) not in there]
    if gone:
        rows, put = sum(e.rows or 0 for e in gone), _source(table).afterwards
        remedy = "Refresh" if put != "keep" else "Put them back, or refresh"
        raise SourceError(
            f"Full refresh of {table.key}: {len(gone)} files read before are gone or were overwritten "
            f"(as {gone[0].path}); it would lose their {rows} rows. {remedy} what is downstream only"
        )
    return ledger.plan_rebuild(listing)


@dataclass(frozen=True)
class _Written:
    """What became of a batch: the version it was committed as, and its files that gave no rows, with the reason."""

    version: int | None
    verdicts: Verdicts = field(default_factory=Verdicts)
    failed: Mapping[str, str] = field(default_factory=dict)
    vanished: frozenset[str] = frozenset()
    added: Mapping[str, str] = field(default_factory=dict)


def _take(table: Table, env: Environment, ledger: Ledger, batch: Batch, *, resumed: bool) -> Outcome:
    """Write a planned batch, or find that it was written already; then mark it."""
    log = read_log(env.lake.table(table.key), env.lake.storage)
    way: Way = "full" if batch.rebuild else "append"
    plan = Plan(table, way, f"{len(batch.files)} files in batch {batch.number}", batch.number, files=len(batch.files))
    if log is not None and log.transaction(table.key) >= batch.number:
        written = _finish(plan, batch, env, log)
    else:
        there, gone = still_there(batch.files) if resumed else (batch.files, [])
        written = _write(plan, there, env, _known(log, batch), frozenset(f.path for f in gone))
    endings = _endings(written, batch, env, table)
    ledger.mark(batch.number, endings)
    counts = Counter[str](e.status for e in endings)
    return Outcome(plan, 0, written.version, written.verdicts, {}, counts, written.failed, written.added)


def _known(log: TableLog | None, batch: Batch) -> dict[str, str]:
    if log is None or batch.rebuild:
        return {}
    return {name: kind for name, kind in log.columns.items() if name not in SYSTEM}


def _write(
    plan: Plan, files: Sequence[Arrival], env: Environment, known: Mapping[str, str], vanished: frozenset[str]
) -> _Written:
    """Write the batch in one commit; where Spark fails, find the files that can't be read, and leave them out."""
    failed: dict[str, str] = {}
    with write.explained(plan.table), interpreted(env.session(), sum(f.size for f in files)):
        while True:
            good = [f for f in files if f.path not in failed]
            reading = read_files(env.session(), _source(plan.table), good, known, plan.table.columns)
            failed |= reading.failed
            if reading.df is None:
                return _Written(None, Verdicts(), failed, vanished)
            try:
                version, verdicts = _commit(plan, reading.df, env)
            except PySparkException as error:
                unreadable = _unreadable(error, plan.table, good, known, env)
                if not unreadable:
                    raise
                failed |= unreadable
            else:
                return _Written(version, verdicts, failed, vanished, reading.added)


def _source(table: Table) -> Files:
    assert table.source is not None  # noqa: S101  (only tables with a source come here)
    return table.source


def _unreadable(
    error: PySparkException, table: Table, files: Sequence[Arrival], known: Mapping[str, str], env: Environment
) -> dict[str, str]:
    if not write.about_rows(error):
        return {}
    return find_unreadable(env.session(), _source(table), files, known, table.columns)


def _commit(plan: Plan, landed: DataFrame, env: Environment) -> tuple[int, Verdicts]:
    rows = _bronze(plan, landed, env)
    stamp = Stamp.of(plan.table, plan.run, {})
    done = commit(Work(plan, rows), stamp, env.lake, env.session())
    settle(rows, plan, done.seen, env.lake)
    return done.version, done.seen


def _bronze(plan: Plan, landed: DataFrame, env: Environment) -> DataFrame:
    """What the table's function makes of the landed rows, with the time and number of the batch."""
    from pyspark.sql import functions as F

    rows = build(env.session(), plan.table, {next(iter(plan.table.inputs)): landed})
    lost = {"_rescued", "_source"} - set(rows.columns)
    if lost:
        names = " and ".join(sorted(lost))
        raise ContractError(
            f"Building {plan.table.key}: its function drops {names}, by which no arriving row is lost; keep them"
        )
    at = F.lit(datetime.now(UTC)).alias("_ingested_at")
    return rows.select("*", at, F.lit(plan.run).cast("bigint").alias("_batch"))


def _finish(plan: Plan, batch: Batch, env: Environment, log: TableLog) -> _Written:
    """The batch was committed by a process that ended before it marked it; its quarantine may be missing."""
    version = next((c.version for c in log.commits if c.run and c.run["run"] == batch.number), log.version)
    kept = read_log(env.lake.quarantine(plan.table.key), env.lake.storage)
    done = kept.transaction(plan.table.key) if kept else 0
    if done >= batch.number or not quarantine.has_quarantine(plan.table):
        return _Written(version)
    there, _ = still_there(batch.files)
    with write.explained(plan.table):
        reading = read_files(env.session(), _source(plan.table), there, _known(log, batch), plan.table.columns)
        if reading.df is None:
            return _Written(version, Verdicts(), reading.failed)
        rows = _bronze(plan, reading.df, env)
        seen = check.tally(rows, plan.table.rules)
        settle(rows, plan, seen, env.lake)
        return _Written(version, seen, reading.failed)


def _endings(written: _Written, batch: Batch, env: Environment, table: Table) -> list[Ending]:
    """How each file of the batch ended; one with nothing in it is done, with no rows."""
    rows = _rows_by_file(written, batch, env, table)
    endings = []
    for path in (f.path for f in batch.files):
        if path in written.failed:
            endings.append(Ending(path, "failed", error=written.failed[path]))
        elif path in written.vanished:
            endings.append(Ending(path, "vanished", error=VANISHED))
        else:
            endings.append(Ending(path, "done", rows=rows.get(path, 0)))
    return endings


def _rows_by_file(written: _Written, batch: Batch, env: Environment, table: Table) -> dict[str, int]:
    if written.version is None:
        return {}
    log = read_log(env.lake.table(table.key), env.lake.storage)
    return log.counts("_source", where=f'"_batch" = {batch.number}') if log else {}
