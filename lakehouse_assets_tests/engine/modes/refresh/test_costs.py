"""Refresh or rebuild: the engine takes whichever is faster, by what was measured."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse_assets.engine.modes.refresh.costs import MERGED, PUT, Cost, Size, rebuild_instead
from lakehouse_assets.engine.modes.refresh.small_refresh import planned
from lakehouse_assets.engine.run.update import execute
from lakehouse_assets_tests.project import Project, listed

# Seconds of a refresh and of a rebuild, by rows that are read, rows of the table, rows and groups touched. They were
# forced in turns on a warm engine with two cores on November 28, 2026, as by `benchmarks/measured/costs.py`.
MEASURED = [
    (Size(2_000, 200, 160, 160), PUT, 0.55, 1.04),
    (Size(2_000, 2_000, 4, 1), PUT, 0.52, 1.13),
    (Size(2_000, 2_000, 2_000, 500), PUT, 0.63, 1.13),
    (Size(150_000, 500, 1, 1), PUT, 0.72, 1.40),
    (Size(150_000, 500, 500, 500), PUT, 0.82, 1.40),
    (Size(150_000, 150_000, 8, 1), PUT, 0.76, 1.92),
    (Size(150_000, 150_000, 1_200, 160), PUT, 0.87, 1.92),
    (Size(150_000, 150_000, 11_250, 1_500), PUT, 1.09, 1.92),
    (Size(150_000, 150_000, 45_000, 6_000), PUT, 1.87, 1.92),
    (Size(150_000, 150_000, 150_000, 20_000), PUT, 4.40, 1.92),
    (Size(3_000_000, 500, 1, 1), PUT, 0.73, 1.56),
    (Size(3_000_000, 500, 160, 160), PUT, 0.87, 1.56),
    (Size(3_000_000, 20_000, 1_500, 1_500), PUT, 1.09, 1.56),
    (Size(3_000_000, 20_000, 6_000, 6_000), PUT, 1.60, 1.56),
    (Size(3_000_000, 3_000_000, 150, 1), PUT, 1.01, 6.67),
    (Size(3_000_000, 3_000_000, 24_000, 160), PUT, 1.53, 6.67),
    (Size(3_000_000, 3_000_000, 150_000, 1_000), PUT, 1.83, 6.67),
    (Size(2_000, 200, 160, 160), MERGED, 2.81, 1.04),
    (Size(150_000, 150_000, 8, 1), MERGED, 4.60, 1.92),
    (Size(150_000, 150_000, 11_250, 1_500), MERGED, 5.04, 1.92),
    (Size(3_000_000, 20_000, 1_500, 1_500), MERGED, 4.56, 1.56),
    (Size(3_000_000, 3_000_000, 150, 1), MERGED, 8.92, 6.67),
    (Size(3_000_000, 3_000_000, 150_000, 1_000), MERGED, 11.1, 6.67),
    (Size(3_000_000, 3_000_000, 900_000, 6_000), MERGED, 16.7, 6.67),
]


@pytest.mark.parametrize(("size", "way", "refreshed", "rebuilt"), MEASURED)
def test_the_way_that_is_taken_is_at_most_a_fifth_slower_than_the_other(
    size: Size, way: Cost, refreshed: float, rebuilt: float
) -> None:
    taken = rebuilt if rebuild_instead(size, way) else refreshed
    assert taken <= 1.2 * min(refreshed, rebuilt)


@pytest.mark.parametrize("way", [PUT, MERGED])
def test_a_few_groups_of_a_very_large_table_are_refreshed(way: Cost) -> None:
    assert rebuild_instead(Size(100_000_000, 100_000_000, 100_000, 20), way) is None


# By what sales are counted: items; prices, which delta-rs can't group by; pairs of which it can't be told many.
GROUPED = {"item": "item int", "price": "price double", "pair": "item int, code int"}


@pytest.fixture
def shop(project: Project) -> Project:
    """Sales that others write, and how many there are in each group."""
    project.external("silver.sales", str(project.root / "sales"))
    for name, columns in GROUPED.items():
        by = [column.split()[0] for column in columns.split(", ")]
        sql = f"SELECT {', '.join(by)}, count(*) AS n FROM sales GROUP BY ALL"
        declared = (
            f'sales="silver.sales", columns=[{listed(f"{columns}, n bigint")}], write=refresh(by={by}), sql="{sql}"'
        )
        project.table(f"gold.by_{name}", f"by_{name} = sql_table({declared})")
    return project


def sell(shop: Project, items: Iterable[int]) -> None:
    rows = pa.table({"item": pa.array(items, pa.int32())})
    rows = rows.append_column("price", rows["item"].cast("double")).append_column("code", rows["item"])
    feed = {"delta.enableChangeDataFeed": "true"}
    write_deltalake(shop.lake.table("shop.silver.sales").path, rows, mode="append", configuration=feed)


def test_few_of_many_groups_are_refreshed_and_most_of_them_are_rebuilt(shop: Project) -> None:
    sell(shop, [item for item in range(9_000) for _ in range(10)])
    shop.run("gold.by_item")
    sell(shop, range(20))
    few = shop.run("gold.by_item").plan
    assert (few.strategy, few.groups) == ("refresh", 20)
    sell(shop, range(8_000))
    foreseen, most = planned(shop.plan("gold.by_item"), shop.lake), shop.run("gold.by_item").plan
    assert (most.strategy, most.reason) == (foreseen.strategy, foreseen.reason)
    assert most.strategy == "full"
    assert most.reason.startswith(
        "8,000 of 9,000 rows are in the 8,000 groups touched, and computing all from the 98,020 of shop.silver.sales"
        " is faster (about 1.3 s, not "
    )
    assert dict(shop.rows("gold.by_item")) == {item: 10 + (item < 20) + (item < 8_000) for item in range(9_000)}


def test_a_small_table_is_rebuilt_where_only_spark_can_find_its_groups(shop: Project) -> None:
    sell(shop, range(10))
    shop.run("gold.by_price")
    sell(shop, [3])
    foreseen, plan = planned(shop.plan("gold.by_price"), shop.lake), shop.run("gold.by_price").plan
    assert (plan.strategy, plan.reason) == (foreseen.strategy, foreseen.reason)
    assert plan.strategy == "full"
    assert plan.reason.startswith(
        "computing all 10 rows from the 11 of shop.silver.sales is faster than merging groups by Spark (about 1.3 s, "
    )
    assert shop.rows("gold.by_price") == [(float(item), 2 if item == 3 else 1) for item in range(10)]


def test_pairs_of_which_each_has_values_of_its_own_are_left_to_spark_where_they_are_many(shop: Project) -> None:
    sell(shop, range(300))
    shop.run("gold.by_pair")
    sell(shop, range(200))
    plan = planned(shop.plan("gold.by_pair"), shop.lake)
    assert (plan.strategy, plan.groups) == ("refresh", 200)
    sell(shop, [200])
    plan = planned(shop.plan("gold.by_pair"), shop.lake)
    assert plan.reason.startswith("computing all 300 rows from the 501 of shop.silver.sales is faster than merging")


def test_what_was_put_in_place_without_a_row_touches_no_group(shop: Project) -> None:
    sell(shop, range(10))
    shop.run("gold.by_item")
    sales = shop.log("silver.sales").table
    write_deltalake(sales, sales.to_pyarrow_table().slice(0, 0), mode="overwrite", predicate="item = -1")
    plan = planned(shop.plan("gold.by_item"), shop.lake)
    assert (plan.strategy, plan.groups) == ("refresh", 0)


def test_a_refresh_that_is_bound_is_none_the_less_one(shop: Project) -> None:
    sell(shop, range(10))
    shop.run("gold.by_price")
    sell(shop, [3])
    done = execute(shop.plan("gold.by_price"), shop.context(), bound=True)
    assert (done.plan.strategy, done.plan.groups) == ("refresh", 1)
    assert shop.rows("gold.by_price") == [(float(item), 2 if item == 3 else 1) for item in range(10)]
