"""Casts columns that came as text to their types, and keeps the texts beside them for as long as a row is judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from lakehouse_assets.engine.spec.texts import RAW

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def typed_texts(rows: DataFrame, types: Mapping[str, str]) -> DataFrame:
    """The rows with those of some columns that are text cast to their types, and their texts in one column more."""
    found = {f.name for f in rows.schema.fields if f.dataType.simpleString() == "string"}
    return with_texts(rows, types, found & set(types))


def with_texts(rows: DataFrame, types: Mapping[str, str], texts: Collection[str] = ()) -> DataFrame:
    """The same where it's known which columns are `texts`; what was stored has none."""
    from pyspark.sql import functions as F

    if not types:
        return rows
    cast = [F.expr(f"try_cast(`{name}` AS {types[name]})").alias(name) if name in texts else F.col(f"`{name}`")
            for name in rows.columns]  # fmt: skip
    raw = [(F.col(f"`{name}`") if name in texts else F.lit(None).cast("string")).alias(name) for name in types]
    return rows.select(*cast, F.struct(*raw).alias(RAW))


def as_arrived(rows: DataFrame, types: Mapping[str, str]) -> list[Column]:
    """The columns of rows that are judged, those that came as text as they came."""
    from pyspark.sql import functions as F

    told = {name: F.coalesce(F.col(f"`{RAW}`.`{name}`"), F.col(f"`{name}`").cast("string")) for name in types}
    return [told.get(name, F.col(f"`{name}`")).alias(name) for name in rows.columns if name != RAW]
