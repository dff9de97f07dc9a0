"""The last step of a run: the whole table is checked, and what was done and found is put into a report."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_rs import errors_of_delta_rs
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.plan.plan import Plan
from lakehouse_assets.engine.plan.read import all_recorded
from lakehouse_assets.engine.quality.judge import tally
from lakehouse_assets.engine.quality.snapshots import empty_snapshot
from lakehouse_assets.engine.quality.table_checks import BALANCE, not_built, stored_violations
from lakehouse_assets.engine.quality.typed_columns import with_texts
from lakehouse_assets.engine.run.models.watch import watched
from lakehouse_assets.engine.run.outcome import Outcome
from lakehouse_assets.engine.run.report import CheckReport, Position, Preview, Report, Stored, Unreadable, Written
from lakehouse_assets.engine.run.verify import show_balance
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.spec.checks import Check, adds_up
from lakehouse_assets.engine.spec.expectations import Expectation
from lakehouse_assets.engine.spec.table import Table

PREVIEW_ROWS = 10
PREVIEW_CELL = 60  # characters
UNREADABLE_SHOWN = 20


def report_of(outcome: Outcome, context: Context, before: int | None) -> Report:
    """The report of a run. A table of days was at the version `before` until then; None if it wasn't there."""
    plan, table = outcome.plan, outcome.plan.table
    log = read_log(context.lake.table(table.key))
    report = replace(
        _beside(table, context),
        strategy=plan.strategy,
        reason=plan.reason,
        seconds=outcome.seconds,
        positions=_positions(plan),
        files=dict(outcome.files),
        failed_files=dict(outcome.failed_files),
        added=dict(outcome.added),
        days=plan.days,
        stored=_stored(log),
        stream=outcome.stream,
    )
    if log is None or outcome.version is None or plan.strategy == "forget":  # which judges no row
        return report
    return replace(
        report,
        counts=outcome.counts,
        lineage=outcome.lineage,
        written=_written(log, outcome, context, before),
        checks=check_reports(table, context, outcome.audited),
        watched=watched(table, context),
    )


def as_stored(table: Table, context: Context) -> Report:
    """The report of a run of the checks alone: expectations are judged on the rows as they are stored."""
    log, report = read_log(context.lake.table(table.key)), _beside(table, context)
    if log is None:
        return replace(report, reason="it isn't built yet, so there is nothing to judge")
    expectations = [Expectation(e.name, e.condition, "warn") for e in table.expectations]
    stored = read_rows(context.session(), context.lake.table(table.key))
    counts = tally(with_texts(stored, table.texts), expectations)
    checks = check_reports(table, context)
    return replace(report, counts=counts, stored=_stored(log), checks=checks, watched=watched(table, context))


def holds_back(report: Report, table: Table) -> bool:
    """Whether what reads a table has to wait: it isn't built, or a check of it is broken that blocks."""
    blocking = {check.name for check in table.all_checks if check.severity == "error"}
    return report.stored is None or any(not it.passed and it.name in blocking for it in report.checks)


def check_reports(table: Table, context: Context, audited: Collection[str] = ()) -> tuple[CheckReport, ...]:
    """What the checks of the whole table find; those that were audited before the commit had passed."""
    return tuple(_checked(check, table, context, audited) for check in table.all_checks)


def _checked(check: Check, table: Table, context: Context, audited: Collection[str]) -> CheckReport:
    if check.name in audited:
        return CheckReport(check.name)
    if missing := not_built(check, table, context.lake):
        return CheckReport(check.name, not_built=tuple(missing))
    if adds_up(check):
        show_balance(table, context, BALANCE)
    found = stored_violations(check, table, context)
    return CheckReport(check.name, found.number, tuple(map(str, found.some)))


def _beside(table: Table, context: Context) -> Report:
    """What is told of a table even where nothing is to be done to it: the files and snapshots that hold it back."""
    unreadable = _unreadable(table, context) if table.source else Unreadable()
    empty = empty_snapshot(table, context.lake) or ""
    return Report(table.key, "checks", "its checks were asked for", 0, unreadable=unreadable, empty_snapshot=empty)


def _unreadable(table: Table, context: Context) -> Unreadable:
    lake = context.lake
    failed = Ledger(lake.arrivals(table.key), lake.storage).state().unreadable()
    folder = f"{lake.landing_folder(table.domain)}/"
    some = tuple((path.removeprefix(folder), why) for path, why in failed[:UNREADABLE_SHOWN])
    return Unreadable(len(failed), some)


def _positions(plan: Plan) -> dict[str, Position]:
    if plan.table.source is not None:
        return {"files": Position(plan.run)} if plan.run else {}
    return {key: Position(it["to"], it["after"], it["id"]) for key, it in all_recorded(plan).items()}


def _stored(log: TableLog | None) -> Stored | None:
    return Stored(log.id, log.version, log.rows) if log else None


def _written(log: TableLog, outcome: Outcome, context: Context, before: int | None) -> Written:
    """What Delta's log says of the table; none of it takes another query by Spark."""
    plan, version = outcome.plan, log.version if outcome.version is None else outcome.version
    days = plan.table.partitions
    written = log.days(days.column, None if plan.strategy == "full" else before) if days else ()
    path = context.lake.table(plan.table.key).path
    return Written(version, path, log.columns, log.bytes, log.file_count, preview(log), tuple(written))


def preview(log: TableLog) -> Preview:
    """A few rows, long cells cut; why there is none where delta-rs can't read them."""
    try:
        head = log.head(PREVIEW_ROWS)
        rows = tuple(tuple(_cut(value) for value in row.values()) for row in head.to_pylist())
    except errors_of_delta_rs() as error:  # a type that it lacks, or a time that Python has not
        return Preview(problem=_cut(error))
    return Preview(tuple(head.column_names), rows)


def _cut(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= PREVIEW_CELL else f"{text[: PREVIEW_CELL - 1]}…"
