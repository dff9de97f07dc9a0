"""What a run saw of its rows, worked out from the histogram of their verdicts (see judge.py)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse_assets.engine.spec.expectations import Expectation

# A histogram's values are doubles in Spark, which hold whole numbers up to 2^53 exactly.
PER_MASK = 52
# Below this number of bins the histogram is exact: Spark joins bins only when there would be more.
BINS = 20_000
_BIN = re.compile(r"\{(\d+), ([^}]+)\}")


@dataclass(frozen=True)
class ExpectationCounts:
    """How a run's rows did: how many were judged, how many rejected, and by expectation how many broke it.

    Each rejected row broke at least one of the `witnesses`, the positions of a few `drop` expectations.
    """

    judged: int = 0
    rejected: int = 0
    by_expectation: tuple[tuple[str, int], ...] = ()
    witnesses: tuple[int, ...] = ()


def summed(counts: Sequence[ExpectationCounts]) -> ExpectationCounts:
    """Those of several batches."""
    by_expectation = sum((Counter(dict(one.by_expectation)) for one in counts), Counter[str]())
    names = dict.fromkeys(name for one in counts for name, _ in one.by_expectation)
    judged, rejected = sum(one.judged for one in counts), sum(one.rejected for one in counts)
    return ExpectationCounts(judged, rejected, tuple((name, by_expectation[name]) for name in names))


def from_histograms(row: Mapping[str, Any], expectations: Sequence[Expectation]) -> ExpectationCounts | None:
    """The counts told by the columns `judged`, `rejected`, and for each mask its histogram and number of rows.

    None if a histogram is full, or doesn't tell of all those rows: where two threads of Spark read one observation, it
    may come out empty (seen once in some thousand runs, on a busy machine).
    """
    masks = list[Counter[int]]()
    for number in range(len(blocks(expectations))):
        bins = _BIN.findall(row[f"masks_{number}"] or "")
        if len(bins) >= BINS:
            return None
        counted = Counter[int]()
        for mask, rows in bins:  # a value has a bin for each partition it was seen in
            counted[int(mask)] += round(float(rows))
        if counted.total() != row[f"marked_{number}"]:
            return None
        masks.append(counted)
    by_expectation = tuple(
        (expectation.name, _broken(masks, i))
        for i, expectation in enumerate(expectations)
        if expectation.action != "fail"
    )
    return ExpectationCounts(row["judged"], row["rejected"], by_expectation, _witnesses(masks, expectations))


def from_counts(row: Mapping[str, Any], expectations: Sequence[Expectation]) -> ExpectationCounts:
    """The counts told by the columns `judged`, `rejected`, and `r0`, `r1` … for the expectations."""
    counted = [
        (i, expectation, row[f"r{i}"]) for i, expectation in enumerate(expectations) if expectation.action != "fail"
    ]
    witnesses = tuple(i for i, expectation, rows in counted if rows and expectation.action == "drop")
    return ExpectationCounts(row["judged"], row["rejected"], tuple((r.name, rows) for _, r, rows in counted), witnesses)


def blocks(expectations: Sequence[Expectation]) -> list[Sequence[Expectation]]:
    """The expectations by mask."""
    return [expectations[i : i + PER_MASK] for i in range(0, len(expectations), PER_MASK)]


def _broken(masks: Sequence[Counter[int]], position: int) -> int:
    block, bit = divmod(position, PER_MASK)
    return sum(rows for mask, rows in masks[block].items() if mask >> bit & 1)


def _witnesses(masks: Sequence[Counter[int]], expectations: Sequence[Expectation]) -> tuple[int, ...]:
    """Of the `drop` expectations, a few that hit every mask with a drop bit, those first that hit most."""
    drops = [i for i, expectation in enumerate(expectations) if expectation.action == "drop"]
    left = {
        (block, mask)
        for block, counted in enumerate(masks)
        for mask in counted
        if any(mask >> i % PER_MASK & 1 for i in drops if i // PER_MASK == block)
    }
    chosen: list[int] = []
    while left:
        hits = {i: {(b, m) for b, m in left if b == i // PER_MASK and m >> i % PER_MASK & 1} for i in drops}
        best = max(drops, key=lambda i: len(hits[i]))
        chosen.append(best)
        left -= hits[best]
    return tuple(sorted(chosen))
