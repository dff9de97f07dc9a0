"""Debezium's messages, of any of its connectors, with the schema in them or without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lakehouse_assets.engine.spec.cdc import values
from lakehouse_assets.engine.spec.cdc.events import (
    EMPTIED,
    NO_IMAGE,
    NOT_UNDERSTOOD,
    Change,
    events,
    field,
    instant,
    told,
    where,
)
from lakehouse_assets.engine.spec.cdc.exact_json import Kind, parsed
from lakehouse_assets.engine.spec.cdc.places import place

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PARTIAL = "it tells a part of the document; have the connector capture full documents (capture.mode)"
_OPS = ("c", "u", "d", "r")
# What a message may have that says nothing of a change: a heartbeat is no more than its time.
_AROUND = ("ts_ms", "ts_us", "ts_ns", "schema", "payload", "value", "key")
_TEXTS: Kind = "map<string,string>"


def debezium(
    rows: DataFrame,
    columns: Sequence[str],
    key: str | Sequence[str],
    decimals: Mapping[str, int] | None = None,
    unavailable: str = values.UNAVAILABLE,
) -> DataFrame:
    """Debezium's messages, each with the schema in it (`payload`) or without; or as text or bytes in a column `value`.

    The place is that of the connector: MySQL and MariaDB: the number of the binary log's file, position, row.
    PostgreSQL: the log sequence numbers of the commit (of `sequence`) and of the change. SQL Server and Db2: those of
    commit and change, and the event's serial number. Oracle: the change numbers of the commit and of the change, then
    the redo record. MongoDB: the second and the order in it. Time counts only between events of one place.

    `_changed_at` is the source's `ts_ms`, or else when the connector saw the change. MongoDB's `after` is extended
    JSON: numbers and object ids come as their plain text, other types as JSON.

    A value that a change leaves alone and the connector doesn't know (PostgreSQL's TOAST, Oracle's LOBs) comes as a
    placeholder (`unavailable`, the connector's `unavailable.value.placeholder`). It's taken from `before`, where that
    has it (`REPLICA IDENTITY FULL`). Else it's null, and `_unavailable` names its column, so that `merge` and `history`
    keep what was there.

    Decimals as bytes (`decimal.handling.mode=precise`, the connectors' default) need their scale, to be told from text.
    It's in the schema; for messages without one say `decimals={"amount": 2}`.
    """
    from pyspark.sql import functions as F

    some = values.exact(_changes(_opened(told(rows))), decimals or {}, unavailable)
    op, message, source = F.col("__op"), F.col("__message"), F.col("__source")
    read_as_new = (op == "c") & ~F.coalesce(F.lower(source["snapshot"]), F.lit("false")).isin("false", "")
    reads = (op == "r") | read_as_new
    change = Change(
        before=F.col("__old"),
        after=F.col("__new"),
        deletes=op == "d",
        reads=reads,
        at=instant(F.coalesce(source["ts_ms"], message["ts_ms"])),
        place=place(source, reads),
        problem=F.coalesce(_problem(message, op), F.when(op != "d", values.lost(columns, unavailable))),
        unavailable=values.untold(columns, unavailable),
    )
    return events(some, change, columns, key)


def _opened(rows: DataFrame) -> DataFrame:
    """The rows with each message's fields in `__message`, and its schema, row by row as they come."""
    from pyspark.sql import functions as F

    of_topic = {"value", "headers"} <= set(rows.columns)
    names = ["value"] if of_topic else [c for c in rows.columns if not c.startswith("_")]
    fields = [column for c in names for column in (F.lit(c), field(rows, c))]
    outer = F.create_map(*fields) if fields else F.create_map().cast(_TEXTS)
    if "value" in names:
        text = field(rows, "value")
        rows = parsed(rows, "__value", text, _TEXTS)
        unread = F.when(F.trim(text) != "null", F.create_map(F.lit("unread"), text))
        wrapped = field(rows, "op").isNull() & field(rows, "payload").isNull()
        outer = F.coalesce(F.when(wrapped, F.coalesce("__value", unread)), outer)
    rows = rows.withColumn("__outer", outer)
    rows = parsed(rows, "__payload", F.col("__outer")["payload"], _TEXTS)
    return rows.withColumn("__message", F.coalesce("__payload", "__outer")).withColumn(
        "__schema", F.col("__outer")["schema"]
    )


def _changes(rows: DataFrame) -> DataFrame:
    """The messages that aren't known to be none, with what they do, the source, and the images as they came."""
    from pyspark.sql import functions as F

    rows = rows.withColumn("__op", F.col("__message")["op"])
    rows = where(rows, ~F.coalesce(_is_none(F.col("__message"), F.col("__op")), F.lit(False)))
    for name in ("source", "before", "after"):
        rows = parsed(rows, f"__{name}", F.col("__message")[name], _TEXTS)
    return rows


def _is_none(message: Column, op: Column) -> Column:
    """Whether it's a heartbeat, a transaction's border, a definition, a logical message, or an empty envelope."""
    from pyspark.sql import functions as F

    told = F.map_filter(message, lambda name, value: value.isNotNull() & ~name.isin(*_AROUND))
    defines = (message["ddl"].isNotNull() | message["tableChanges"].isNotNull()) & ~_empties(message)
    border = message["status"].isin("BEGIN", "END") & message["id"].isNotNull()
    return (op == "m") | (op.isNull() & ((F.size(told) == 0) | defines | border))


def _empties(message: Column) -> Column:
    from pyspark.sql import functions as F

    return F.coalesce(message["ddl"].rlike(r"(?i)^\s*truncate\b"), F.lit(False))


def _problem(message: Column, op: Column) -> Column:
    from pyspark.sql import functions as F

    partial = (op == "u") & F.coalesce(message["patch"], message["updateDescription"]).isNotNull()
    image = F.when(op == "d", message["before"]).otherwise(message["after"])
    return (
        F.when((op == "t") | (op.isNull() & _empties(message)), EMPTIED)
        .when(~F.coalesce(op, F.lit("")).isin(*_OPS), NOT_UNDERSTOOD)
        .when(partial & image.isNull(), PARTIAL)
        .when(image.isNull(), NO_IMAGE)
    )
