"""Canal's messages: the changes of one statement each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse_assets.engine.spec.cdc.events import (
    EMPTIED,
    NOT_UNDERSTOOD,
    Change,
    events,
    field,
    instant,
    overlaid,
    told,
    unpacked,
    where,
    whole,
)
from lakehouse_assets.engine.spec.cdc.exact_json import parsed

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_FIELDS = ("type", "isDdl", "data", "old", "es", "ts", "id")
CHANGES = ("INSERT", "UPDATE", "DELETE")
# What else Canal calls an event: statements that define something, borders of transactions, and heartbeats.
_NO_CHANGES = ("CREATE", "ALTER", "ERASE", "QUERY", "RENAME", "CINDEX", "DINDEX", "GTID", "XACOMMIT", "XAROLLBACK",
               "MHEARTBEAT")  # fmt: skip


def canal(rows: DataFrame, columns: Sequence[str], key: str | Sequence[str]) -> DataFrame:
    """Canal's messages, each with the changes of one statement. Messages about definitions (`isDdl`) change no row.

    `_changed_at` is `es`, when the statement began. A message doesn't tell its place in the binary log. So the place is
    when Canal made it (`ts`), its number (`id`), and the row's in it: `id` starts again when Canal does, and `ts` goes
    on. Two messages with one `ts` and one `id` have no order that could be known.
    """
    from pyspark.sql import functions as F

    rows = unpacked(rows, _FIELDS)
    kind = F.upper(field(rows, "type"))
    defines = F.coalesce(F.lower(field(rows, "isDdl")) == "true", F.lit(False)) | kind.isin(*_NO_CHANGES)
    some = where(told(rows), ~F.coalesce(defines & (kind != "TRUNCATE"), F.lit(False)))
    for name in ("data", "old"):
        some = parsed(some, f"__{name}", field(rows, name), "array<map<string,string>>")
    each = some.select("*", F.posexplode_outer("__data").alias("__nth", "__image"))
    image, before = F.col("__image"), F.get(F.col("__old"), F.col("__nth"))
    change = Change(
        before=overlaid(before, image),
        after=image,
        deletes=kind == "DELETE",
        reads=F.lit(False),
        at=instant(field(rows, "es")),
        place=_place(rows),
        problem=F.when(kind == "TRUNCATE", EMPTIED).when(~F.coalesce(kind, F.lit("")).isin(*CHANGES), NOT_UNDERSTOOD),
    )
    return events(each, change, columns, key)


def _place(rows: DataFrame) -> Column:
    from pyspark.sql import functions as F

    number = whole(field(rows, "id"))
    return F.when(number.isNotNull(), F.array(whole(field(rows, "ts")), number, F.col("__nth")))
