"""A domain's sensor for checks of how old the newest data are: time breaks these without a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dagster as dg

from lakehouse_assets.engine.compile.checks import evaluation, last_verdict, table_results
from lakehouse_assets.engine.compile.names import asset_key
from lakehouse_assets.engine.compile.sensors import Decision, lake_sensor
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.quality.table_checks import too_old
from lakehouse_assets.engine.run.report import CheckReport
from lakehouse_assets.engine.spec.checks import UpToDate
from lakehouse_assets.engine.spec.table import Table

TICK_SECONDS = 60


def event_time_sensor(name: str, lakehouse: Lakehouse) -> dg.SensorDefinition | None:
    """The sensor of a domain; None where no table has such a check. It asks for no run."""
    tables = [t for t in lakehouse.tables.values() if t.domain == name and _timed(t)]
    if not tables:
        return None

    def decide(context: dg.SensorEvaluationContext, lake: Lake) -> Decision:
        found = list(_changed(tables, lake, context.instance))
        told = ", ".join(f"{it.asset_key.path[-1]}: {'passed' if it.passed else 'failed'}" for it in found)
        return dg.SensorResult(asset_events=found, skip_reason=told or "every table is as it was")

    doc = f"Tells when the newest data of a table of {name} are older than its check allows, or no longer."
    return lake_sensor(f"{name}_up_to_date", None, TICK_SECONDS, doc, decide)


def _timed(table: Table) -> list[UpToDate]:
    return [check for check in table.all_checks if isinstance(check, UpToDate)]


def _changed(tables: Sequence[Table], lake: Lake, instance: dg.DagsterInstance) -> Iterator[dg.AssetCheckEvaluation]:
    """The verdicts that differ from the last ones. Where only Spark could judge, the next run does."""
    for table in tables:
        log = read_log(lake.table(table.key))
        for check in _timed(table):
            found = too_old(check, log) if log else None
            last = last_verdict(dg.AssetCheckKey(asset_key(table.key), check.name), instance)
            if found and (last is None or last.passed == bool(found.number)):
                yield _evaluation(table, CheckReport(check.name, found.number, tuple(map(str, found.some))))


def _evaluation(table: Table, report: CheckReport) -> dg.AssetCheckEvaluation:
    (found,) = table_results(table, [report])
    return evaluation(found)
