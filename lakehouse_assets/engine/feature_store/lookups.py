"""The values of several features tables for the same rows: what a model is trained on, and what it scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import FeatureError
from lakehouse_assets.engine.feature_store.as_of import joined
from lakehouse_assets.engine.feature_store.wanted import Names, Wanted, pairs
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Lookup:
    """Values that are looked up in a features table, whose rows are `rows`.

    `columns` are names, or a mapping to the names that they get; all are taken without it. `on` names the columns of
    the key that the other side has by another name. Values older than `within` are nulls.
    """

    table: Table
    rows: DataFrame
    columns: Names | None = None
    within: timedelta | None = None
    on: Names = ()


def with_features(rows: DataFrame, at: str, lookups: Sequence[Lookup]) -> DataFrame:
    """The rows with the values of each lookup, as they were known at the rows' time `at`. See `as_of`.

    Raises:
        FeatureError: a table isn't one of features, or two columns would have one name.
    """
    for lookup in lookups:
        rows = joined(rows, lookup.rows, _wanted(lookup, at))
    return rows


def _wanted(lookup: Lookup, at: str) -> Wanted:
    table = lookup.table
    if table.feature is None:
        raise FeatureError(f"Looking up {table.key}: it isn't a table of features; declare it with features(…)")
    on = {name: name for name in table.feature.on} | pairs(lookup.on)
    if unknown := [name for name in on if name not in table.feature.on]:
        raise FeatureError(
            f"Looking up {table.key}: {unknown[0]!r} isn't of its key; that is {', '.join(table.feature.on)}"
        )
    columns = None if lookup.columns is None else pairs(lookup.columns)
    return Wanted(table.feature, at, on, columns, lookup.within, table.key)
