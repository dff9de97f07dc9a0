"""`refresh`: what it puts together group by group is what computing everything would have given."""

from __future__ import annotations

import re
import sqlite3
import threading
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_assets.engine.errors import DeclarationError
from lakehouse_assets.engine.modes.refresh import refresh
from lakehouse_assets.engine.modes.refresh.small_refresh import planned
from lakehouse_assets.engine.run.verify import verify
from lakehouse_assets_tests.crash import run_and_die
from lakehouse_assets_tests.project import Project, listed

SALES = """
@table(raw="bronze.sales", write=merge(on="id", newest="seq", delete_when="op = 'delete'"),
       columns=[Column("id", "int", key=True), Column("day", "date"), Column("shop", "string"),
                Column("amount", "int"), Column("seq", "int"), Column("op", "string")])
def sales(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "date(day) day", "shop", "int(amount) amount", "int(seq) seq", "op")
"""
SHOPS = """
@table(raw="bronze.shops", write=merge(on="shop", newest="seq"),
       columns=[Column("shop", "string", key=True), Column("region", "string"), Column("seq", "int")])
def shops(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("shop", "region", "int(seq) seq")
"""
# Columns, groups, and a query that means the same in Spark and in SQLite but for what `_in_sqlite` mends.
GOLD = {
    "daily": (
        "day date, n bigint, total bigint, biggest int, mean double, shops bigint", "day",
        "SELECT day, count(*) AS n, sum(amount) AS total, max(amount) AS biggest, avg(amount) AS mean,"
        " count(DISTINCT shop) AS shops FROM sales GROUP BY day",
    ),
    "monthly": (
        "month date, n bigint", "month",
        "SELECT date(date_trunc('MONTH', day)) AS month, count(*) AS n FROM sales GROUP BY 1 HAVING count(*) > 6",
    ),
    "by_region": (
        "day date, region string, total bigint", "day",
        "SELECT s.day, p.region, sum(s.amount) AS total FROM sales s LEFT JOIN shops p ON s.shop = p.shop"
        " GROUP BY 1, 2",
    ),
    "best": (
        "shop string, id int, nth int", "shop",
        "SELECT shop, id, nth FROM (SELECT *, row_number() OVER (PARTITION BY shop ORDER BY amount DESC, id) AS nth"
        " FROM sales) AS ranked WHERE nth <= 2",
    ),
    "known": (
        "shop string, region string, sold bigint", "shop",
        "WITH sold AS (SELECT shop, count(*) AS sold FROM sales GROUP BY shop)"
        " SELECT coalesce(p.shop, s.shop) AS shop, region, sold FROM shops p FULL JOIN sold s ON p.shop = s.shop",
    ),
    "quiet": (
        "shop string", "shop",
        "SELECT p.shop FROM shops p LEFT JOIN sales s ON s.shop = p.shop AND s.amount > 40 WHERE s.id IS NULL",
    ),
    "named": (
        "day date, name string", "day",
        "SELECT DISTINCT day, shop AS name FROM sales UNION ALL SELECT day, op FROM sales WHERE amount > 30",
    ),
    "neighbours": (
        "day date, pairs bigint", "day",
        "SELECT a.day, count(*) AS pairs FROM sales a JOIN sales b ON a.day = b.day AND a.id < b.id GROUP BY a.day",
    ),
}  # fmt: skip


COLUMNS = {"sales": ["id", "day", "shop", "amount", "seq", "op"], "shops": ["shop", "region"]}


def read(sql: str) -> list[str]:
    """The tables that a query reads."""
    return [t for t in COLUMNS if re.search(rf"\b{t}\b", sql.split("FROM", 1)[1])]


def declare(shop: Project, name: str, columns: str, by: str, sql: str, more: str = "") -> None:
    reads = ", ".join(f'{t}="silver.{t}"' for t in read(sql))
    shop.table(
        f"gold.{name}",
        f'{name} = sql_table({reads}, columns=[{listed(columns)}], write=refresh(by="{by}"), sql="""{sql}"""{more})',
    )


@pytest.fixture
def shop(project: Project) -> Project:
    project.bronze("sales")
    project.bronze("shops")
    project.table("silver.sales", SALES)
    project.table("silver.shops", SHOPS)
    return project


def line(number: int, random: Random) -> str:
    """A sale with an id that may be known: some days and shops are null, some names need care in SQL."""
    day = random.choice([f"2024-{random.randrange(1, 13):02}-{random.randrange(1, 4):02}"] * 20 + [""])
    name = random.choice([f"shop {random.randrange(40)}", "it's {0}", ""])
    op = "delete" if random.random() < 0.2 else "upsert"
    return f"{random.randrange(300)},{day},{name},{random.randrange(50)},{number},{op}"


def deliver(shop: Project, number: int, sales: list[str], shops: list[str] | None = None) -> None:
    for table, header, lines in (("sales", "id,day,shop,amount,seq,op", sales), ("shops", "shop,region,seq", shops)):
        if lines is not None:
            shop.land(f"{table}/{number}.csv", "\n".join([header, *lines]) + "\n")
            shop.run(f"bronze.{table}")
            shop.run(f"silver.{table}")


def by_sqlite(shop: Project, sql: str) -> list[tuple[Any, ...]]:
    """The query's answer from another engine."""
    base = sqlite3.connect(":memory:")
    for table in read(sql):
        columns = COLUMNS[table]
        base.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        rows = [
            tuple(str(v) if hasattr(v, "year") else v for v in row) for row in shop.rows(f"silver.{table}", *columns)
        ]
        base.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", rows)
    monthly = sql.replace("date(date_trunc('MONTH', day))", "date(day, 'start of month')")
    return sorted(base.execute(monthly).fetchall(), key=repr)


def stored(shop: Project, name: str) -> list[tuple[Any, ...]]:
    rows = shop.rows(f"gold.{name}")
    return sorted((tuple(str(v) if hasattr(v, "year") else v for v in row) for row in rows), key=repr)


def test_refreshed_tables_equal_another_engine_s_whole_answer_after_each_change(shop: Project) -> None:
    for name, (columns, by, sql) in GOLD.items():
        declare(shop, name, columns, by, sql)
    random, refreshed = Random(1), set()
    for number in range(5):
        known = range(0, 44, 2) if number == 0 else random.sample(range(44), number % 2 * 2)
        shops = [f"shop {k},{random.choice('abc')},{number}" for k in known]
        deliver(shop, number, [line(number * 1000 + i, random) for i in range(4 if number else 250)], shops)
        for name, (_, _, sql) in GOLD.items():
            plan = planned(shop.plan(f"gold.{name}"), shop.lake)
            outcome = shop.run(f"gold.{name}")
            assert stored(shop, name) == by_sqlite(shop, sql), f"{name} after change {number}"
            assert (plan.strategy, plan.groups) == (outcome.plan.strategy, outcome.plan.groups), (
                f"{name}, {plan.reason}"
            )
            refreshed |= {name} if outcome.plan.strategy == "refresh" else set()
    assert refreshed == set(GOLD)


# Why a change of sales makes the whole table be computed, and the query for which it does.
WHOLE = [
    ("an aggregate doesn't group by it", "SELECT max(day) AS day, count(*) AS n FROM sales GROUP BY shop"),
    ("a window isn't partitioned by it", "SELECT day, row_number() OVER (ORDER BY id) AS n FROM sales"),
    ("GlobalLimit looks beyond a group", "SELECT day, id AS n FROM sales ORDER BY id LIMIT 5"),
    ("a subquery reads all of it", "SELECT day, id AS n FROM sales WHERE amount > (SELECT avg(amount) FROM sales)"),
    (
        "a subquery reads all of it",
        "SELECT coalesce(a.day, b.day) AS day, count(*) AS n FROM sales a FULL JOIN sales b"
        " ON a.day = b.day AND a.amount > (SELECT avg(amount) FROM sales) GROUP BY 1",
    ),
    (
        "it's joined by no equality of columns that could be followed",
        "SELECT a.day, count(*) AS n FROM sales a JOIN sales b ON a.day < b.day GROUP BY a.day",
    ),
    (
        "its groups are on the side of a LeftOuter join that may have no row",
        "SELECT s.day, s.id AS n FROM shops p LEFT JOIN sales s ON s.shop = p.shop",
    ),
    ("current_date() gives another answer each time", "SELECT day, datediff(current_date(), day) AS n FROM sales"),
    ("its groups are computed by", "SELECT day + make_interval(0, 1) AS day, count(*) AS n FROM sales GROUP BY 1"),
]


def test_a_query_that_looks_beyond_its_groups_is_computed_whole_and_says_why(shop: Project) -> None:
    reasons = {f"looks_{number}": reason for number, (reason, _) in enumerate(WHOLE)}
    for name, (_, sql) in zip(reasons, WHOLE, strict=True):
        declare(shop, name, "day date, n bigint", "day", sql)
    deliver(shop, 0, [f"{i},2024-01-{i},shop {i},{i},0,upsert" for i in range(10, 20)], ["shop 12,a,0"])
    for name in reasons:
        shop.run(f"gold.{name}")
    deliver(shop, 1, ["12,2024-01-13,shop 12,99,1,upsert"], [])
    for name, reason in reasons.items():
        foreseen, outcome = planned(shop.plan(f"gold.{name}"), shop.lake), shop.run(f"gold.{name}")
        assert (foreseen.strategy, foreseen.reason) == (outcome.plan.strategy, outcome.plan.reason)
        assert outcome.plan.strategy == "full"
        assert outcome.plan.reason.startswith(f"shop.silver.sales changed, and {reason}")


def test_upkeep_of_an_input_that_can_t_be_followed_leaves_a_refresh_what_it_is(shop: Project) -> None:
    sql = "SELECT s.day, count(*) AS n FROM sales s LEFT JOIN shops p ON s.shop > p.shop GROUP BY s.day"
    declare(shop, "beyond", "day date, n bigint", "day", sql)
    deliver(shop, 0, [f"{i},2024-01-{i},b,{i},0,upsert" for i in range(10, 20)], ["a,x,0"])
    shop.run("gold.beyond")
    deliver(shop, 1, ["12,2024-01-12,c,12,1,upsert"], ["a,y,1"])
    shop.run("gold.beyond")
    shop.engine.session().sql(f"OPTIMIZE delta.`{shop.lake.table('shop.silver.shops').path}`")
    deliver(shop, 2, ["12,2024-01-13,a,12,2,upsert"])
    foreseen, outcome = planned(shop.plan("gold.beyond"), shop.lake), shop.run("gold.beyond")
    assert (foreseen.strategy, foreseen.groups) == (outcome.plan.strategy, outcome.plan.groups) == ("refresh", 2)
    assert stored(shop, "beyond") == by_sqlite(shop, sql)


def test_a_refresh_before_which_another_committed_is_planned_anew(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(shop, "daily", *GOLD["daily"])
    deliver(shop, 0, [f"{i},2024-01-{i},a,{i},0,upsert" for i in range(10, 20)])
    shop.run("gold.daily")
    deliver(shop, 1, ["12,2024-01-13,a,70,1,upsert"])
    put = refresh.put

    def another_first(*arguments: Any) -> None:
        monkeypatch.setattr(refresh, "put", put)
        assert shop.run("gold.daily").plan.strategy == "refresh"
        put(*arguments)

    monkeypatch.setattr(refresh, "put", another_first)
    assert shop.run("gold.daily").plan.strategy == "nothing"
    assert stored(shop, "daily") == by_sqlite(shop, GOLD["daily"][2])


def test_most_groups_of_a_small_table_are_put_and_what_reads_a_rebuilt_input_is_computed_whole(shop: Project) -> None:
    declare(shop, "daily", *GOLD["daily"])
    deliver(shop, 0, [f"{i},2024-01-{i},a,{i},0,upsert" for i in range(10, 20)])
    shop.run("gold.daily")
    deliver(shop, 1, [f"{i},2024-01-{i},a,0,1,upsert" for i in range(10, 17)])
    most = shop.run("gold.daily").plan
    assert (most.strategy, most.groups) == ("refresh", 7)
    shop.run("silver.sales", full=True)
    assert shop.run("gold.daily").plan.reason == "shop.silver.sales was rebuilt at version 2"
    assert shop.run("gold.daily").plan.strategy == "nothing"
    assert stored(shop, "daily") == by_sqlite(shop, GOLD["daily"][2])


@pytest.mark.usefixtures("merging")
def test_many_groups_are_merged_as_few_are_put(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond some number of changes or rows, Spark finds the groups and puts them in place."""
    monkeypatch.setattr("lakehouse_assets.engine.modes.refresh.small_refresh.CHANGES", 0)
    random, names = Random(2), ("by_region", "known", "best")
    for name in names:
        declare(shop, name, *GOLD[name])
    deliver(shop, 0, [line(i, random) for i in range(250)], [f"shop {k},a,0" for k in range(0, 40, 2)])
    for name in names:
        shop.run(f"gold.{name}")
    deliver(shop, 1, [line(1000 + i, random) for i in range(4)], ["shop 2,b,1", "shop 3,a,1"])
    for name in names:
        outcome = shop.run(f"gold.{name}")
        assert (outcome.plan.strategy, shop.log(f"gold.{name}").commits[0].operation) == ("refresh", "MERGE")
        assert stored(shop, name) == by_sqlite(shop, GOLD[name][2]), name


def test_rows_rejected_from_a_refreshed_group_are_in_quarantine(shop: Project) -> None:
    declare(shop, "daily", *GOLD["daily"], more=', expect=[drop("total < 100")]')
    deliver(shop, 0, [f"{i},2024-01-{i},a,{i},0,upsert" for i in range(10, 20)])
    shop.run("gold.daily")
    deliver(shop, 1, ["12,2024-01-12,a,500,1,upsert"])
    outcome = shop.run("gold.daily")
    assert (outcome.plan.strategy, outcome.counts.judged, outcome.counts.rejected) == ("refresh", 1, 1)
    assert len(shop.rows("gold.daily")) == 9
    ((row, broken),) = shop.rejected("gold.daily", "row", "broken")
    assert ('"total":500' in row, list(broken)) == (True, ["total_lt_100"])


@pytest.mark.usefixtures("merging")
@pytest.mark.parametrize("changes", [200_000, 0], ids=["put by delta-rs", "merged by Spark"])
def test_readers_see_the_table_before_or_after_and_nothing_else(
    shop: Project, monkeypatch: pytest.MonkeyPatch, changes: int
) -> None:
    monkeypatch.setattr("lakehouse_assets.engine.modes.refresh.small_refresh.CHANGES", changes)
    declare(shop, "daily", *GOLD["daily"])
    deliver(shop, 0, [f"{i},2024-01-{i},a,{i},0,upsert" for i in range(10, 20)])
    shop.run("gold.daily")
    before, seen, stop = stored(shop, "daily"), list[list[tuple[Any, ...]]](), threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.append(stored(shop, "daily"))

    reader = threading.Thread(target=read)
    reader.start()
    deliver(shop, 1, ["12,2024-01-13,a,70,1,upsert", "15,2024-01-13,a,70,1,upsert"])
    assert shop.run("gold.daily").plan.strategy == "refresh"
    stop.set()
    reader.join()
    after = stored(shop, "daily")
    assert after == by_sqlite(shop, GOLD["daily"][2])
    assert before in seen
    assert all(rows in (before, after) for rows in seen)


@pytest.mark.parametrize(
    "where",
    [
        "before modes.refresh.refresh:write",
        "after modes.refresh.refresh:put",
        "after modes.refresh.refresh:write",
        "before quality.quarantine:keep",
    ],
)
def test_a_refresh_killed_at_a_boundary_is_right_after_the_next_run(shop: Project, where: str) -> None:
    declare(shop, "daily", *GOLD["daily"], more=', expect=[drop("total < 100")]')
    deliver(shop, 0, [f"{i},2024-01-{i},a,{i},0,upsert" for i in range(10, 20)])
    shop.run("gold.daily")
    deliver(shop, 1, ["12,2024-01-13,a,70,1,upsert", "15,2024-01-15,a,700,1,upsert"])
    moment, function = where.split(" ")
    assert run_and_die(shop, "gold.daily", f"{moment} lakehouse_assets.engine.{function}") == -9
    deliver(shop, 2, ["16,2024-01-13,a,7,2,upsert"])
    shop.run("gold.daily")
    assert stored(shop, "daily") == [r for r in by_sqlite(shop, GOLD["daily"][2]) if r[2] < 100]
    assert len(shop.rejected("gold.daily")) == 1


def test_a_refresh_by_what_the_table_has_not_is_refused(shop: Project) -> None:
    shop.table("gold.daily", """
        daily = sql_table(sales="silver.sales", columns=[Column("days", "array<date>")],
                          write=refresh(by=["days", "dai"]), sql="SELECT collect_set(day) AS days FROM sales")
    """)  # fmt: skip
    with pytest.raises(DeclarationError) as refused:
        shop.plan("gold.daily")
    assert "refreshes by 'dai', which isn't among its columns" in str(refused.value)
    assert "refreshes by 'days', a array<date>; group by plain values" in str(refused.value)


@pytest.mark.usefixtures("merging")
def test_changes_across_a_new_column_and_days_beyond_the_year_9999_are_followed(shop: Project) -> None:
    """Python has no such days, and delta-rs may not read the changes: then Spark does."""
    declare(shop, "daily", *GOLD["daily"])
    deliver(shop, 0, [f"{i},2024-01-{i},a,{i},0,upsert" for i in range(10, 20)])
    shop.run("gold.daily")
    more = SALES.replace('Column("op", "string")', 'Column("op", "string"), Column("twice", "int")')
    shop.table("silver.sales", more.replace('"op")\n', '"op", "int(amount) * 2 twice")\n'))
    deliver(shop, 1, ["12,+12024-01-12,a,12,1,upsert"])
    assert "twice" in shop.log("silver.sales").columns
    outcome = shop.run("gold.daily")
    assert (outcome.plan.strategy, outcome.plan.groups) == ("refresh", 2)
    stored_days = shop.engine.session().read.format("delta").load(shop.lake.table("shop.gold.daily").path)
    assert sorted(r[0] for r in stored_days.selectExpr("string(day)").collect()) == [
        "+12024-01-12",
        *(f"2024-01-{i}" for i in range(10, 20) if i != 12),
    ]


@pytest.mark.usefixtures("merging")
@pytest.mark.parametrize("kind", ["decimal(38,20)", "double", "binary"])
def test_groups_by_values_that_delta_rs_may_not_compare_as_spark_does_are_right(shop: Project, kind: str) -> None:
    sql = f"SELECT CAST(shop AS {kind}) AS price, count(*) AS n FROM sales GROUP BY 1"
    declare(shop, "priced", f"price {kind}, n bigint", "price", sql)
    prices = ["0.10000000000000000001", "0.1", "-0.0", "0", "", "123456789012345678.5", *map(str, range(1, 30))]
    deliver(shop, 0, [f"{i},2024-01-01,{price},1,0,upsert" for i, price in enumerate(prices)])
    shop.run("gold.priced")
    deliver(shop, 1, ["0,2024-01-01,-0.0,1,1,upsert", "4,2024-01-01,0.1,1,1,upsert"])
    assert shop.run("gold.priced").plan.strategy == "refresh"
    spark = shop.engine.session()
    spark.read.format("delta").load(shop.lake.table("shop.silver.sales").path).createOrReplaceTempView("sales")
    table = spark.read.format("delta").load(shop.lake.table("shop.gold.priced").path)
    assert sorted(map(str, table.collect())) == sorted(map(str, spark.sql(sql).collect()))


@pytest.mark.usefixtures("merging")
def test_a_group_that_comes_out_the_same_is_left_alone(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes: else whatever reads the table would have to compute it anew as well."""
    declare(shop, "daily", *GOLD["daily"])
    deliver(shop, 0, [f"{i},2024-01-{i},a,{i},0,upsert" for i in range(10, 20)])
    shop.run("gold.daily")
    for number, changes in enumerate((200_000, 0), start=1):
        monkeypatch.setattr("lakehouse_assets.engine.modes.refresh.small_refresh.CHANGES", changes)
        deliver(shop, number, [f"12,2024-01-12,b,12,{number},upsert", f"15,2024-01-15,b,{number},{number},upsert"])
        assert shop.run("gold.daily").plan.groups == 2
        feed = shop.log("gold.daily").table.load_cdf(number, number)
        changed = [str(row["day"]) for batch in feed for row in pa.record_batch(batch).to_pylist()]
        assert changed == ["2024-01-15"] * 2  # as it was, and as it is


def test_verify_finds_groups_that_are_stored_otherwise_missing_or_too_many(shop: Project) -> None:
    declare(shop, "daily", *GOLD["daily"])
    deliver(shop, 0, [f"{i},2024-01-{i},a,{i},0,upsert" for i in range(10, 20)])
    shop.run("gold.daily")
    env = shop.context()
    table, path = env.lakehouse.tables["shop.gold.daily"], env.lake.table("shop.gold.daily").path
    assert (verify(table, env).groups, verify(table, env).differing) == (10, [])
    for change in ("UPDATE {} SET total = 0 WHERE day = '2024-01-12'", "DELETE FROM {} WHERE day = '2024-01-13'",
                   "INSERT INTO {} VALUES (date'2020-01-01', 1, 1, 1, 1.0, 1)"):  # fmt: skip
        env.session().sql(change.format(f"delta.`{path}`"))
    found = verify(table, env)
    assert sorted(str(group["day"]) for group in found.differing) == ["2020-01-01", "2024-01-12", "2024-01-13"]
    assert found.groups == 11
