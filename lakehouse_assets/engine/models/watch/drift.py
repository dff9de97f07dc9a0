"""How the rows that are scored, and their scores, differ from the rows that the champion learnt from.

Spark counts the rows of each bin; the bins and their shares among the training rows are those that the training kept.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.models.plots import psi_plot
from lakehouse_assets.engine.models.watch.baseline import ks, psi
from lakehouse_assets.engine.models.watch.watched import Watched
from lakehouse_assets.engine.spec.models.monitor import DRIFT, Drift

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

SHOWN = 5  # columns, in words

Baseline = Mapping[str, Mapping[str, Any]]
# A DataFrame, and those of its columns that are looked at.
Part = tuple["DataFrame", Sequence[str]]


@dataclass(frozen=True)
class Drifted:
    """How far a column, or the score, is from what it was; `ks` is None for texts."""

    column: str
    psi: float
    ks: float | None
    nulls_before: float
    nulls: float

    def breaks(self, limit: Drift) -> bool:
        return self.psi > limit.psi or (self.ks or 0) > limit.ks

    def text(self) -> str:
        """As `pages: PSI 0.84, KS 0.41`."""
        return f"{self.column}: PSI {self.psi:.3g}" + ("" if self.ks is None else f", KS {self.ks:.3g}")


def newest(rows: DataFrame, limit: Drift) -> Column | None:
    """The condition that a row is of the newest share by time; None where all rows are held against the training."""
    from pyspark.sql import functions as F

    if not limit.over:
        return None
    seconds = F.col(limit.over).cast("timestamp").cast("double")
    first = rows.agg(F.percentile_approx(seconds, 1 - limit.newest, 10_000)).head()
    return seconds >= F.lit(first[0] if first else None)


def shares_of(parts: Sequence[Part], baseline: Baseline) -> tuple[dict[str, list[float]], int]:
    """The share of the rows in each bin by column, of DataFrames with such columns; and how many rows the first has."""
    from functools import reduce

    from pyspark.sql import functions as F

    names = [name for _, columns in parts for name in columns]
    placed = [_placed(rows, {name: names.index(name) for name in columns}, baseline) for rows, columns in parts]
    found = reduce(lambda one, other: one.unionByName(other), placed).groupBy("of", "bin").agg(F.count(F.lit(1)))
    counts = {name: [0] * len(baseline[name]["shares"]) for name in names}
    for of, number, rows in found.collect():
        counts[names[of]][number] = rows
    shares = {name: [it / max(sum(bins), 1) for it in bins] for name, bins in counts.items()}
    return shares, sum(counts[names[0]])


def _placed(rows: DataFrame, numbers: Mapping[str, int], baseline: Baseline) -> DataFrame:
    """A row for each value: the number of its column, and that of its bin."""
    from pyspark.sql import functions as F

    pairs = [F.struct(F.lit(it).alias("of"), _bin(F.col(f"`{name}`"), baseline[name]).alias("bin"))
             for name, it in numbers.items()]  # fmt: skip
    return rows.select(F.explode(F.array(*pairs)).alias("it")).select("it.of", "it.bin")


def _bin(value: Column, told: Mapping[str, Any]) -> Column:
    """The number of a value's bin, as `baseline.shares` has it; nulls have the last."""
    from pyspark.sql import functions as F

    last = len(told["shares"]) - 1
    if "values" in told:
        place = F.when(value.isNull(), last)
        for number, text in enumerate(told["values"]):
            place = place.when(value == F.lit(text), number)
        return place.otherwise(last - 1)
    known = value.cast("double")
    place = F.when(known.isNull() | F.isnan(known), last)
    for at, edge in enumerate(told["edges"]):
        place = place.when(known <= F.lit(edge), at)
    return place.otherwise(last - 1)


def drifted(shares: Mapping[str, list[float]], baseline: Baseline) -> list[Drifted]:
    """Each column with its figures, the one with the greatest PSI first."""
    found = []
    for name, now in shares.items():
        before = baseline[name]["shares"]
        apart = None if "values" in baseline[name] else ks(before, now)
        found.append(Drifted(name, psi(before, now), apart, before[-1], now[-1]))
    return sorted(found, key=lambda it: -it.psi)


def judged_drift(found: Sequence[Drifted], rows: int, limit: Drift) -> Watched:
    """What the check says of the figures, without the version that they're about."""
    few = rows < limit.least
    broken = [] if few else [it for it in found if it.breaks(limit)]
    return Watched(
        DRIFT, not broken, _told(found, broken, rows, limit), figures=_figures(found, rows),
        columns=("column", "PSI", "KS", "nulls in training", "nulls now"), rows=tuple(map(_row, found)),
        picture=b64encode(psi_plot({it.column: it.psi for it in found}, limit.psi)).decode(),
    )  # fmt: skip


def _told(found: Sequence[Drifted], broken: Sequence[Drifted], rows: int, limit: Drift) -> str:
    limits = f"a PSI of at most {limit.psi:g} and a KS of at most {limit.ks:g}"
    if rows < limit.least:
        return f"Only {rows:,} rows, where {limit.least:,} are needed to tell drift from chance."
    some = "; ".join(it.text() for it in (broken or found)[:SHOWN])
    more = f"; and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
    if broken:
        return (
            f"{len(broken)} of {len(found)} columns have drifted, by {rows:,} rows: {some}{more}. Allowed is {limits}."
        )
    return f"No column has drifted, by {rows:,} rows. The farthest are {some}. Allowed is {limits}."


def _figures(found: Sequence[Drifted], rows: int) -> dict[str, float]:
    ks_of = {f"drift_ks/{it.column}": it.ks for it in found if it.ks is not None}
    return {"rows": rows, **{f"drift_psi/{it.column}": it.psi for it in found}, **ks_of}


def _row(it: Drifted) -> tuple[str, ...]:
    apart = "" if it.ks is None else f"{it.ks:.4f}"
    return it.column, f"{it.psi:.4f}", apart, f"{it.nulls_before:.2%}", f"{it.nulls:.2%}"
