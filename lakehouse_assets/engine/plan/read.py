"""Step 1: the rows a run has to take in, as one DataFrame per input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import UnreadableInput
from lakehouse_assets.engine.lake.tables import read_changes, read_rows
from lakehouse_assets.engine.plan.plan import Plan, Read
from lakehouse_assets.engine.registry.versions import position_of
from lakehouse_assets.engine.spark_errors.causes import cause_of
from lakehouse_assets.engine.spark_errors.explained import about_rows
from lakehouse_assets.engine.spec.inputs import Upstream
from lakehouse_assets.engine.spec.modes import Refresh
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_CHANGE_COLUMNS = ("_change_type", "_commit_version", "_commit_timestamp")


def inputs_of(spark: SparkSession, plan: Plan) -> dict[str, DataFrame]:
    """The rows that a plan reads, by parameter."""
    whole = isinstance(plan.table.write, Refresh)  # its query is that of the whole table, narrowed to some groups
    return whole_inputs(spark, plan.reads) if whole else _read_inputs(spark, plan.reads)


def recorded(reads: Mapping[str, Read]) -> dict[str, Any]:
    """What a run writes down of what it read, by the key of the table."""
    return {r.key: {"id": r.id, "to": r.to, "after": r.after} for r in reads.values()}


def all_recorded(plan: Plan) -> dict[str, Any]:
    """The same of a whole plan: of the tables, and of the model that scores by its key."""
    score, by = plan.table.score, plan.champion
    return {**recorded(plan.reads), **({score.key: position_of(by)} if score and by else {})}


def reads_of(read: Mapping[str, Any], table: Table, context: Context) -> dict[str, Read]:
    """What a run wrote down that it had read, by parameter."""
    return {
        parameter: Read(key, context.lake.table(key), read[key]["id"], read[key]["to"], upstream, read[key]["after"])
        for (parameter, key), upstream in zip(
            context.lakehouse.upstreams(table).items(), table.upstreams.values(), strict=True
        )
        if key in read
    }


def whole_inputs(spark: SparkSession, reads: Mapping[str, Read]) -> dict[str, DataFrame]:
    """Parameter name → the whole table, whatever of it was consumed before."""
    return _read_inputs(spark, {parameter: replace(read, after=None) for parameter, read in reads.items()})


def _read_inputs(spark: SparkSession, reads: Mapping[str, Read]) -> dict[str, DataFrame]:
    """Parameter name → its rows: a whole table at a pinned version, or what was added or changed since another.

    Each is aliased with its table's key, by which the lineage of columns finds it again in the query plan.
    """
    return {parameter: _read(spark, read).alias(read.key) for parameter, read in reads.items()}


def _read(spark: SparkSession, read: Read) -> DataFrame:
    if read.upstream.snapshot_on:
        return _between_snapshots(_whole(spark, read), _news(spark, read), read.upstream)
    if read.upstream.latest_on and read.after is not None:
        return _latest(spark, read, read.upstream.latest_on)
    return _news(spark, read)


def _latest(spark: SparkSession, read: Read, key: Sequence[str]) -> DataFrame:
    """The rows of the keys that have changed, as they are now: a feed has each image of a row that changed twice."""
    from pyspark.sql import functions as F

    same = F.expr(" AND ".join(f"l.`{name}` <=> r.`{name}`" for name in key))
    changed = _news(spark, read).select(*key).distinct()
    return _whole(spark, read).alias("l").join(changed.alias("r"), same, "left_semi")


def _whole(spark: SparkSession, read: Read) -> DataFrame:
    return read_rows(spark, read.table, read.to)


def _news(spark: SparkSession, read: Read) -> DataFrame:
    if read.after is None:
        return _whole(spark, read)
    # The planner lets no row through that went out for good: a deleted one was replaced, and an old image is no news.
    return _changes(spark, read).where("_change_type NOT IN ('update_preimage', 'delete')").drop(*_CHANGE_COLUMNS)


def all_images(spark: SparkSession, read: Read) -> DataFrame:
    """Every row that came, went or changed since the version consumed, as it was and as it is."""
    return _changes(spark, read).drop(*_CHANGE_COLUMNS)


def _changes(spark: SparkSession, read: Read) -> DataFrame:
    assert read.after is not None  # noqa: S101  (the planner found what was consumed)
    return read_changes(spark, read.table, read.after, read.to)


@contextmanager
def readable(spark: SparkSession, reads: Iterable[Read]) -> Iterator[None]:
    """Finds out, where a query of the block fails, whether what it reads is to blame.

    Raises:
        UnreadableInput: the change feed of a table, or an older version, can't be read, for whatever reason.
    """
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as error:
        why = _unreadable(spark, reads) if about_rows(error) else None
        if why is None:
            raise
        raise UnreadableInput(why) from error


def _unreadable(spark: SparkSession, reads: Iterable[Read]) -> str | None:
    """What can't be read to its end, and why; None if all can. It takes a job for each."""
    from pyspark.errors import PySparkException

    for read in reads:
        try:
            rows = _whole(spark, read) if read.after is None else _changes(spark, read)
            if read.after != read.to:
                rows.write.format("noop").mode("overwrite").save()
        except PySparkException as error:
            what = f"version {read.to}" if read.after is None else f"the changes since version {read.after}"
            return f"{what} of {read.key} can't be read ({cause_of(error)})"
    return None


def _between_snapshots(rows: DataFrame, news: DataFrame, upstream: Upstream) -> DataFrame:
    """How snapshots differ from those before them, for each pair of neighbours of which one is new."""
    from pyspark.sql import functions as F

    at, columns = upstream.snapshot_at, rows.columns
    data = [c for c in columns if c != at and not c.startswith("_")]
    pairs = _neighbours(rows, news, at)
    now, before = _of_pairs(rows, pairs, at)
    changed = _apart(now, before, data).select("__now", *upstream.snapshot_on).distinct()
    same_key = F.expr(_alike(upstream.snapshot_on))
    upserts = now.alias("l").join(changed.alias("r"), same_key, "left_semi")
    gone = before.alias("l").join(now.alias("r"), same_key, "left_anti").withColumn(at, F.col("__now"))
    timeless = news.where(f"`{at}` IS NULL")  # of no snapshot; for the expectations to judge
    live, dead = F.lit(False).alias("_deleted"), F.lit(True).alias("_deleted")
    kept = upserts.select(*columns, live).unionByName(timeless.select(*columns, live))
    return kept.unionByName(gone.select(*columns, dead))


def _of_pairs(rows: DataFrame, pairs: DataFrame, at: str) -> tuple[DataFrame, DataFrame]:
    """The rows of the snapshots and of those before them, each with its pair."""
    from pyspark.sql import functions as F

    now = rows.join(F.broadcast(pairs), F.expr(f"`{at}` = __now"))
    return now, rows.join(F.broadcast(pairs), F.expr(f"`{at}` = __before"))


def _apart(now: DataFrame, before: DataFrame, data: Sequence[str]) -> DataFrame:
    """The rows that one snapshot has more often than the other."""
    from pyspark.sql import functions as F

    names = ["__now", *(f"`{c}`" for c in data)]
    both = now.select(*names, F.lit(1).alias("__n")).union(before.select(*names, F.lit(-1).alias("__n")))
    return both.groupBy(*names).agg(F.sum("__n").alias("__n")).where("__n <> 0")


def lost_keys(spark: SparkSession, read: Read) -> list[tuple[Any, int, int]]:
    """Of each new snapshot: what tells it apart, how many keys the one before has, and how many of those it lacks."""
    from pyspark.sql import functions as F

    at, on = read.upstream.snapshot_at, read.upstream.snapshot_on
    rows = _whole(spark, read)
    now, before = _of_pairs(rows, _neighbours(rows, _news(spark, read), at), at)
    keys = before.select("__now", *on).distinct().alias("l")
    there = now.select("__now", *on).distinct().withColumn("__there", F.lit(1)).alias("r")
    found = keys.join(there, F.expr(_alike(on)), "left").groupBy("l.__now")
    counted = found.agg(F.count(F.lit(1)), F.count_if(F.col("__there").isNull())).orderBy("__now")
    return [(row[0], row[1], row[2]) for row in counted.collect()]


def _neighbours(rows: DataFrame, news: DataFrame, at: str) -> DataFrame:
    """Each new snapshot with the one before it (null for the first), and with the one after it."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    known = rows.select(F.col(at).alias("__now")).where("__now IS NOT NULL").distinct()
    pairs = known.withColumn("__before", F.lag("__now").over(Window.partitionBy(F.lit(0)).orderBy("__now")))
    new = news.select(F.col(at).alias("__new")).distinct()
    return pairs.join(F.broadcast(new), F.expr("__now = __new OR __before = __new"), "left_semi")


def _alike(names: Sequence[str]) -> str:
    return " AND ".join(["l.__now = r.__now", *(f"l.`{c}` <=> r.`{c}`" for c in names)])
