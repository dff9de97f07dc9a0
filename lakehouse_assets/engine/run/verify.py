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
from lakehouse_assets.engine.run.changes import persisted
from lakehouse_assets.engine.run.groups import from_json
from lakehouse_assets.engine.run.locality import Route
from lakehouse_assets.engine.run.materialize import Environment, reads_of
from lakehouse_assets.engine.run.read import whole_inputs
from lakehouse_assets.engine.run.refresh import differing, groups_of, of_groups
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
    with persisted(spark, _sample(stored, whole, routes, by, spark, own.version, sample)) as groups:
        left, right = (of_groups(rows, groups, by) for rows in (made, stored))
        apart = differing(left, right, by, _comparable(made, stored))
        return Verified(groups.count(), apart.toArrow().to_pylist())


def _sample(
    stored: DataFrame, whole: Mapping[str, DataFrame], routes: Sequence[Route], by: tuple[str, ...],
    spark: SparkSession, seed: int, number: int,
) -> DataFrame:  # fmt: skip
    """Groups that are stored, and groups that should be: those to which the inputs' rows lead."""
    from pyspark.sql import functions as F

    groups = stored.select(*by)
    if routes:
        groups = groups.union(groups_of(by, routes, whole, whole, spark))
    return groups.distinct().orderBy(F.xxhash64(F.lit(seed), *by)).limit(number)


def _comparable(made: DataFrame, stored: DataFrame) -> list[str]:
    """What can be compared of the columns that both have: not maps, and doubles as floats."""
    there = [f for f in made.schema.fields if f.name in set(stored.columns) and "map<" not in f.dataType.simpleString()]
    as_float = {f.name for f in there if f.dataType.simpleString() == "double"}
    return [f"float(`{f.name}`) AS `{f.name}`" if f.name in as_float else f"`{f.name}`" for f in there]
