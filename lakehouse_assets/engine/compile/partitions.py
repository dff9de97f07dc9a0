"""The days of a table as Dagster's daily partitions: a backfill is one run, and every run tells which days it wrote."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import dagster as dg

from lakehouse_assets.engine.compile.names import asset_key
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets.engine.spec.table import Table


def partitions_def(table: Table) -> dg.DailyPartitionsDefinition | None:
    """The partitions of a table that has days."""
    return dg.DailyPartitionsDefinition(start_date=table.partitions.start.isoformat()) if table.partitions else None


def backfill_days(table: Table, context: dg.AssetExecutionContext) -> tuple[date, date] | None:
    """The first and the last day of the table that a run is a backfill of; None for any other run.

    A table without days takes part in the backfills of others, as when all are materialised by one click.
    """
    if table.partitions is None or not (context.has_partition_key or context.has_partition_key_range):
        return None
    chosen = context.partition_key_range
    return date.fromisoformat(chosen.start), date.fromisoformat(chosen.end)


def written_days(table: Table, report: Report) -> Iterator[dg.AssetMaterialization]:
    """An event for each day that a run wrote; of a backfill's own days Dagster knows."""
    known, told = partitions_def(table), [day.isoformat() for day in report.days or ()]
    if known is None or report.written is None:
        return
    for day in report.written.days:
        if known.has_partition_key(day) and not (told and told[0] <= day <= told[1]):
            metadata = {"delta_version": report.written.version, "strategy": report.strategy}
            yield dg.AssetMaterialization(asset_key(table.key), partition=day, metadata=metadata)
