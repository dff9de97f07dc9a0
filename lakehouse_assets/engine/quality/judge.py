"""Step 3: judges every row by every expectation in the pass that writes it.

A row's verdict is a bitmask, one bit an expectation. The pass observes how many rows there are, how many are rejected,
and a histogram of the masks of rows that broke an expectation: from it follows, without another look at the rows, how
many broke which. Measured on 3 million rows with 30 expectations, a counter per expectation in the writing pass costs
10 s; the histogram, which skips rows that broke none, costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse_assets.engine.quality.expectation_counts import (
    BINS,
    PER_MASK,
    ExpectationCounts,
    blocks,
    from_counts,
    from_histograms,
)
from lakehouse_assets.engine.spark_errors.broken_expectation import FAILED
from lakehouse_assets.engine.spec.expectations import Expectation
from lakehouse_assets.engine.spec.texts import RAW

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Observation

LONGEST_ROW = 100_000
MASK = "__broken_{}"


def judge(df: DataFrame, expectations: Sequence[Expectation]) -> DataFrame:
    """The rows with their verdicts in mask columns. A row that breaks a `fail` ends the job that meets it."""
    from pyspark.sql import functions as F

    masks = [F.expr(_mask(block)).alias(MASK.format(i)) for i, block in enumerate(blocks(expectations))]
    return df.select("*", *masks)


def observed(judged: DataFrame, expectations: Sequence[Expectation], observation: Observation) -> DataFrame:
    """The rows, counted as they pass."""
    return judged.observe(observation, *_measures(expectations))


def seen(observation: Observation, rows: DataFrame, expectations: Sequence[Expectation]) -> ExpectationCounts:
    """What the writing pass observed. Connect's server waits 100 ms for it after the job, then answers without:
    on a busy machine the rows have to be judged once more to know.
    """
    found = observation.get
    return (from_histograms(found, expectations) if found else None) or tally(rows, expectations)


def tally(rows: DataFrame, expectations: Sequence[Expectation]) -> ExpectationCounts:
    """The same by a job of its own, exact however many different verdicts there are."""
    from pyspark.sql import functions as F

    counts = [
        F.count_if(broke(i)).alias(f"r{i}")
        for i, expectation in enumerate(expectations)
        if expectation.action != "fail"
    ]
    row = barred(judge(rows, expectations)).agg(*_counts(expectations), *counts).first()
    assert row is not None  # noqa: S101  (an aggregate without groups has one row)
    return from_counts(row.asDict(), expectations)


def try_out(df: DataFrame, expectations: Sequence[Expectation]) -> None:
    """Compute all of the rows and their verdicts, and write nothing: it ends at what can't be computed, or a `fail`."""
    judge(df, expectations).write.format("noop").mode("overwrite").save()


def barred(df: DataFrame) -> DataFrame:
    """The same rows; Spark doesn't move what comes after below what was before.

    A filter that is moved below a projection has its expressions inlined, and computed once more for each time they
    are used (measured on deduplicated flights with 14 expectations: 50 s instead of 2). An observation is in its way.
    """
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    return df.observe(Observation(), F.count(F.lit(1)).alias("rows"))


def accepted(judged: DataFrame, expectations: Sequence[Expectation]) -> DataFrame:
    """The rows that broke no `drop` expectation, without their verdicts and the texts that they came as."""
    return judged.where(~rejected(expectations)).drop(*_masks(expectations), RAW)


def rejected(expectations: Sequence[Expectation]) -> Column:
    """True for a row that broke a `drop` expectation."""
    from pyspark.sql import functions as F

    found = F.lit(False)
    for mask, block in zip(_masks(expectations), blocks(expectations), strict=True):
        wanted = sum(1 << i for i, expectation in enumerate(block) if expectation.action == "drop")
        if wanted:
            found = found | (F.col(mask).bitwiseAND(F.lit(wanted)) != 0)
    return found


def suspects(rows: DataFrame, expectations: Sequence[Expectation], seen: ExpectationCounts) -> DataFrame:
    """The rejected rows, found by the few expectations that all of them are known to break one of."""
    witnesses = [expectations[i] for i in seen.witnesses]
    met = " AND ".join(_met(expectation) for expectation in witnesses)
    # One condition is cheap below a projection, and lets Spark skip files.
    return (rows if len(witnesses) == 1 else barred(rows)).where(f"NOT ({met})")


def broken_names(expectations: Sequence[Expectation]) -> Column:
    """The names of the expectations a row broke, found without its mask: for a few rows, that is less to plan."""
    from pyspark.sql import functions as F

    names = [
        F.when(~F.expr(_met(expectation)), F.lit(expectation.name))
        for expectation in expectations
        if expectation.action != "fail"
    ]
    return F.array_compact(F.array(*names))


def broke(position: int) -> Column:
    """True for a row that broke the expectation at this position."""
    from pyspark.sql import functions as F

    mask = F.col(MASK.format(position // PER_MASK))
    return mask.bitwiseAND(F.lit(1 << position % PER_MASK)) != 0


def _measures(expectations: Sequence[Expectation]) -> list[Column]:
    from pyspark.sql import functions as F

    # As text, because Connect hands over no arrays of an observation. Not by to_json, whose writer Spark shares between
    # the threads that ask for an observation: now and then they get into each other's way, and the run fails.
    masks = list(enumerate(_masks(expectations)))
    histograms = [F.expr(f"string(histogram_numeric(nullif({m}, 0), {BINS}))").alias(f"masks_{i}") for i, m in masks]
    marked = [F.count_if(F.col(m) != 0).alias(f"marked_{i}") for i, m in masks]
    return [*_counts(expectations), *histograms, *marked]


def _counts(expectations: Sequence[Expectation]) -> list[Column]:
    from pyspark.sql import functions as F

    return [F.count(F.lit(1)).alias("judged"), F.count_if(rejected(expectations)).alias("rejected")]


def _masks(expectations: Sequence[Expectation]) -> list[str]:
    return [MASK.format(i) for i in range(len(blocks(expectations)))]


def _mask(block: Sequence[Expectation]) -> str:
    return " | ".join(_bit(expectation, 1 << i) for i, expectation in enumerate(block))


def _bit(expectation: Expectation, bit: int) -> str:
    # Null isn't met: `if` takes it for false. Told so by `coalesce`, the code that the JVM has to compile is longer.
    if expectation.action == "fail":
        # The marker lets the writing step know its own. A row is cut where an error would be too long to be sent.
        row = f"left(to_json(struct(*), map('ignoreNullFields', 'false')), {LONGEST_ROW})"
        return f"if({expectation.condition}, 0L, raise_error(concat('{FAILED} {expectation.name} ', {row})))"
    return f"if({expectation.condition}, 0L, {bit}L)"


def _met(expectation: Expectation) -> str:
    return f"coalesce(({expectation.condition}), false)"
