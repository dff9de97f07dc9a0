"""A planned batch of files, written: in one commit under its number, with what it rejects in the quarantine.

A file that can't be read as the version that was planned is left out, and doesn't stop the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import ContractError
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.modes.commit import Committed, commit, settle
from lakehouse_assets.engine.modes.work import Work
from lakehouse_assets.engine.plan.plan import Plan
from lakehouse_assets.engine.plan.small_runs import few_lines, interpreted
from lakehouse_assets.engine.quality import judge, quarantine
from lakehouse_assets.engine.quality.expectation_counts import ExpectationCounts
from lakehouse_assets.engine.run.build import build
from lakehouse_assets.engine.run.ingest.bad_files import Reader, gone, source_of, without_bad_files
from lakehouse_assets.engine.run.ingest.overwritten_files import overwritten
from lakehouse_assets.engine.run.trace import traced
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, still_there
from lakehouse_assets.engine.sources.formats.open_version import listed_anew
from lakehouse_assets.engine.spark_errors.explained import about_rows, explained

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

LEFT_OUT = "the run of its batch left it out, and was killed before it told why; it can be read now: retry it"


@dataclass(frozen=True)
class Batch:
    """Files that are read together, once. A `rebuild` takes the place of all the table has."""

    number: int
    files: Sequence[Arrival]
    rebuild: bool = False


@dataclass(frozen=True)
class Written:
    """What became of a batch: the version it was committed as, the rows that each file gave, those that were left out.

    `failed` has the reason for each; `instead` has the version of a file that was read in place of the one planned;
    `added` are the columns that the batch brought, with their types.
    """

    version: int | None
    counts: ExpectationCounts = field(default_factory=ExpectationCounts)
    rows: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    vanished: frozenset[str] = frozenset()
    instead: Mapping[str, Arrival] = field(default_factory=dict)
    added: Mapping[str, str] = field(default_factory=dict)


def write_batch(plan: Plan, batch: Batch, context: Context, log: TableLog | None, *, resumed: bool) -> Written:
    """Write the batch in one commit; `log` is that of the table, if there is one."""
    there, lost = still_there(batch.files) if resumed else (batch.files, [])
    with traced(plan, context), explained(plan.table), interpreted(context.session(), sum(f.size for f in there)):
        reader = Reader(context, plan.table, _known(log, batch))
        readable = without_bad_files(reader, there, lambda landed: _commit(plan, landed, there, context))
        made, instead = readable.made, dict[str, Arrival]()
        version, seen = None, ExpectationCounts()
        if made:
            version, seen = made[1].version, made[1].seen
            instead = overwritten(plan, readable.read, context, _bronze)
        if instead:  # of one that became longer, Spark may have read, and judged, no more than its old length
            seen = _settle_again(plan, [instead.get(f.path, f) for f in readable.read], reader)
        elif made:
            _settle(plan, *made, readable.read, reader)
    rows = _rows_by_file(plan, context) if made else {}
    # A file that it finds emptied, Spark passes over; one whose new head has no rows, so do we.
    vanished = readable.vanished | gone(_silent(plan, readable.read, rows, context)) | {f.path for f in lost}
    return Written(version, seen, rows, readable.failed, vanished, instead, readable.added)


def finish_batch(plan: Plan, batch: Batch, context: Context, log: TableLog) -> Written:
    """Complete a batch that was committed by a process which ended before it marked it."""
    version = next((c.version for c in log.commits if c.run and c.run["run"] == batch.number), log.version)
    with explained(plan.table):
        reader = Reader(context, plan.table, _known(log, batch))
        instead = overwritten(plan, batch.files, context, _bronze)
        files = [instead.get(f.path, f) for f in batch.files]
        kept = read_log(context.lake.quarantine(plan.table.key))
        due = quarantine.is_due(plan.table, kept, plan.run)
        seen = _settle_again(plan, files, reader) if due else ExpectationCounts()
        rows = _rows_by_file(plan, context)
        silent = _silent(plan, batch.files, rows, context)
        left = without_bad_files(reader, silent, _in_them) if silent else None
    if left is None:
        return Written(version, seen, rows, instead=instead)
    failed = {**dict.fromkeys(left.made or (), LEFT_OUT), **left.failed}
    return Written(version, seen, rows, failed, left.vanished, instead)


def _known(log: TableLog | None, batch: Batch) -> Mapping[str, str]:
    return {} if log is None or batch.rebuild else log.columns


def _commit(plan: Plan, landed: DataFrame, files: Sequence[Arrival], context: Context) -> tuple[DataFrame, Committed]:
    rows = _bronze(plan, landed, context)
    work = Work(plan, rows, context.lake, little=few_lines(source_of(plan.table).format, files, len(rows.columns)))
    return rows, commit(work, Stamp.of(plan.table, plan.run, {}))


def _bronze(plan: Plan, landed: DataFrame, context: Context) -> DataFrame:
    """What the table's function makes of the landed rows, with the time and number of the batch."""
    from pyspark.sql import functions as F

    rows = build(context.session(), plan.table, {next(iter(plan.table.inputs)): landed})
    lost = {"_rescued", "_source"} - set(rows.columns)
    if lost:
        names = " and ".join(sorted(lost))
        raise ContractError(
            f"Building {plan.table.key}: its function drops {names}, by which no arriving row is lost; keep them"
        )
    at = F.lit(datetime.now(UTC)).alias("_ingested_at")
    return rows.select("*", at, F.lit(plan.run).cast("bigint").alias("_batch"))


def _settle(plan: Plan, rows: DataFrame, done: Committed, files: Sequence[Arrival], reader: Reader) -> None:
    """Fill the quarantine, for which the files are read again: those that haven't changed since the commit."""
    try:
        with listed_anew(reader.context.session(), needed=done.seen.rejected > 0):
            settle(rows, plan, done.seen, reader.context.lake)
    except PySparkException as error:
        if not about_rows(error):
            raise
        _settle_again(plan, files, reader)


def _settle_again(plan: Plan, files: Sequence[Arrival], reader: Reader) -> ExpectationCounts:
    """Find out once more what was rejected, as far as it's still there, and fill the quarantine with that."""

    def settled(landed: DataFrame) -> ExpectationCounts:
        rows = _bronze(plan, landed, reader.context)
        seen = judge.tally(rows, plan.table.expectations)
        settle(rows, plan, seen, reader.context.lake)
        return seen

    return without_bad_files(reader, still_there(files)[0], settled).made or ExpectationCounts()


def _rows_by_file(plan: Plan, context: Context) -> dict[str, int]:
    log = read_log(context.lake.table(plan.table.key))
    return log.counts("_source", where=f'"_batch" = {plan.run}') if log else {}


def _silent(plan: Plan, files: Sequence[Arrival], rows: Mapping[str, int], context: Context) -> list[Arrival]:
    """The files that aren't empty, and of which there are no rows, in the table or in its quarantine."""
    silent = [f for f in files if f.size and f.path not in rows]
    if not silent or not plan.table.has_quarantine:
        return silent
    kept = read_log(context.lake.quarantine(plan.table.key))
    rejected = kept.counts("source", where=f"run = {plan.run}") if kept else {}
    return [f for f in silent if f.path not in rejected]


def _in_them(landed: DataFrame) -> list[str]:
    """Those of the files that have rows; all are read to their ends."""
    landed.write.format("noop").mode("overwrite").save()
    return [row[0] for row in landed.select("_source").distinct().collect()]
