"""Change feeds of databases, as events that `merge` and `history` take: Debezium, Canal and Maxwell.

Each function takes bronze rows of such messages, as JSON files give them, and returns a row a change:

| column | meaning |
|---|---|
| those asked for | the row after the change, before it for a deletion; text, to be cast |
| `_deleted` | whether the change deletes the row |
| `_changed_at` | when the database committed it, UTC |
| `_position` | its place in the database's log, among changes of one time |
| system columns of bronze | as they were |

so that a table says `merge(on="id", newest=["_changed_at", "_position"], delete_when="_deleted")`. A change that gives
a row another key is two events, a deletion of the old key and the new row. A message that isn't understood becomes a
row of nulls, which its null key sends to quarantine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


@dataclass(frozen=True)
class _Change:
    """One change in terms of Spark columns: JSON images of the row, what was done, when, and where in the log."""

    before: Column
    after: Column
    deletes: Column
    at: Column
    file: Column
    position: Column
    row: Column


def debezium(rows: DataFrame, columns: Sequence[str], key: str | Sequence[str]) -> DataFrame:
    """Debezium's messages, with the schema in them (`payload`) or without.

    The place is that of the connector: binary log file, position and row (MySQL), or the log sequence number.
    """
    from pyspark.sql import functions as F

    def field(name: str) -> Column:
        return F.get_json_object("payload", f"$.{name}") if "payload" in rows.columns else F.col(name)

    def origin(name: str) -> Column:
        return F.get_json_object(field("source"), f"$.{name}")

    change = _Change(
        before=_image(field("before")),
        after=_image(field("after")),
        deletes=field("op") == "d",
        at=F.timestamp_millis(_whole(origin("ts_ms"))),
        file=F.nullif(origin("file"), F.lit("")),
        position=_whole(F.coalesce(origin("lsn"), origin("pos"))),
        row=_whole(origin("row")),
    )
    return _events(rows, change, columns, key)


def canal(rows: DataFrame, columns: Sequence[str], key: str | Sequence[str]) -> DataFrame:
    """Canal's messages, each with the changes of one statement. Messages about definitions (`isDdl`) change no row.

    The time has whole milliseconds (`es`); the place is the message's number and the change's within it.
    """
    from pyspark.sql import functions as F

    images, old = (F.from_json(_field(rows, c), "array<map<string,string>>") for c in ("data", "old"))
    several = rows.where(F.coalesce(_field(rows, "isDdl"), F.lit("false")) != "true").withColumn("__old", old)
    exploded = several.select("*", F.posexplode_outer(images).alias("__nth", "__image"))
    image, before = F.col("__image"), F.try_element_at(F.col("__old"), F.col("__nth") + 1)
    change = _Change(
        before=_overlaid(before, image),
        after=image,
        deletes=F.col("type") == "DELETE",
        at=F.timestamp_millis(_whole(F.col("es"))),
        file=F.lit(None).cast("string"),
        position=_whole(F.col("id")),
        row=F.col("__nth").cast("bigint"),
    )
    return _events(exploded, change, columns, key)


def maxwell(rows: DataFrame, columns: Sequence[str], key: str | Sequence[str]) -> DataFrame:
    """Maxwell's messages, a change each. The time has whole seconds; the place is transaction and offset in it."""
    from pyspark.sql import functions as F

    image = _image(F.col("data"))
    change = _Change(
        before=_overlaid(_image(_field(rows, "old")), image),
        after=image,
        deletes=F.col("type") == "delete",
        at=F.timestamp_seconds(_whole(F.col("ts"))),
        file=F.lit(None).cast("string"),
        position=_whole(F.col("xid")),
        # The last change of a transaction says `commit` and has no offset.
        row=F.coalesce(_whole(_field(rows, "xoffset")), F.lit(2**31)),
    )
    return _events(rows, change, columns, key)


def _events(rows: DataFrame, change: _Change, columns: Sequence[str], key: str | Sequence[str]) -> DataFrame:
    from pyspark.sql import functions as F

    keys = [key] if isinstance(key, str) else list(key)
    deletes = F.coalesce(change.deletes, F.lit(False))
    moved = ~deletes & F.array_max(F.array(*(change.before[k] != change.after[k] for k in keys)))
    row = F.coalesce(change.row, F.lit(0)) * 2
    old = F.struct(change.before.alias("image"), F.lit(True).alias("gone"), row.alias("row"))
    new = F.struct(
        F.when(deletes, change.before).otherwise(change.after).alias("image"), deletes.alias("gone"),
        (row + 1).alias("row"),
    )  # fmt: skip
    events = F.when(moved, F.array(old, new)).otherwise(F.array(new))
    taken = rows.withColumn("__event", F.explode(events)).withColumn("__at", change.at)
    place = F.struct(change.file.alias("file"), change.position.alias("position"), F.col("__event.row").alias("row"))
    system = [c for c in rows.columns if c.startswith("_") and not c.startswith("__")]
    return taken.select(
        *(F.col("__event.image")[c].alias(c) for c in columns),
        F.col("__event.gone").alias("_deleted"),
        F.col("__at").alias("_changed_at"),
        place.alias("_position"),
        *system,
    )


def _field(rows: DataFrame, name: str) -> Column:
    """A column of bronze, which has it only once a message with it has arrived."""
    from pyspark.sql import functions as F

    return F.col(name) if name in rows.columns else F.lit(None).cast("string")


def _image(json: Column) -> Column:
    from pyspark.sql import functions as F

    return F.from_json(json, "map<string,string>")


def _overlaid(old: Column, image: Column) -> Column:
    """The whole row before the change, of which `old` has only what changed."""
    from pyspark.sql import functions as F

    changed = F.coalesce(old, F.create_map().cast("map<string,string>"))
    return F.map_concat(F.map_filter(image, lambda k, _: ~F.map_contains_key(changed, k)), changed)


def _whole(text: Column) -> Column:
    return text.try_cast("bigint")
