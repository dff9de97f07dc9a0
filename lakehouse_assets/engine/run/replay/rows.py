"""What a replay judges: the rows that wait in a version of a table's quarantine, as columns once more."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.quality import judge, quarantine
from lakehouse_assets.engine.quality.typed_columns import with_texts
from lakehouse_assets.engine.spec.expectations import Expectation
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# A row that can't be read as the table's columns are now stays in quarantine with this in the place of an expectation.
UNREADABLE = "fits_the_columns"
_KEPT, _ROW, _ODD = "__kept", "__row", "__odd"
_READABLE = f"{_ROW} IS NOT NULL AND {_ROW}.{_ODD} IS NULL"


@dataclass(frozen=True)
class Judging:
    """What a replay judges: the rows that wait in a version of the quarantine, as columns (name → type), by
    expectations.

    `texts` are those of the columns that may be any text, with the types that they're cast to.
    """

    quarantine: int
    columns: dict[str, str]
    rules: tuple[Expectation, ...]
    version: str
    texts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, told: dict[str, Any]) -> Judging:
        return cls(**{**told, "rules": tuple(Expectation(**rule) for rule in told["rules"])})


def app_of(table: Table) -> str:
    """The application whose transactions the replays of a table are."""
    return f"{table.key}/replay"


def rows_of(waiting: DataFrame, judging: Judging) -> DataFrame:
    return _readable(waiting, judging).drop(_KEPT)


def _readable(waiting: DataFrame, judging: Judging) -> DataFrame:
    from pyspark.sql import functions as F

    columns = [F.col(f"{_ROW}.`{name}`").cast(kind).alias(name) for name, kind in _as_kept(judging).items()]
    return with_texts(waiting.where(_READABLE).select(*columns, _KEPT), judging.texts, judging.texts)


def _as_kept(judging: Judging) -> dict[str, str]:
    return judging.columns | dict.fromkeys(judging.texts, "string")


def waiting_rows(table: Table, context: Context, judging: Judging) -> DataFrame:
    from pyspark.sql import functions as F

    spark = context.session()
    kept = read_rows(spark, context.lake.quarantine(table.key), judging.quarantine)
    kept.createOrReplaceTempView("lakehouse_quarantine")
    waiting = spark.sql(quarantine.latest("lakehouse_quarantine")).drop("nth")
    odd = {"columnNameOfCorruptRecord": _ODD}
    # JSON has no keys but text.
    read_as = [f"`{name}` {re.sub('map<[^,<]+,', 'map<string,', kind)}" for name, kind in _as_kept(judging).items()]
    row = F.from_json("row", f"{', '.join(read_as)}, `{_ODD}` string", odd)
    return waiting.select(F.struct("*").alias(_KEPT), row.alias(_ROW))


def settle_replay(waiting: DataFrame, table: Table, context: Context, judging: Judging, number: int) -> None:
    """Add the verdicts that are other than the last ones to the quarantine."""
    from pyspark.sql import functions as F

    read = judge.judge(_readable(waiting, judging), judging.rules)
    judged = read.select(
        _KEPT, judge.broken_names(judging.rules).alias("broken"), (~judge.rejected(judging.rules)).alias("accepted")
    )
    unread = waiting.where(f"NOT ({_READABLE})").select(
        _KEPT, F.array(F.lit(UNREADABLE)).alias("broken"), F.lit(False).alias("accepted")
    )
    changed = judged.unionByName(unread).where(f"accepted OR broken <> {_KEPT}.broken")
    verdicts = changed.select(
        f"{_KEPT}.id", f"{_KEPT}.row", "broken", "accepted", F.lit(judging.version).alias("rules"), f"{_KEPT}.source",
        f"{_KEPT}.run", F.lit(number).cast("bigint").alias("replay"), F.current_timestamp().alias("judged_at"),
    )  # fmt: skip
    quarantine.add(
        verdicts, waiting.count(), context.lake.quarantine(table.key), quarantine.Part(app_of(table), number)
    )
