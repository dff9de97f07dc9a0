"""Step 2: the declared function or query, run on its inputs, and held to the declared columns."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import ContractError
from lakehouse_assets.engine.quality.typed_columns import typed_texts
from lakehouse_assets.engine.spec.columns import Column
from lakehouse_assets.engine.spec.modes import UNAVAILABLE
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import Column as Expr
    from pyspark.sql import DataFrame, SparkSession

# Casts that change no value: from → to.
_WIDER = {
    "tinyint": {"smallint", "int", "bigint", "double"},
    "smallint": {"int", "bigint", "double"},
    "int": {"bigint", "double"},
    "float": {"double"},
    "date": {"timestamp"},
    "timestamp_ntz": {"timestamp"},
}


def build(spark: SparkSession, table: Table, inputs: Mapping[str, DataFrame]) -> DataFrame:
    """The table's rows, with its declared columns first and in order, then the system columns (`_…`) it kept.

    Raises:
        ContractError: a declared column is missing, has another type, or a column comes that wasn't declared.
    """
    made = table(**inputs) if table.sql is None else _query(spark, table.sql, inputs)
    made = typed_texts(made, table.texts) if table.texts else made
    made = _telling_all(made) if table.placed else made
    return conform(made, table) if table.columns else made


def _telling_all(made: DataFrame) -> DataFrame:
    """The rows, with the names of the columns that each doesn't tell: none, if the function doesn't say."""
    from pyspark.sql import functions as F

    nothing = F.lit(None).cast("array<string>")
    return made if UNAVAILABLE in made.columns else made.withColumn(UNAVAILABLE, nothing)


def _query(spark: SparkSession, sql: str, inputs: Mapping[str, DataFrame]) -> DataFrame:
    for name, rows in inputs.items():
        rows.createOrReplaceTempView(name)
    return spark.sql(sql)


def conform(df: DataFrame, table: Table) -> DataFrame:
    """The declared columns, widened where that loses nothing, and the system columns behind them."""
    from pyspark.sql import functions as F

    found = {f.name: f.dataType.simpleString() for f in df.schema.fields}
    problems = [*_missing(table.columns, found), *_undeclared(table.columns, found), *_mistyped(table.columns, found)]
    if problems:
        raise ContractError(f"Building {table.key}: its result doesn't fit its columns: {'; '.join(problems)}")
    system = [c for c in found if c.startswith("_")]
    declared = [_typed(c, found[c.name]).alias(c.name, metadata=_comment(c)) for c in table.columns]
    return df.select(*declared, *(F.col(f"`{c}`") for c in system))


def _typed(column: Column, found: str) -> Expr:
    from pyspark.sql import functions as F

    given = F.col(f"`{column.name}`")
    return given if found == column.type.replace(" ", "") else given.cast(column.type)


def _comment(column: Column) -> dict[str, str]:
    return {"comment": column.doc} if column.doc else {}


def _missing(columns: tuple[Column, ...], found: Mapping[str, str]) -> list[str]:
    return [f"{c.name!r} is missing{_nearest(c.name, found)}" for c in columns if c.name not in found]


def _nearest(name: str, found: Mapping[str, str]) -> str:
    near = get_close_matches(name, found, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _undeclared(columns: tuple[Column, ...], found: Mapping[str, str]) -> list[str]:
    declared = {c.name for c in columns}
    return [f"{n!r} isn't declared; declare or drop it" for n in found if n not in declared and not n.startswith("_")]


def _mistyped(columns: tuple[Column, ...], found: Mapping[str, str]) -> list[str]:
    wrong = [(c, found[c.name]) for c in columns if c.name in found and not _fits(found[c.name], c.type)]
    return [f"{c.name!r} is {kind}, declared {c.type}; {_cast(c, kind)}" for c, kind in wrong]


def _cast(column: Column, found: str) -> str:
    if found == "string":
        return f"cast it, or add typed({column.name!r}) to expect, which quarantines what isn't one"
    return "cast it (try_cast, if some values may not fit)"


def _fits(found: str, declared: str) -> bool:
    same = found == declared.replace(" ", "")
    return same or declared in _WIDER.get(found, ()) or found == "void" or _wider_decimal(found, declared)


def _wider_decimal(found: str, declared: str) -> bool:
    if not (found.startswith("decimal(") and declared.startswith("decimal(")):
        return False
    (p1, s1), (p2, s2) = (tuple(map(int, t[8:-1].split(","))) for t in (found, declared))
    return s2 >= s1 and p2 - s2 >= p1 - s1
