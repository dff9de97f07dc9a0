"""A domain's sensor for late rows: it brings them in together, and with them the groups that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from lakehouse_assets.engine.compile.in_flight import LAKE_TAG
from lakehouse_assets.engine.compile.names import op_name
from lakehouse_assets.engine.compile.sensors import Decision, Waiting, Watch, by_table, downstream, lake_sensor, one_run
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.quality.watermark import late_rows
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from lakehouse_assets.private.dagster import Job

RUN_TAG, DAYS_TAG = "lakehouse/late_rows", "lakehouse/late_days"
# Rows that are late are in no hurry; together they cost one run.
TICK_SECONDS = 900


def late_rows_sensor(name: str, lakehouse: Lakehouse, job: Job) -> dg.SensorDefinition | None:
    """The sensor of a domain; None where no table has a watermark."""
    tables = [t for t in lakehouse.tables.values() if t.domain == name and t.watermark]
    if not tables:
        return None

    doc = f"Brings the rows of {name} in that came behind their table's watermark, and what is made of them."
    return lake_sensor(
        f"{name}_late_rows", job, TICK_SECONDS, doc,
        lambda context, lake: _evaluate(context, name, tables, lakehouse, lake),
    )  # fmt: skip


def _evaluate(
    context: dg.SensorEvaluationContext, name: str, tables: Sequence[Table], lakehouse: Lakehouse, lake: Lake
) -> Decision:
    """One tick: at most one run, which replays the quarantine of the tables that have late rows."""

    def look() -> Waiting:
        # With the version: more of the same days, after a run that went well, are another reason for one.
        return by_table(context, tables, waiting)

    def waiting(table: Table) -> list[Any]:
        late = late_rows(table, lake)
        return [late.version, *sorted(late.days)] if late.days else []

    def request(waiting: Waiting) -> dg.RunRequest:
        replayed = [t for t in tables if t.key in waiting]
        days = ", ".join(sorted({day for _, *days in waiting.values() for day in days}))
        return dg.RunRequest(
            asset_selection=downstream(replayed, lakehouse),
            run_config={"ops": {op_name(t.key): {"config": {"replay": True}} for t in replayed}},
            tags={**tags, DAYS_TAG: days[:200]},
        )

    tags = {RUN_TAG: name, LAKE_TAG: lake.root}
    return one_run(context, Watch("late rows", tags, look, request))
