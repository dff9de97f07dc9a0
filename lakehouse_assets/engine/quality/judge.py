"""Step 3: judges every row by every rule in the pass that writes it.

A row's verdict is a bitmask, one bit a rule. The pass observes how many rows there are, how many are rejected, and a
histogram of the masks of rows that broke a rule: from it follows, without another look at the rows, how many broke
which. Measured on 3 million rows with 30 rules, a counter per rule in the writing pass costs 10 s; the histogram,
which skips rows that broke none, costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse_assets.engine.quality.rule_counts import (
    BINS,
    RULES_PER_MASK,
    Verdicts,
    blocks,
    from_counts,
    from_histograms,
)
from lakehouse_assets.engine.spark_errors.broken_rule import FAILED
from lakehouse_assets.engine.spec.table import Expectation
from lakehouse_assets.engine.spec.texts import RAW

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Observation

LONGEST_ROW = 100_000
MASK = "__broken_{}"


def judge(df: DataFrame, rules: Sequence[Expectation]) -> DataFrame:
    """The rows with their verdicts in mask columns. A row that breaks a `fail` rule ends the job that meets it."""
    from pyspark.sql import functions as F

    masks = [F.expr(_mask(block)).alias(MASK.format(i)) for i, block in enumerate(blocks(rules))]
    return df.select("*", *masks)


def observed(judged: DataFrame, rules: Sequence[Expectation], observation: Observation) -> DataFrame:
    """The rows, counted as they pass."""
    return judged.observe(observation, *_measures(rules))


def seen(observation: Observation, rows: DataFrame, rules: Sequence[Expectation]) -> Verdicts:
    """What the writing pass observed. Connect's server waits 100 ms for it after the job, then answers without:
    on a busy machine the rows have to be judged once more to know.
    """
    found = observation.get
    return (from_histograms(found, rules) if found else None) or tally(rows, rules)


def tally(rows: DataFrame, rules: Sequence[Expectation]) -> Verdicts:
    """The same by a job of its own, exact however many different verdicts there are."""
    from pyspark.sql import functions as F

    counts = [F.count_if(broke(i)).alias(f"r{i}") for i, rule in enumerate(rules) if rule.action != "fail"]
    row = barred(judge(rows, rules)).agg(*_counts(rules), *counts).first()
    assert row is not None  # noqa: S101  (an aggregate without groups has one row)
    return from_counts(row.asDict(), rules)


def try_out(df: DataFrame, rules: Sequence[Expectation]) -> None:
    """Compute all of the rows and their verdicts, and write nothing: it ends at what can't be computed, or a `fail`."""
    judge(df, rules).write.format("noop").mode("overwrite").save()


def barred(df: DataFrame) -> DataFrame:
    """The same rows; Spark doesn't move what comes after below what was before.

    A filter that is moved below a projection has its expressions inlined, and computed once more for each time they
    are used (measured on deduplicated flights with 14 rules: 50 s instead of 2). An observation is in its way.
    """
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    return df.observe(Observation(), F.count(F.lit(1)).alias("rows"))


def accepted(judged: DataFrame, rules: Sequence[Expectation]) -> DataFrame:
    """The rows that broke no `drop` rule, without their verdicts and the texts that they came as."""
    return judged.where(~rejected(rules)).drop(*_masks(rules), RAW)


def rejected(rules: Sequence[Expectation]) -> Column:
    """True for a row that broke a `drop` rule."""
    from pyspark.sql import functions as F

    found = F.lit(False)
    for mask, block in zip(_masks(rules), blocks(rules), strict=True):
        wanted = sum(1 << i for i, rule in enumerate(block) if rule.action == "drop")
        if wanted:
            found = found | (F.col(mask).bitwiseAND(F.lit(wanted)) != 0)
    return found


def suspects(rows: DataFrame, rules: Sequence[Expectation], seen: Verdicts) -> DataFrame:
    """The rejected rows, found by the few rules that all of them are known to break one of."""
    witnesses = [rules[i] for i in seen.witnesses]
    met = " AND ".join(_met(rule) for rule in witnesses)
    # One condition is cheap below a projection, and lets Spark skip files.
    return (rows if len(witnesses) == 1 else barred(rows)).where(f"NOT ({met})")


def broken_names(rules: Sequence[Expectation]) -> Column:
    """The names of the rules a row broke, found without its mask: for a few rows, that is less to plan."""
    from pyspark.sql import functions as F

    names = [F.when(~F.expr(_met(rule)), F.lit(rule.name)) for rule in rules if rule.action != "fail"]
    return F.array_compact(F.array(*names))


def broke(position: int) -> Column:
    """True for a row that broke the rule at this position."""
    from pyspark.sql import functions as F

    mask = F.col(MASK.format(position // RULES_PER_MASK))
    return mask.bitwiseAND(F.lit(1 << position % RULES_PER_MASK)) != 0


def _measures(rules: Sequence[Expectation]) -> list[Column]:
    from pyspark.sql import functions as F

    # As text, because Connect hands over no arrays of an observation. Not by to_json, whose writer Spark shares between
    # the threads that ask for an observation: now and then they get into each other's way, and the run fails.
    masks = list(enumerate(_masks(rules)))
    histograms = [F.expr(f"string(histogram_numeric(nullif({m}, 0), {BINS}))").alias(f"masks_{i}") for i, m in masks]
    marked = [F.count_if(F.col(m) != 0).alias(f"marked_{i}") for i, m in masks]
    return [*_counts(rules), *histograms, *marked]


def _counts(rules: Sequence[Expectation]) -> list[Column]:
    from pyspark.sql import functions as F

    return [F.count(F.lit(1)).alias("judged"), F.count_if(rejected(rules)).alias("rejected")]


def _masks(rules: Sequence[Expectation]) -> list[str]:
    return [MASK.format(i) for i in range(len(blocks(rules)))]


def _mask(block: Sequence[Expectation]) -> str:
    return " | ".join(_bit(rule, 1 << i) for i, rule in enumerate(block))


def _bit(rule: Expectation, bit: int) -> str:
    # Null isn't met: `if` takes it for false. Told so by `coalesce`, the code that the JVM has to compile is longer.
    if rule.action == "fail":
        # The marker lets the writing step know its own. A row is cut where an error would be too long to be sent.
        row = f"left(to_json(struct(*), map('ignoreNullFields', 'false')), {LONGEST_ROW})"
        return f"if({rule.condition}, 0L, raise_error(concat('{FAILED} {rule.name} ', {row})))"
    return f"if({rule.condition}, 0L, {bit}L)"


def _met(rule: Expectation) -> str:
    return f"coalesce(({rule.condition}), false)"
