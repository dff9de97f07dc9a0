"""Computes a sample of a refreshed table's groups anew, from all they are made of, and compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.delta_log import read_log
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.modes import Refresh
from lakehouse_assets.engine.run import check
from lakehouse_assets.engine.run.build import build
from lakehouse_assets.engine.run.groups import changes_of, from_json, groups_query, looked_up, whole_of
from lakehouse_assets.engine.run.locality import Route
from lakehouse_assets.engine.run.materialize import Environment, reads_of
from lakehouse_assets.engine.run.read import whole_inputs
from lakehouse_assets.engine.run.touched import Touched, spark_condition
from lakehouse_assets.engine.spec import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SAMPLE = 20


@dataclass(frozen=True)
class Verified:
    """How many groups were computed anew, and those that are stored otherwise."""

    groups: int
    differing: Sequence[Mapping[str, Any]]


def verify(table: Table, env: Environment, sample: int = SAMPLE) -> Verified:
    """Compare some groups, others after each version of the table, with what their inputs make as they were read last.

    Doubles are compared as floats: their sums depend on the order of the rows, in the last digits.

    Raises:
        LakehouseError: the table doesn't refresh, or wasn't built.
    """
    own = read_log(env.lake.table(table.key), env.lake.storage)
    run = own.last_run.run if own and own.last_run else None
    if not isinstance(table.write, Refresh):
        raise LakehouseError(f"Verifying {table.key}: it isn't refreshed by groups, so there are none to compare")
    if own is None or run is None:
        raise LakehouseError(f"Verifying {table.key}: it isn't built; run `lakehouse run {table.key}` first")
    spark, by, mine = env.session(), table.write.by, env.lake.table(table.key)
    inputs = whole_inputs(spark, reads_of(run["read"], table, env))
    made = check.accepted(check.judge(build(spark, table, inputs), table.rules), table.rules)
    stored = spark.read.format("delta").option("versionAsOf", own.version).load(mine)
    whole = {key: inputs[parameter] for parameter, key in env.lakehouse.upstreams(table).items()}
    routes = [r for found in from_json(run.get("routes", {})).values() if not isinstance(found, str) for r in found]
    groups = _sample(stored, whole, routes, by, spark, own.version, sample)
    within = spark_condition(Touched(by, groups, 0), {c.name: c.type for c in table.columns})
    return Verified(len(groups), _differing(made.where(within), stored.where(within), by))


def _sample(
    stored: DataFrame, whole: Mapping[str, DataFrame], routes: Sequence[Route], by: tuple[str, ...],
    spark: SparkSession, seed: int, number: int,
) -> list[tuple[Any, ...]]:  # fmt: skip
    """Groups that are stored, and groups that should be: those to which the inputs' rows lead."""
    from pyspark.sql import functions as F

    groups = stored.select(*by)
    if routes:
        for key in {r.key for r in routes} | looked_up(routes):
            for name in (changes_of(key), whole_of(key)):
                whole[key].createOrReplaceTempView(name)
        groups = groups.union(spark.sql(groups_query(by, routes)))
    chosen = groups.distinct().orderBy(F.xxhash64(F.lit(seed), *by)).limit(number)
    return [tuple(row.values()) for row in chosen.toArrow().to_pylist()]


def _differing(made: DataFrame, stored: DataFrame, by: Sequence[str]) -> list[Mapping[str, Any]]:
    there = [f for f in made.schema.fields if f.name in set(stored.columns) and "map<" not in f.dataType.simpleString()]
    columns = [f"float(`{f.name}`)" if f.dataType.simpleString() == "double" else f"`{f.name}`" for f in there]
    names = [f"{column} AS `{f.name}`" for column, f in zip(columns, there, strict=True)]
    left, right = made.selectExpr(*names), stored.selectExpr(*names)
    apart = left.exceptAll(right).union(right.exceptAll(left)).select(*by).distinct()
    return list(apart.toArrow().to_pylist())
