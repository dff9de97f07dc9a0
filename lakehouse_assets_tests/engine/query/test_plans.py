"""What is read off Spark's plans, case by case, without Spark: lineage, and which groups a change touches."""

from __future__ import annotations

import pytest

from lakehouse_assets.engine.query.column_lineage import column_lineage
from lakehouse_assets.engine.query.query_plan import if_understood, parse
from lakehouse_assets_tests.engine.query.plan_cases import PlanCase, cases

CASES = cases()
OUTER = """== Analyzed Logical Plan ==
shop: string
Project [shop#1]
+- Filter exists#2 [shop#1]
   :  +- Project [1 AS one#4, outer(shop#1)]
   :     +- OneRowRelation
   +- SubqueryAlias k
      +- Relation [shop#1] parquet
"""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_column_comes_from_the_columns_that_its_query_makes_it_of(case: PlanCase) -> None:
    assert if_understood(lambda: column_lineage(case.plan, case.keys)) == case.lineage


def test_a_column_of_the_query_around_a_subquery_is_a_column() -> None:
    tree = parse(OUTER)
    assert column_lineage(tree, ["k"]) == {"shop": [("k", "shop")]}


@pytest.mark.parametrize(
    ("case", "by"), [pytest.param(c, by, id=f"{c.name} by {' and '.join(by)}") for c in CASES for by in c.routes]
)
def test_changed_rows_lead_to_all_groups_that_they_are_part_of(case: PlanCase, by: tuple[str, ...]) -> None:
    assert case.found(by) == case.routes[by]
