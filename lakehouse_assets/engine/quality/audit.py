"""What a rebuild made is audited before it takes a table's place: until then readers have the last good version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import CheckFailed, WouldLose
from lakehouse_assets.engine.lake.delta_log import TableLog
from lakehouse_assets.engine.lake.delta_merge import same_key
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.plan.plan import Plan
from lakehouse_assets.engine.quality.table_checks import not_built, violations
from lakehouse_assets.engine.spec.checks import Check, adds_up
from lakehouse_assets.engine.spec.modes import VALIDITY, Append, History, Merge
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Of the rows there were; a rebuild that leaves fewer is refused.
KEPT = 0.5
_VIEW = "lakehouse_rebuilt"


def needs_audit(plan: Plan) -> bool:
    """Whether there is anything to audit: rows that must not get lost, or a check of the whole table."""
    return _guarded(plan) or bool(_auditable(plan.table))


def audit(made: DataFrame, old: TableLog, plan: Plan, lake: Lake, spark: SparkSession) -> frozenset[str]:
    """The names of the checks that the new rows passed.

    Raises:
        WouldLose: rows that can't be had again would be gone, and that wasn't accepted.
        CheckFailed: a check of the whole table, declared as an error, finds violations.
    """
    table, due = plan.table, [c for c in _auditable(plan.table) if not not_built(c, plan.table, lake)]
    if _guarded(plan):
        _keeps_enough(made, old, plan, lake, spark)
    made.createOrReplaceTempView(_VIEW)
    for check in due:
        found = violations(check, table, lake, spark, _VIEW)
        if found.number:
            message = (
                f"Rebuilding {table.key}: check {check.name!r} finds {found.number} violations, as {found.some[0]}"
            )
            raise CheckFailed(
                f"{message}; version {old.version} stays in place. Correct what it reads (`lakehouse forget` takes the "
                f"rows of a file out), mend the check, or declare it with severity='warn' ({table.file}:{table.line})",
                check.name,
            )
    return frozenset(check.name for check in due)


def _guarded(plan: Plan) -> bool:
    return not (plan.accepts_loss or plan.forgot) and isinstance(plan.table.write, Append | Merge | History)


def _auditable(table: Table) -> list[Check]:
    """The checks that rows can be held to before they're in place."""
    return [check for check in table.all_checks if check.severity == "error" and not adds_up(check)]


def _keeps_enough(made: DataFrame, old: TableLog, plan: Plan, lake: Lake, spark: SparkSession) -> None:
    table, rows = plan.table, made.count()
    remedy = f"give `lakehouse run {table.key} --full --accept-loss`"
    good = old.as_our_runs_left_it
    most = max(old.rows, good.rows)
    if rows < KEPT * most:
        raise WouldLose(
            f"Rebuilding {table.key} because {plan.reason}: it would have {rows:,} rows in the place of {most:,}; "
            f"nothing was written. If that is right, {remedy}"
        )
    if isinstance(table.write, History) and VALIDITY[0] in good.columns:
        stored = read_rows(spark, lake.table(table.key), good.version)
        lost = _lost_versions(made, stored, plan, table.write)
        if lost:
            raise WouldLose(
                f"Rebuilding {table.key} because {plan.reason}: {lost:,} versions it has would be gone, as what it "
                f"reads no longer tells of them; nothing was written. If that is right, {remedy}"
            )


def _lost_versions(made: DataFrame, stored: DataFrame, plan: Plan, mode: History) -> int:
    from pyspark.sql import functions as F

    same = f"{same_key(plan.table, mode.on, 's', 'm')} AND s.{VALIDITY[0]} <=> m.{VALIDITY[0]}"
    return stored.alias("s").join(made.alias("m"), F.expr(same), "left_anti").count()
