"""A value that a change doesn't tell is the one that was there: that of the newest event before it that tells it.

So that arrival order can't matter, a key of which an event leaves a value untold is computed from all its events, like
a `history`. A `merge` remembers them from the first such event on, and the row that was stored before it: what came
before that row can't count any more. For other keys it's seen in passing that they have no such event.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.delta_merge import GONE, SURE, last_of, of_keys, ordering, with_gone
from lakehouse_assets.engine.lake.kept_rows import persisted
from lakehouse_assets.engine.lake.state import StatePart
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.spec.modes import UNAVAILABLE, History, Merge
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

# Whether an event of the row's key leaves a value untold.
OPEN = "__open"
_LIFE = "__life"
_UNTOLD = f"`{UNAVAILABLE}` IS NOT NULL"


@dataclass(frozen=True)
class Known:
    """What there is of a table's keys beside new events: those that are remembered, and the rows stored before them."""

    past: DataFrame
    stored: DataFrame


@dataclass(frozen=True)
class Settled:
    """The rows that win, of which those of open keys are `__sure`; what is to be remembered, and whether it's any."""

    changes: DataFrame
    remembered: DataFrame
    remembers: bool


def deletions(changes: DataFrame, mode: Merge) -> DataFrame:
    """What is remembered of the deleted keys: that they are, and since when."""
    return changes.where(GONE).select(*mode.on, *mode.newest)


def told(events: DataFrame, table: Table, mode: Merge | History) -> DataFrame:
    """All the events of some keys, with the values that they leave untold, where an event before tells them."""
    some = UNAVAILABLE in events.columns and events.where(_UNTOLD).limit(1).count()
    return _told(events, table, mode) if some else events


def marked(rows: DataFrame, mode: Merge) -> DataFrame:
    """The rows, with whether their keys are open: whether one of them leaves a value untold."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    if UNAVAILABLE not in rows.columns:
        return rows
    return rows.withColumn(OPEN, F.max(F.col(UNAVAILABLE).isNotNull()).over(Window.partitionBy(*mode.on)))


def found_in(changes: DataFrame, mode: Merge) -> tuple[bool, bool]:
    """Whether a change deletes its key, and whether a key is open."""
    from pyspark.sql import functions as F

    if not mode.delete_when and OPEN not in changes.columns:
        return False, False
    opened = F.col(OPEN) if OPEN in changes.columns else F.lit(False)
    row = changes.agg(F.max(GONE), F.max(opened)).first()
    assert row is not None  # noqa: S101  (an aggregate without groups has one row)
    return bool(row[0]), bool(row[1])


def known(past: DataFrame | None, part: StatePart, spark: SparkSession) -> Known:
    """What is known before a part, given what is remembered."""
    from pyspark.sql import functions as F

    place = part.lake.table(part.table.key)
    log = read_log(place) if part.before is None else None
    version = log.version if log else part.before
    stored = read_rows(spark, place, version)
    if UNAVAILABLE not in stored.columns:
        stored = stored.withColumn(UNAVAILABLE, F.lit(None).cast("array<string>"))
    stored = stored.withColumn(GONE, F.lit(False))
    none = stored.limit(0)
    if past is None:
        return Known(none, stored)
    # Beside the events of open keys there are deletions, of which it isn't said that they are.
    every = past.unionByName(none, allowMissingColumns=True)
    return Known(every.withColumn(GONE, F.coalesce(GONE, F.lit(True))), stored)


@contextmanager
def settled(
    changes: DataFrame, rows: DataFrame, known: Known | None, part: StatePart, mode: Merge
) -> Iterator[Settled]:
    """What comes of new rows, given the newest of each key (`changes`); for a whole table without what is known."""
    from pyspark.sql import functions as F

    table, opened = part.table, changes.where(OPEN).select(*mode.on)
    before = opened.limit(0) if known is None else of_keys(known.past.where(_UNTOLD), changes, table, mode)
    keys = opened.union(before.select(*mode.on))
    # Kept without the rows of the table: what depends on those, Spark would compute again after the MERGE.
    with persisted(of_keys(with_gone(rows, mode), keys, table, mode), part.lake) as events:
        new = every = events
        if known:
            first = of_keys(known.stored, of_keys(opened, before, table, mode, "anti"), table, mode)
            new = events.unionByName(first, allowMissingColumns=True)
            every = of_keys(known.past, events, table, mode).unionByName(new, allowMissingColumns=True)
        sure = last_of(_told(every, table, mode), mode.on, table, mode).withColumn(SURE, F.lit(True))
        rest = of_keys(changes.drop(OPEN), events, table, mode, "anti").withColumn(SURE, F.lit(False))
        with persisted(rest.unionByName(sure.select(*rest.columns)), part.lake) as won:
            remembered = deletions(rest, mode).unionByName(new, allowMissingColumns=True)
            yield Settled(won, remembered, remembers=True)


def _told(events: DataFrame, table: Table, mode: Merge | History) -> DataFrame:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    by, first, names = ordering(table, mode), Window.unboundedPreceding, _names(events, mode)
    earlier = Window.partitionBy(*mode.on).orderBy(*by).rowsBetween(first, -1)
    lives = events.withColumn(_LIFE, F.coalesce(F.sum(F.col(GONE).cast("int")).over(earlier), F.lit(0)))
    so_far = Window.partitionBy(*mode.on, _LIFE).orderBy(*by).rowsBetween(first, Window.currentRow)
    last = {name: F.last(_if_told(name), ignorenulls=True).over(so_far).alias(f"__last_{name}") for name in names}
    found = lives.select("*", *last.values())
    unknown = F.array_compact(F.array(*(F.when(F.col(f"`__last_{n}`").isNull(), F.lit(n)) for n in names)))
    still = F.array_intersect(UNAVAILABLE, unknown.cast("array<string>"))
    values = {name: F.col(f"`__last_{name}`")[name] for name in names}
    values[UNAVAILABLE] = F.when(F.size(still) > 0, still)
    return found.select(*(values.get(c, F.col(f"`{c}`")).alias(c) for c in events.columns))


def _names(events: DataFrame, mode: Merge | History) -> list[str]:
    """The columns that an event may leave untold."""
    return [c for c in events.columns if not c.startswith("_") and c not in (*mode.on, *mode.newest)]


def _if_told(name: str) -> Column:
    from pyspark.sql import functions as F

    untold = F.coalesce(F.array_contains(UNAVAILABLE, name), F.lit(False))
    return F.when(~untold, F.struct(F.col(f"`{name}`")))
