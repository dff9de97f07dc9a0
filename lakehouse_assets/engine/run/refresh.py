"""`refresh`: only the groups whose inputs changed are computed anew, and put in the place of the old in one commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lakehouse_assets.engine.delta_log import read_log
from lakehouse_assets.engine.lake import Lake
from lakehouse_assets.engine.modes import Refresh
from lakehouse_assets.engine.run import changes as base
from lakehouse_assets.engine.run.changes import GONE, persisted
from lakehouse_assets.engine.run.expressions import first_by_name
from lakehouse_assets.engine.run.groups import (
    changed_routes,
    changes_of,
    groups_query,
    looked_up,
    same_in_both,
    whole_of,
)
from lakehouse_assets.engine.run.locality import Route, Routes, find_routes
from lakehouse_assets.engine.run.plan import Plan
from lakehouse_assets.engine.run.query_plan import Node, analysed
from lakehouse_assets.engine.run.read import all_images, whole_inputs
from lakehouse_assets.engine.run.touched import (
    MOST,
    ROWS,
    Touched,
    decided,
    put,
    rebuilding,
    spark_condition,
    touched_groups,
)
from lakehouse_assets.engine.run.write import Stamp

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


@dataclass(frozen=True)
class Work:
    """What a run is to write: of which groups, if not of all, and how changes lead to groups.

    The groups are `few`, or many in a DataFrame.
    """

    plan: Plan
    rows: DataFrame
    few: Touched | None = None
    many: DataFrame | None = None
    routes: Routes = field(default_factory=dict)


@contextmanager
def narrowed(
    plan: Plan, rows: DataFrame, tree: Node, lake: Lake, spark: SparkSession, *, bound: bool = False
) -> Iterator[Work]:
    """The work of a run: for a table that refreshes, the rows of the groups that its inputs' changes touch.

    `tree` is the analysed query of `rows`. `bound` is for a run that was a refresh already, and has to stay one.
    """
    mode = plan.table.write
    if not isinstance(mode, Refresh):
        yield Work(plan, rows)
        return
    whole = whole_inputs(spark, {read.key: read for read in plan.reads.values()})
    routes = find_routes(tree, mode.by, whole, lambda key, sql: _as_analysed(spark, whole[key], sql))
    why_full = _unfollowed(plan, routes)
    if plan.way != "refresh" or why_full:
        yield Work(rebuilding(plan, why_full) if why_full else plan, rows, routes=routes)
        return
    chosen = changed_routes(routes, plan.reads.values())
    few = _few(Work(plan, rows, routes=routes), mode, chosen, lake, bound=bound)
    if few:
        yield few
        return
    with _many(Work(plan, rows, routes=routes), mode, chosen, whole, lake, spark, bound=bound) as many:
        yield many


def _few(work: Work, mode: Refresh, chosen: list[Route], lake: Lake, *, bound: bool) -> Work | None:
    own = read_log(lake.table(work.plan.table.key), lake.storage)
    if own is None or set(own.columns) != set(work.rows.columns) or not same_in_both(chosen):
        return None
    found = touched_groups(mode.by, chosen, work.plan.reads.values(), lake.storage, own)
    if found is None or found.rows > ROWS:
        return None
    plan = replace(work.plan, groups=len(found.groups)) if bound else decided(work.plan, found, own)
    if plan.way == "full":
        return replace(work, plan=plan)
    kinds = {c.name: c.type for c in plan.table.columns}
    return replace(work, plan=plan, rows=work.rows.where(spark_condition(found, kinds)), few=found)


@contextmanager
def _many(
    work: Work, mode: Refresh, chosen: list[Route], whole: Mapping[str, DataFrame], lake: Lake, spark: SparkSession,
    *, bound: bool,
) -> Iterator[Work]:  # fmt: skip
    with persisted(spark, _groups(work.plan, mode, chosen, whole, spark)) as groups:
        same, touched = _same(mode, "r", "g"), groups.count()
        stored = spark.read.format("delta").load(lake.table(work.plan.table.key))
        there = stored.alias("r").join(groups.alias("g"), same, "left_semi").count()
        if not bound and there > MOST * (rows := stored.count()):
            why = f"{there} of {rows} rows are in the {touched} groups touched"
            yield replace(work, plan=rebuilding(work.plan, why))
            return
        found = work.rows.alias("r").join(groups.alias("g"), same, "left_semi")
        yield replace(work, plan=replace(work.plan, groups=touched), rows=found, many=groups)


def commit(rows: DataFrame, work: Work, stamp: Stamp, lake: Lake, spark: SparkSession) -> None:
    """Put the rows in the place of those that their groups had; groups that come out the same are left alone."""
    from pyspark.sql import functions as F

    mode, path = work.plan.table.write, lake.table(work.plan.table.key)
    assert isinstance(mode, Refresh)  # noqa: S101  (nothing else has groups)
    if work.few:
        put(rows.toArrow(), work.few, path, stamp, lake.storage)
        return
    assert work.many is not None  # noqa: S101  (or the plan says "full")
    match = " AND ".join([f"s.{GONE}", *(f"t.`{c}` <=> s.`{c}`" for c in mode.by)])
    stored = (
        spark.read.format("delta").load(path).alias("r").join(work.many.alias("g"), _same(mode, "r", "g"), "left_semi")
    )
    with persisted(spark, rows) as made, persisted(spark, _differing(made, stored, work.many, mode)) as groups:
        new = made.alias("r").join(groups.alias("g"), _same(mode, "r", "g"), "left_semi").withColumn(GONE, F.lit(False))
        changes = new.unionByName(groups.withColumn(GONE, F.lit(True)), allowMissingColumns=True)
        base.merge(spark, changes, path, match, stamp)


def _differing(made: DataFrame, stored: DataFrame, groups: DataFrame, mode: Refresh) -> DataFrame:
    """The groups whose rows aren't stored as they are now."""
    kinds = {f.name: f.dataType.simpleString() for f in made.schema.fields}
    if set(made.columns) != set(stored.columns) or any("map<" in kind for kind in kinds.values()):
        return groups  # which can't be compared
    there = stored.select(*made.columns)
    return made.exceptAll(there).unionByName(there.exceptAll(made)).select(*mode.by).distinct()


def _unfollowed(plan: Plan, routes: Routes) -> str | None:
    """Why a change upstream can't be followed to groups; None if all can."""
    moved = {r.key for r in plan.reads.values() if r.after is not None and r.after < r.to}
    return next((f"{key} changed, and {why}" for key in sorted(moved) if isinstance(why := routes[key], str)), None)


def _groups(
    plan: Plan, mode: Refresh, chosen: list[Route], whole: Mapping[str, DataFrame], spark: SparkSession
) -> DataFrame:
    for key in looked_up(chosen):
        whole[key].createOrReplaceTempView(whole_of(key))
    for read in plan.reads.values():
        if any(read.key == route.key for route in chosen):
            all_images(spark, read).createOrReplaceTempView(changes_of(read.key))
    return spark.sql(groups_query(mode.by, chosen))


def _same(mode: Refresh, left: str, right: str) -> Column:
    from pyspark.sql import functions as F

    return F.expr(" AND ".join(f"{left}.`{c}` <=> {right}.`{c}`" for c in mode.by))


def _as_analysed(spark: SparkSession, rows: DataFrame, sql: str) -> str | None:
    """How Spark understands an expression over a table's columns; None if it doesn't."""
    from pyspark.errors import PySparkException

    try:
        return first_by_name(analysed(spark, rows.selectExpr(f"{sql} AS __g")))
    except PySparkException:
        return None
