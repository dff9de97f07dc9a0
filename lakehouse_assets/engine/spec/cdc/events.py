"""Changes of any connector as events: a row each, or two where a row gets another key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse_assets.engine.spec.cdc.exact_json import parsed
from lakehouse_assets.engine.spec.modes import UNAVAILABLE

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# A place in a log: numbers, compared one by one. Oracle's go beyond 64 bits.
PLACE = "array<decimal(38,0)>"
NOT_UNDERSTOOD = "it isn't a change event of this connector; look at the row in bronze"
EMPTIED = (
    "the source emptied the table (TRUNCATE), which is told of no key; begin a new table with a snapshot that was "
    "taken after it"
)
NO_IMAGE = "it has no image of the row; have the connector send whole rows (`before` for deletions)"
NO_KEY = "its image has no key; name the source's key columns in key=, and have the connector send them"
NO_PLACE = "its place in the database's log isn't known; have the connector send its position"


@dataclass(frozen=True)
class Change:
    """One change in terms of Spark columns: images of the row (maps), what was done, when, and where in the log.

    `reads` says that it's a read of a snapshot; `problem` why it can't be taken, as far as the connector's part knows.
    `unavailable` are the names of the columns that the new image doesn't tell; None if it always tells all.
    """

    before: Column
    after: Column
    deletes: Column
    reads: Column
    at: Column
    place: Column
    problem: Column
    unavailable: Column | None = None


def events(rows: DataFrame, change: Change, columns: Sequence[str], key: str | Sequence[str]) -> DataFrame:
    """The events of the changes, in the columns that `lakehouse_assets.engine.spec.cdc` describes."""
    from pyspark.sql import functions as F

    keys = [key] if isinstance(key, str) else list(key)
    system = [c for c in rows.columns if c.startswith("_") and not c.startswith("__")]
    taken = _named(rows, change)
    before, after = F.col("__before_"), F.col("__after_")
    moved = ~F.col("__deletes_") & F.array_max(F.array(*(before[k] != after[k] for k in keys)))
    image = F.when(F.col("__deletes_"), before).otherwise(after)
    old = F.struct(before.alias("image"), F.lit(True).alias("gone"), F.lit(0).alias("half"))
    new = F.struct(image.alias("image"), F.col("__deletes_").alias("gone"), F.lit(1).alias("half"))
    split = taken.withColumn("__event", F.explode(F.when(moved, F.array(old, new)).otherwise(F.array(new))))
    split = split.withColumn("__why", _problem(F.col("__event.image"), keys))
    return split.select(
        *(F.col("__event.image")[c].alias(c) for c in columns),
        F.col("__event.gone").alias("_deleted"),
        F.col("__at").alias("_changed_at"),
        F.when(F.col("__why").isNull(), _position()).alias("_position"),
        F.col("__why").alias("_problem"),
        F.when(~F.col("__event.gone"), F.col("__untold")).alias(UNAVAILABLE),
        *system,
    )


def _named(rows: DataFrame, change: Change) -> DataFrame:
    """The parts as columns of their own, so that each is computed once for a row."""
    from pyspark.sql import functions as F

    nothing = F.lit(None).cast("array<string>")
    return rows.select(
        "*",
        (nothing if change.unavailable is None else change.unavailable).alias("__untold"),
        change.before.alias("__before_"),
        change.after.alias("__after_"),
        F.coalesce(change.deletes, F.lit(False)).alias("__deletes_"),
        F.coalesce(change.reads, F.lit(False)).alias("__reads_"),
        change.at.alias("__at"),
        change.place.cast(PLACE).alias("__place_"),
        change.problem.alias("__told"),
    )


def _problem(image: Column, keys: Sequence[str]) -> Column:
    from pyspark.sql import functions as F

    keyless = F.exists(F.array(*(image[k] for k in keys)), lambda value: value.isNull())
    return F.coalesce(
        F.col("__told"),
        F.when(image.isNull(), F.lit(NO_IMAGE)),
        F.when(keyless, F.lit(NO_KEY)),
        F.when(F.col("__place_").isNull() & ~F.col("__reads_"), F.lit(NO_PLACE)),
    )


def _position() -> Column:
    """The place, then a read below a change, then the old key of a row below its new one."""
    from pyspark.sql import functions as F

    ranks = F.array(F.when(F.col("__reads_"), 0).otherwise(1), F.col("__event.half")).cast(PLACE)
    # Below all: nulls come first, and of two lists that begin alike the shorter one.
    nowhere = F.array(F.lit(None)).cast(PLACE)
    return F.coalesce(F.concat(F.col("__place_"), ranks), nowhere)


def field(rows: DataFrame, name: str) -> Column:
    """A column of bronze, which has it only once a message with it has arrived."""
    from pyspark.sql import functions as F

    return F.col(name).cast("string") if name in rows.columns else F.lit(None).cast("string")


def unpacked(rows: DataFrame, names: Sequence[str]) -> DataFrame:
    """The rows with the fields of a message as columns, where it came as the text or the bytes of a column `value`."""
    from pyspark.sql import functions as F

    if "value" not in rows.columns or names[0] in rows.columns:
        return rows
    text = field(rows, "value")
    read = parsed(rows, "__fields", text, "map<string,string>")
    fields = (F.col("__fields")[name].alias(name) for name in names)
    system = [c for c in rows.columns if c.startswith("_")]
    says = (F.trim(text) != "null") & F.coalesce(F.size("__fields") != 0, F.lit(True))
    return read.select(F.when(says, text).alias("value"), *fields, *system)


def told(rows: DataFrame) -> DataFrame:
    """The rows that say something: a tombstone, which follows a deletion in Kafka's topics, is null or has nothing."""
    from pyspark.sql import functions as F

    names = [F.col(f"`{c}`").cast("string") for c in rows.columns if not c.startswith("_")]
    unparsed = F.get_json_object(field(rows, "_rescued"), "$._unparsed")
    nothing = F.coalesce(*names, F.lit(None)).isNull() & (F.coalesce(F.trim(unparsed), F.lit("null")) == "null")
    return where(rows, ~nothing)


def where(rows: DataFrame, condition: Column) -> DataFrame:
    """The rows for which a condition holds, as `rows.where` has them.

    Spark moves a filter beneath the columns that it asks for, and has each computed anew for each use of it. Of a
    message of Debezium in Avro that made a condition of 10 MB, which read the message 4,225 times. What makes rows
    stays where it is.
    """
    from pyspark.sql import functions as F

    return rows.withColumn("__kept", F.explode(F.when(condition, F.array(F.lit(True))))).drop("__kept")


def overlaid(old: Column, image: Column) -> Column:
    """The whole row before the change, of which `old` has only what changed."""
    from pyspark.sql import functions as F

    changed = F.coalesce(old, F.create_map().cast("map<string,string>"))
    return F.map_concat(F.map_filter(image, lambda k, _: ~F.map_contains_key(changed, k)), changed)


def whole(text: Column) -> Column:
    return text.try_cast("decimal(38,0)")


def instant(milliseconds: Column) -> Column:
    from pyspark.sql import functions as F

    return F.timestamp_millis(milliseconds.try_cast("bigint"))
