"""The point-in-time join: each row gets the feature values that were known at its time.

Rows and features are put together and sorted by entity and time, and each row gets the running maximum of (event time,
known time, values) over what is known by then. A last value wouldn't do: a late correction of an old event would hide a
newer event. Intervals of the features, joined by range, take a tenth less time where keys are even; but they compare
all rows of a key with all features of it, and one key with a fifth of a million rows takes them minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from lakehouse_assets.engine.feature_store.wanted import Names, Wanted, hold, pairs, types_of
from lakehouse_assets.engine.spec.features.key import FeatureKey

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def as_of(
    rows: DataFrame, features: DataFrame, *, on: Names, at: str, event_time: str, known_time: str | None = None,
    columns: Names | None = None, within: timedelta | None = None,
) -> DataFrame:  # fmt: skip
    """Each of the rows, with the values of its entity that were known at its time `at`; nulls where there were none.

    Of the features with the row's key `on`, and with neither `event_time` nor `known_time` after `at`, the one with the
    latest event counts, and of several of one event the one that was known last. If these are equal too, it's the one
    with the greatest values. What is older than `within` doesn't count. Null keys and times match nothing. No row is
    lost or repeated. A date is its first moment, so what happens during a day needs a later `known_time`.

    `on` and `columns` are names, or mappings: from the features' key to the rows' names for it, and from the features'
    columns to the names that they get. Without `columns`, all are taken but keys, times, and those that begin with `_`.

    Raises:
        FeatureError: a column isn't there, is there already, or has a type that doesn't fit.
    """
    key = FeatureKey(tuple(pairs(on)), event_time, known_time or event_time)
    taken = None if columns is None else pairs(columns)
    return joined(rows, features, Wanted(key, at, pairs(on), taken, within))


def joined(rows: DataFrame, features: DataFrame, wanted: Wanted) -> DataFrame:
    """`as_of` for what is wanted of some features.

    Raises:
        FeatureError: a column isn't there, is there already, or has a type that doesn't fit.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    hold(wanted, rows.schema, features.schema)
    left, right = _rows(rows, features, wanted), _features(rows, features, wanted)
    keys = [f"_key{n}" for n in range(len(wanted.key.on))]
    # By range, not by rows: what becomes known at the very time of a row is known to it.
    seen = Window.partitionBy(*keys).orderBy("_time").rangeBetween(Window.unboundedPreceding, Window.currentRow)
    greatest = F.max_by("_best", "_order") if "_order" in right.columns else F.max("_best")
    found = left.unionByName(right, allowMissingColumns=True).withColumn("_best", greatest.over(seen))
    taken = enumerate(wanted.taken(features.schema).values())
    values = [_if_fresh(F.col(f"_best._{n}"), wanted.within).alias(name) for n, name in taken]
    return found.where("_row IS NOT NULL").select("_row.*", *values)


def _rows(rows: DataFrame, features: DataFrame, wanted: Wanted) -> DataFrame:
    from pyspark.sql import functions as F

    keys = [_column(wanted.on[name]).alias(f"_key{n}") for n, name in enumerate(wanted.key.on)]
    time = _comparable(rows, features, wanted)(wanted.at).alias("_time")
    return rows.select(*keys, time, F.struct(*map(_column, rows.columns)).alias("_row"))


def _features(rows: DataFrame, features: DataFrame, wanted: Wanted) -> DataFrame:
    """The features that can be found, at the time from which each can be seen."""
    from pyspark.sql import functions as F

    key, time = wanted.key, _comparable(rows, features, wanted)
    event, known = time(key.event_time), time(key.known_time)
    values = [_column(name).alias(f"_{n}") for n, name in enumerate(wanted.taken(features.schema))]
    visible = event if key.event_time == key.known_time else F.greatest(event, known)
    best = F.struct(event.alias("_event"), known.alias("_known"), *values)
    keys = [_column(name).alias(f"_key{n}") for n, name in enumerate(key.on)]
    there = features.dropna(subset=list(key.columns)).select(*keys, visible.alias("_time"), best.alias("_best"))
    text = F.to_json("_best", {"ignoreNullFields": "false"})
    return there if _orderable(there) else there.withColumn("_order", F.struct("_best._event", "_best._known", text))


def _comparable(rows: DataFrame, features: DataFrame, wanted: Wanted) -> Callable[[str], Column]:
    """A column of times as a type that all times of the join have: their own if that is one, else a timestamp."""
    left, right = types_of(rows.schema), types_of(features.schema)
    kinds = {left[wanted.at.lower()], right[wanted.key.event_time.lower()], right[wanted.key.known_time.lower()]}
    return _column if len(kinds) == 1 else lambda name: _column(name).cast("timestamp")


def _orderable(features: DataFrame) -> bool:
    kind = features.schema["_best"].dataType.simpleString()
    return "map<" not in kind and "variant" not in kind


def _if_fresh(value: Column, within: timedelta | None) -> Column:
    from pyspark.sql import functions as F

    return value if within is None else F.when(F.col("_time") - F.col("_best._event") <= F.lit(within), value)


def _column(name: str) -> Column:
    from pyspark.sql import functions as F

    return F.col("`" + name.replace("`", "``") + "`")
