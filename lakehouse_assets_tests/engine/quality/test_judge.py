"""Row rules: however many there are and whatever they find, each row's verdict is the one Python comes to."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_assets.engine.quality import expectation_counts, judge, quarantine
from lakehouse_assets.engine.quality.expectation_counts import from_histograms
from lakehouse_assets.engine.spec.expectations import Expectation
from lakehouse_assets_tests.project import Project

NUMBERS = range(1, 2001)
# A number is rejected if it's divisible by one of the odd numbers from 3 to 119, and reported for the even ones.
DIVISORS = range(2, 121)
SILVER = """
@table(raw="bronze.numbers", columns=[Column("n", "int")],
       expect=[(drop if d % 2 else warn)(f"n % {d} <> 0", name=f"not_by_{d}") for d in range(2, 121)])
def numbers(raw: DataFrame) -> DataFrame:
    return raw.select(F.col("n").cast("int").alias("n"))
"""


def broken(n: int) -> list[str]:
    return [f"not_by_{d}" for d in DIVISORS if n % d == 0]


@pytest.fixture
def counted(project: Project) -> Project:
    project.bronze("numbers")
    project.table("silver.numbers", SILVER)
    project.land("numbers/1.csv", "n\n" + "\n".join(map(str, NUMBERS)))
    project.run("bronze.numbers")
    return project


@pytest.mark.parametrize("way", ["told by histograms", "with more verdicts than a histogram holds"])
@pytest.mark.parametrize("few", [10_000, 10])
def test_every_broken_rule_of_119_is_counted_and_named(counted, monkeypatch, way, few):
    if "more" in way:
        monkeypatch.setattr(expectation_counts, "BINS", 5)
        monkeypatch.setattr(judge, "BINS", 5)
    monkeypatch.setattr(quarantine, "FEW", few)
    outcome = counted.run("silver.numbers")
    dropped = [n for n in NUMBERS if any(n % d == 0 for d in DIVISORS if d % 2)]
    assert dict(outcome.counts.by_expectation) == {f"not_by_{d}": sum(n % d == 0 for n in NUMBERS) for d in DIVISORS}
    assert [n for (n,) in sorted(counted.rows("silver.numbers"))] == sorted(set(NUMBERS) - set(dropped))
    found = {row: list(names) for row, names in counted.rejected("silver.numbers", "row", "broken")}
    assert found == {f'{{"n":{n}}}': broken(n) for n in dropped}


RULES = [Expectation(f"rule_{i}", "true", "drop" if i % 3 else "warn") for i in range(120)]


@given(st.lists(st.sets(st.integers(0, 119), max_size=4), max_size=30))
def test_each_rejected_row_breaks_one_of_the_witnesses(rows: list[set[int]]) -> None:
    histograms = {f"masks_{block}": Counter[int]() for block in range(3)}
    for row in rows:
        for block in range(3):
            mask = sum(1 << i - 52 * block for i in row if i // 52 == block)
            histograms[f"masks_{block}"].update([mask] if mask else [])
    told = {name: "[" + ", ".join(f"{{{m}, {float(n)}}}" for m, n in h.items()) + "]" for name, h in histograms.items()}
    marked = {f"marked_{block}": histograms[f"masks_{block}"].total() for block in range(3)}
    found = from_histograms({"judged": len(rows), "rejected": 0, **told, **marked}, RULES)
    assert found is not None
    drops = [{i for i in row if RULES[i].action == "drop"} for row in rows]
    assert all(row & set(found.witnesses) for row in drops if row)
    assert dict(found.by_expectation) == {f"rule_{i}": sum(i in row for row in rows) for i in range(120)}


@pytest.mark.parametrize("lost", [None, "[]", "[{2, 1.0}]"])
def test_a_histogram_that_does_not_tell_of_all_rows_is_not_believed(lost: str | None) -> None:
    told = {"judged": 9, "rejected": 3, "masks_0": lost, "marked_0": 3}
    assert from_histograms(told, RULES[:3]) is None
    found = from_histograms({**told, "masks_0": "[{2, 3.0}]"}, RULES[:3])
    assert found is not None
    assert dict(found.by_expectation) == {"rule_0": 0, "rule_1": 3, "rule_2": 0}
