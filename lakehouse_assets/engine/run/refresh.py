"""`refresh`: only the groups whose inputs changed are computed anew, and put in the place of the old in one commit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lakehouse_assets.engine.declare import literal
from lakehouse_assets.engine.run import changes as base
from lakehouse_assets.engine.run.changes import GONE, persisted
from lakehouse_assets.engine.run.expressions import first_by_name
from lakehouse_assets.engine.run.groups import (
    MOST,
    changed_routes,
    changes_of,
    groups_query,
    looked_up,
    rebuilding,
    too_many,
    whole_of,
)
from lakehouse_assets.engine.run.locality import Routes, find_routes
from lakehouse_assets.engine.run.plan import Plan
from lakehouse_assets.engine.run.query_plan import Node, analysed
from lakehouse_assets.engine.run.read import all_images, whole_inputs
from lakehouse_assets.engine.run.write import Stamp
from lakehouse_assets.engine.spec import Refresh

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

# So many groups are named in conditions.
FEW = 200


@dataclass(frozen=True)
class Work:
    """What a run is to write: of which groups, if not of all, and how changes lead to groups.

    `values` has, where they're few, what the groups have in each column, by which Spark leaves out files.
    """

    plan: Plan
    rows: DataFrame
    groups: DataFrame | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    routes: Routes = field(default_factory=dict)


@contextmanager
def narrowed(
    plan: Plan, rows: DataFrame, tree: Node, path: str, spark: SparkSession, *, bound: bool = False
) -> Iterator[Work]:
    """The work of a run: for a table that refreshes, the rows of the groups that its inputs' changes touch.

    `tree` is the analysed query of `rows`, `path` where the table is. `bound` is for a run that was a refresh already,
    and has to stay one.
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
    with persisted(spark, _groups(plan, mode, routes, whole, spark)) as groups:
        touched = groups.count()
        stored = 0 if bound else spark.read.format("delta").load(path).select(*mode.by).distinct().count()
        if touched > MOST * stored and not bound:
            yield Work(rebuilding(plan, too_many(touched, stored)), rows, routes=routes)
            return
        values = _values(groups) if touched <= FEW else {}
        few = rows.where(" AND ".join(_within(values) or ["true"]))
        found = few.alias("r").join(groups.alias("g"), _same(mode, "r", "g"), "left_semi")
        yield Work(replace(plan, groups=touched), found, groups, values, routes)


def commit(rows: DataFrame, work: Work, path: str, stamp: Stamp, spark: SparkSession) -> None:
    """Put the rows in the place of those that their groups had."""
    from pyspark.sql import functions as F

    mode = work.plan.table.write
    assert isinstance(mode, Refresh)  # noqa: S101  (nothing else has groups)
    assert work.groups is not None  # noqa: S101  (or the plan says "full")
    new, old = rows.withColumn(GONE, F.lit(False)), work.groups.withColumn(GONE, F.lit(True))
    match = " AND ".join([f"s.{GONE}", *(f"t.`{c}` <=> s.`{c}`" for c in mode.by), *_within(work.values, "t.")])
    with persisted(spark, new.unionByName(old, allowMissingColumns=True)) as changes:  # MERGE reads it twice
        base.merge(spark, changes, path, match, stamp)


def _unfollowed(plan: Plan, routes: Routes) -> str | None:
    """Why a change upstream can't be followed to groups; None if all can."""
    moved = {r.key for r in plan.reads.values() if r.after is not None and r.after < r.to}
    return next((f"{key} changed, and {why}" for key in sorted(moved) if isinstance(why := routes[key], str)), None)


def _groups(
    plan: Plan, mode: Refresh, routes: Routes, whole: Mapping[str, DataFrame], spark: SparkSession
) -> DataFrame:
    chosen = changed_routes(routes, plan.reads.values())
    for key in looked_up(chosen):
        whole[key].createOrReplaceTempView(whole_of(key))
    for read in plan.reads.values():
        if any(read.key == route.key for route in chosen):
            all_images(spark, read).createOrReplaceTempView(changes_of(read.key))
    return spark.sql(groups_query(mode.by, chosen))


def _values(groups: DataFrame) -> dict[str, str]:
    """Column → the values that the groups have in it, as a list in SQL."""
    kinds = {f.name: f.dataType.simpleString() for f in groups.schema.fields if f.dataType.simpleString() != "binary"}
    # As text, which is the same in Spark and here whatever the time zone; casts of constants cost nothing.
    rows = groups.selectExpr(*(f"string(`{name}`) AS `{name}`" for name in kinds)).collect() if kinds else []
    return {name: _listed(kind, {row[name] for row in rows}) for name, kind in kinds.items()}


def _listed(kind: str, values: Collection[str | None]) -> str:
    texts = sorted(literal(v) for v in values if v is not None) or ["NULL"]
    return ", ".join(f"CAST({text} AS {kind})" for text in texts)


def _within(values: Mapping[str, str], side: str = "") -> list[str]:
    return [f"({side}`{name}` IN ({listed}) OR {side}`{name}` IS NULL)" for name, listed in values.items()]


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
