"""`refresh`: only the groups whose inputs changed are computed anew, and put in the place of the old in one commit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import Superseded
from lakehouse_assets.engine.lake import delta_merge
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_merge import GONE, Target
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.kept_rows import persisted
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.modes.refresh.changed_groups import (
    changed,
    changed_routes,
    changes_of,
    groups_query,
    looked_up,
    whole_of,
)
from lakehouse_assets.engine.modes.refresh.costs import ROWS, by_cost, decided
from lakehouse_assets.engine.modes.refresh.group_routes import find_routes
from lakehouse_assets.engine.modes.refresh.routes import Route, Routes
from lakehouse_assets.engine.modes.refresh.small_refresh import put, spark_condition, touched_groups
from lakehouse_assets.engine.modes.work import Done, Touched, Work, committed
from lakehouse_assets.engine.plan.plan import Plan, rebuilding
from lakehouse_assets.engine.plan.read import all_images, whole_inputs
from lakehouse_assets.engine.query.expressions import first_by_name
from lakehouse_assets.engine.query.query_plan import Node, analysed, if_understood
from lakehouse_assets.engine.spec.modes import Refresh
from lakehouse_assets.engine.spec.texts import RAW

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Of the table's rows; where more are those of a backfill's days, all are computed.
MOST = 0.5


@contextmanager
def narrowed(work: Work, tree: Node | None, *, bound: bool = False) -> Iterator[Work]:
    """The work of a run: for a table that refreshes, the rows of the groups that its inputs' changes touch.

    `tree` is the analysed query of the rows, None if that isn't understood. `bound` is for a run that was a refresh
    already, and has to stay one.
    """
    plan, mode = work.plan, work.table.write
    if not isinstance(mode, Refresh):
        yield work
        return
    whole = whole_inputs(work.spark, {read.key: read for read in plan.reads.values()})
    routes = _routes(tree, mode, whole)
    work, why_full = replace(work, routes=routes), _unfollowed(plan, routes)
    if plan.strategy != "refresh" or why_full:
        yield replace(work, plan=rebuilding(plan, why_full)) if why_full else work
        return
    own = read_log(work.place)
    if own is None:
        raise Superseded(f"Refreshing {plan.table.key}: it was dropped meanwhile")
    chosen = changed_routes(routes, plan.reads.values())
    if found := None if plan.days else _without_spark(work, chosen, own, bound=bound):
        yield found
        return
    with persisted(_groups(work, mode, chosen, whole), work.lake) as groups:
        yield _many(work, mode, groups, own, bound=bound)


def _routes(tree: Node | None, mode: Refresh, whole: Mapping[str, DataFrame]) -> Routes:
    def analyse(key: str, sql: str) -> str | None:
        return _as_analysed(whole[key], sql)

    found = if_understood(lambda: find_routes(tree, mode.by, whole, analyse)) if tree else None
    return dict.fromkeys(whole, "the plan of its query isn't understood") if found is None else found


def _groups(work: Work, mode: Refresh, chosen: list[Route], whole: Mapping[str, DataFrame]) -> DataFrame:
    """The groups of a backfill's days, else those that changes lead to."""
    if work.plan.days:
        return _of_days(work, mode)
    news = {key: all_images(work.spark, read) for key, read in changed(work.plan.reads.values()).items()}
    return groups_of(mode.by, chosen, news, whole, work.spark)


def _without_spark(work: Work, chosen: list[Route], own: TableLog, *, bound: bool) -> Work | None:
    """The work for few groups, or for the whole table; None where Spark has to find the groups, or to merge them."""
    same = set(own.columns) == set(work.rows.columns) - {RAW}
    found = touched_groups(work.table, chosen, work.plan.reads.values(), own) if same else None
    plan = work.plan if bound else decided(work.plan, found, own)
    if plan.strategy == "full":
        return replace(work, plan=plan)
    if found is None or found.rows > ROWS:
        return None
    kinds = {c.name: c.type for c in plan.table.columns}
    plan = replace(plan, groups=len(found.groups))
    return replace(work, plan=plan, rows=work.rows.where(spark_condition(found, kinds)), few=found)


def _many(work: Work, mode: Refresh, groups: DataFrame, own: TableLog, *, bound: bool) -> Work:
    stored = of_groups(read_rows(work.spark, work.place), groups, mode.by)
    number, rows = groups.count(), stored.count()
    plan = replace(work.plan, groups=number) if bound else _worth_merging(work.plan, number, rows, own)
    if plan.strategy == "full":
        return replace(work, plan=plan)
    return replace(work, plan=plan, rows=of_groups(work.rows, groups, mode.by), many=groups)


def _worth_merging(plan: Plan, groups: int, rows: int, own: TableLog) -> Plan:
    if not plan.days:
        return by_cost(plan, groups, rows, own)
    if rows > MOST * own.rows:
        return rebuilding(plan, f"{rows:,} of {own.rows:,} rows are in the {groups:,} groups of these days")
    return replace(plan, groups=groups)


def _of_days(work: Work, mode: Refresh) -> DataFrame:
    """The groups of some days, those that are stored and those that should be."""
    days, partitions = work.plan.days, work.table.partitions
    assert days and partitions  # noqa: S101, PT018  (or it's no backfill)
    groups = work.rows.select(*mode.by).union(read_rows(work.spark, work.place).select(*mode.by))
    return groups.where(f"`{partitions.column}` BETWEEN DATE'{days[0]}' AND DATE'{days[1]}'").distinct()


def write(rows: DataFrame, work: Work, mode: Refresh, stamp: Stamp) -> Done:
    """Put the rows in the place of those that their groups had; groups that come out the same are left alone."""
    if not (work.few and put(rows.toArrow(), work.few, work.place, stamp)):
        _merge(rows, work, mode, stamp)
    return Done(committed(work, stamp))


def _merge(rows: DataFrame, work: Work, mode: Refresh, stamp: Stamp) -> None:
    """The same by one MERGE of Spark's."""
    from pyspark.sql import functions as F

    chosen = _as_rows(work.few, work.rows, work.spark) if work.few else work.many
    assert chosen is not None  # noqa: S101  (or the plan says "full")
    match = " AND ".join([f"s.{GONE}", *(f"t.`{c}` <=> s.`{c}`" for c in mode.by)])
    stored = of_groups(read_rows(work.spark, work.place), chosen, mode.by)
    with (
        persisted(rows, work.lake) as made,
        persisted(_changing(made, stored, chosen, mode), work.lake) as groups,
    ):
        new = of_groups(made, groups, mode.by).withColumn(GONE, F.lit(False))
        changes = new.unionByName(groups.withColumn(GONE, F.lit(True)), allowMissingColumns=True)
        delta_merge.merge(changes, Target(work.place, match, mode.by), stamp)


def _as_rows(found: Touched, made: DataFrame, spark: SparkSession) -> DataFrame:
    """The groups as Spark's rows, in the types of the table's."""
    from pyspark.sql.types import StructType

    kinds = {field.name: field for field in made.schema.fields}
    return spark.createDataFrame(list(found.groups), StructType([kinds[name] for name in found.by]))


def _changing(made: DataFrame, stored: DataFrame, groups: DataFrame, mode: Refresh) -> DataFrame:
    """The groups whose rows aren't stored as they are now."""
    kinds = {f.name: f.dataType.simpleString() for f in made.schema.fields}
    if set(made.columns) != set(stored.columns) or any("map<" in kind for kind in kinds.values()):
        return groups  # which can't be compared
    return differing(made, stored, mode.by, [f"`{c}`" for c in made.columns])


def differing(made: DataFrame, stored: DataFrame, by: Sequence[str], columns: Sequence[str]) -> DataFrame:
    """The groups that have other rows on one side than on the other, in some columns or SQL expressions."""
    left, right = made.selectExpr(*columns), stored.selectExpr(*columns)
    return left.exceptAll(right).unionByName(right.exceptAll(left)).select(*by).distinct()


def _unfollowed(plan: Plan, routes: Routes) -> str | None:
    """Why a change upstream can't be followed to groups; None if all can."""
    moved = sorted(changed(plan.reads.values()))
    return next((f"{key} changed, and {why}" for key in moved if isinstance(why := routes[key], str)), None)


def groups_of(
    by: Sequence[str], routes: Collection[Route], news: Mapping[str, DataFrame], whole: Mapping[str, DataFrame],
    spark: SparkSession,
) -> DataFrame:  # fmt: skip
    """The groups that the rows `news` of some tables lead to by their routes."""
    for key in looked_up(routes):
        whole[key].createOrReplaceTempView(whole_of(key))
    for key in {route.key for route in routes}:
        news[key].createOrReplaceTempView(changes_of(key))
    return spark.sql(groups_query(by, routes))


def of_groups(rows: DataFrame, groups: DataFrame, by: Sequence[str]) -> DataFrame:
    """The rows that belong to the groups."""
    from pyspark.sql import functions as F

    same = F.expr(" AND ".join(f"r.`{c}` <=> g.`{c}`" for c in by))
    return rows.alias("r").join(groups.alias("g"), same, "left_semi")


def _as_analysed(rows: DataFrame, sql: str) -> str | None:
    """How Spark understands an expression over a table's columns; None if it doesn't."""
    from pyspark.errors import PySparkException

    try:
        tree = analysed(rows.selectExpr(f"{sql} AS __g"))
        return first_by_name(tree) if tree else None
    except PySparkException:
        return None
