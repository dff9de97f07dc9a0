"""Writes into the cases of query analysis the plans that Spark makes of their queries; run by hand, never by a test.

    python -m lakehouse_assets_tests.engine.query.record_plans [NAME …]

NAME is the name of a case without its folder; without names all are written. It writes the sections `plan` and `asked`
alone: look at the difference, and at whether what is expected still follows from the SQL.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.modes.refresh.group_routes import find_routes
from lakehouse_assets.engine.modes.refresh.refresh import _as_analysed
from lakehouse_assets.engine.query.query_plan import if_understood
from lakehouse_assets.engine.run.build import build
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.private.pyspark import explained
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.engine.query.plan_cases import PlanCase, cases, write

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def main(names: list[str]) -> None:
    """Write the plans of the cases of these names, or of all."""
    from pyspark.sql.types import IntegerType

    spark = SparkResource.from_settings(read_settings()).session()
    spark.udf.register("doubled", lambda number: number * 2, IntegerType())
    for case in cases():
        if not names or case.path.stem in names:
            with tempfile.TemporaryDirectory() as folder:
                inputs = {name: _table(spark, folder, name, *told) for name, told in case.tables.items()}
                recorded = _recorded(case, _rows(spark, case, inputs))
                write(_asked(recorded, inputs))
            print(case.name)


def _table(spark: SparkSession, folder: str, name: str, key: str, columns: str) -> DataFrame:
    """An empty Delta table, read as a run reads its inputs."""
    path = f"{folder}/{name}"
    spark.sql(f"CREATE TABLE delta.`{path}` ({columns}) USING delta").collect()
    return read_rows(spark, TableRef(path)).alias(key)


def semi_join(sales: DataFrame, shops: DataFrame) -> DataFrame:
    """Unlike SQL, without a projection on top."""
    return sales.join(shops, sales["shop"] == shops["shop"], "left_semi")


def mapped(sales: DataFrame) -> DataFrame:
    """Rows as a function of Python makes them."""
    return sales.mapInPandas(lambda parts: parts, sales.schema).select("id", "day")


def _rows(spark: SparkSession, case: PlanCase, inputs: dict[str, DataFrame]) -> DataFrame:
    query = case.sections["query"]
    if query.startswith("table "):
        return build(spark, open_lakehouse(strict=True).tables[query.removeprefix("table ")], inputs)
    if query.startswith("function "):
        return FUNCTIONS[query.removeprefix("function ")](*inputs.values())
    for name, rows in inputs.items():
        rows.createOrReplaceTempView(name)
    return spark.sql(query)


FUNCTIONS: dict[str, Callable[..., DataFrame]] = {"semi_join": semi_join, "mapped": mapped}


def _recorded(case: PlanCase, rows: DataFrame) -> PlanCase:
    text = explained(rows.where("false")).split("== Analyzed Logical Plan ==\n", 1)[1].split("\n== Optimized", 1)[0]
    lines = [line.rstrip() for line in text.splitlines()[1:] if line.strip()]
    return replace(case, sections=_with(case, "plan", _counted_anew("\n".join(lines))))


def _counted_anew(text: str) -> str:
    """The same with the ids of attributes, and of named subqueries, from 1 in their order."""
    for ids in (r"(?<=#)\d+", r"(?<=CTERelationDef )\d+|(?<=CTERelationRef )\d+"):
        known: dict[str, str] = {}
        text = re.sub(ids, lambda m, known=known: known.setdefault(m[0], str(len(known) + 1)), text)
    return text


def _asked(case: PlanCase, inputs: dict[str, DataFrame]) -> PlanCase:
    whole = {key: inputs[name] for name, (key, _) in case.tables.items()}
    answers: dict[tuple[str, str], str | None] = {}

    def analyse(key: str, sql: str) -> str | None:
        return answers.setdefault((key, sql), _as_analysed(whole[key], sql))

    for by in case.routes:
        if_understood(lambda by=by: find_routes(case.plan, by, case.keys, analyse))  # type: ignore[misc]
    lines = [f"{key}: {sql}\n{f'  = {it}' if it else '  not understood'}" for (key, sql), it in answers.items()]
    return replace(case, sections=_with(case, "asked", "\n".join(lines)))


def _with(case: PlanCase, name: str, text: str) -> dict[str, str]:
    """The sections with one of them new: what Spark says comes before what is expected."""
    expected = {k: v for k, v in case.sections.items() if k == "lineage" or k.startswith("routes")}
    recorded = {k: v for k, v in case.sections.items() if k not in expected and k != name}
    return {**recorded, **({name: text} if text else {}), **expected}


if __name__ == "__main__":
    main(sys.argv[1:])
