"""Windows of time as columns of rows: what `refresh(by=[…, "window_start"])` then groups by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_assets.engine.spec.streams.durations import duration

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def windows(rows: DataFrame, at: str, length: str, every: str = "") -> DataFrame:
    """Each row once for each window that the time in its column `at` lies in, with `window_start` and `window_end`.

    Windows are `length` long (`"30s"`, `"10m"`, `"2h"`), and one begins `every` so often, counted from 1970 in UTC as
    Spark's own do. Without `every` they tumble: each row is in one. A window has its start and hasn't its end. A row
    without a time is there once, and its window is null.

    Raises:
        ValueError: a duration isn't one, or `length` is no multiple of `every`.
    """
    from pyspark.sql import functions as F

    long, step = (int(duration(given).total_seconds()) for given in (length, every or length))
    if long % step:
        raise ValueError(f"windows of {length} that begin every {every} don't cover each time as often; use a divisor")
    second = F.unix_seconds(at)
    newest = second - F.pmod(second, F.lit(step))
    starts = [F.timestamp_seconds(newest - F.lit(back)) for back in range(0, long, step)]
    if len(starts) > 1:
        one_or_all = F.when(F.col(at).isNull(), F.array(starts[0])).otherwise(F.array(*starts))
        rows = rows.withColumn("window_start", F.explode(one_or_all))
    else:
        rows = rows.withColumn("window_start", starts[0])
    return rows.withColumn("window_end", F.timestamp_seconds(F.unix_seconds("window_start") + F.lit(long)))
