"""Maxwell's messages: a change each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse_assets.engine.spec.cdc.events import (
    NOT_UNDERSTOOD,
    Change,
    events,
    field,
    overlaid,
    told,
    unpacked,
    where,
    whole,
)
from lakehouse_assets.engine.spec.cdc.exact_json import parsed

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_FIELDS = ("type", "data", "old", "ts", "position", "xid", "xoffset")
READ = "bootstrap-insert"
CHANGES = ("insert", "update", "delete", READ)
_NO_CHANGES = r"^(bootstrap-(start|complete)|heartbeat|(table|database)-(create|alter|drop))$"


def maxwell(rows: DataFrame, columns: Sequence[str], key: str | Sequence[str]) -> DataFrame:
    """Maxwell's messages, a change each. The begin and end of a bootstrap, and definitions, change no row.

    `_changed_at` is `ts`, the second in which the statement began. The place is `position` in the binary log, which
    Maxwell tells with `output_binlog_position=true`: have it so. Without it the place is the transaction's number
    (`xid`) and the offset in it, which start again when MySQL does; such changes stand below all that have a position.
    A row of a bootstrap has no place, and so stands below all changes of its key.
    """
    from pyspark.sql import functions as F

    rows = unpacked(rows, _FIELDS)
    kind = field(rows, "type")
    some = where(told(rows), ~F.coalesce(kind.rlike(_NO_CHANGES), F.lit(False)))
    for name in ("data", "old"):
        some = parsed(some, f"__{name}", field(rows, name), "map<string,string>")
    change = Change(
        before=overlaid(F.col("__old"), F.col("__data")),
        after=F.col("__data"),
        deletes=kind == "delete",
        reads=kind == READ,
        at=F.timestamp_seconds(field(rows, "ts").try_cast("bigint")),
        place=F.when(kind != READ, _place(rows)),
        problem=F.when(~F.coalesce(kind, F.lit("")).isin(*CHANGES), NOT_UNDERSTOOD),
    )
    return events(some, change, columns, key)


def _place(rows: DataFrame) -> Column:
    from pyspark.sql import functions as F

    at, xid = field(rows, "position"), whole(field(rows, "xid"))
    file, byte = (whole(F.regexp_extract(at, r"\.([0-9]+):([0-9]+)$", group)) for group in (1, 2))
    # The last change of a transaction says `commit` and has no offset.
    offset = F.coalesce(whole(field(rows, "xoffset")), F.lit(2**31))
    return F.when(xid.isNotNull() | file.isNotNull(), F.array(file, byte, xid, offset))
