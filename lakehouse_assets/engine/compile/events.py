"""What Dagster is told of a run, made of its report alone, so that it's the same wherever the run was."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import dagster as dg

from lakehouse_assets.engine.alerts.deliver import Told
from lakehouse_assets.engine.compile.checks import carried_results, expectation_results, table_results
from lakehouse_assets.engine.compile.metadata import run_metadata
from lakehouse_assets.engine.compile.models.watch_checks import watch_results
from lakehouse_assets.engine.compile.names import asset_key
from lakehouse_assets.engine.compile.partitions import written_days
from lakehouse_assets.engine.compile.source_checks import files_result, snapshots_result
from lakehouse_assets.engine.printable import printable
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets.engine.spec.table import Table


def events(table: Table, report: Report, context: dg.AssetExecutionContext) -> Iterator[Any]:
    """The results of a step: of the table, unless it isn't built, and of the checks that were asked for."""
    if report.strategy == "checks":
        yield from _of_checks(table, report, context)
        return
    context.log.info(printable(f"{table.key}: {report.strategy} ({report.reason})"))
    log_alerts(report.alerts, context.log)
    if report.stored is None:  # it waits for files or for another table; what reads it is skipped
        context.log_event(dg.AssetObservation(asset_key(table.key), metadata=run_metadata(table, report)))
        yield from _selected(_source_results(table, report), context)
        return
    for event in written_days(table, report):
        context.log_event(event)
    found = judged(table, report)
    results = [*(found if report.written else carried_results(context)), *_source_results(table, report)]
    yield dg.MaterializeResult(
        asset_key=asset_key(table.key),
        metadata=run_metadata(table, report),
        data_version=dg.DataVersion(f"{report.stored.id}@{report.stored.version}"),
        check_results=[*_selected(results, context)],
    )


def log_alerts(told: Told | None, log: logging.Logger) -> None:
    """The messages of channels that are the log, and why others couldn't be sent."""
    for line in told.logged if told else ():
        log.warning(line)
    for why in told.problems if told else ():
        log.error(printable(why))


def _of_checks(table: Table, report: Report, context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult]:
    yield from _selected(_source_results(table, report), context)
    if report.stored is None:
        context.log.warning(f"{table.key}: {report.reason}")
        return
    yield from _selected(judged(table, report), context)


def judged(table: Table, report: Report) -> list[dg.AssetCheckResult]:
    """What was found of the rows, of the whole table, and of the model that scored it."""
    rows, whole = expectation_results(table, report.counts), table_results(table, report.checks)
    return [*rows, *whole, *watch_results(report)]


def _source_results(table: Table, report: Report) -> list[dg.AssetCheckResult]:
    files = [files_result(report)] if table.source is not None else []
    return files + ([snapshots_result(report)] if table.snapshots else [])


def _selected(results: list[dg.AssetCheckResult], context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult]:
    for result in results:
        assert result.asset_key is not None  # noqa: S101  (set by all who make one)
        assert result.check_name is not None  # noqa: S101
        if dg.AssetCheckKey(result.asset_key, result.check_name) in context.selected_asset_check_keys:
            yield result
