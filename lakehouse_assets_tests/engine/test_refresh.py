"""`refresh`: what it puts together group by group is what computing everything would have given."""

from __future__ import annotations

import re
import sqlite3
import threading
from random import Random
from typing import Any

import pytest

from lakehouse_assets.engine.errors import DeclarationError
from lakehouse_assets.engine.run.touched import planned
from lakehouse_assets_tests.crash import run_and_die
from lakehouse_assets_tests.project import Project

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


def declare(shop: Project, name: str, columns: str, by: str, sql: str, more: str = "") -> None:
    reads = ", ".join(
        f'{t}="silver.{t}"' for t in ("sales", "shops") if re.search(rf"\b{t}\b", sql.split("FROM", 1)[1])
    )
    listed = ", ".join(f"Column('{c.split()[0]}', '{c.split()[1]}')" for c in columns.split(", "))
    shop.table(
        f"gold.{name}",
        f'{name} = sql_table({reads}, columns=[{listed}], write=refresh(by="{by}"), sql="""{sql}"""{more})',
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


def deliver(shop: Project, number: int, sales: list[str], shops: list[str]) -> None:
    shop.land(f"sales/{number}.csv", "\n".join(["id,day,shop,amount,seq,op", *sales]) + "\n")
    shop.land(f"shops/{number}.csv", "\n".join(["shop,region,seq", *shops]) + "\n")
    for table in ("bronze.sales", "bronze.shops", "silver.sales", "silver.shops"):
        shop.run(table)


def by_sqlite(shop: Project, sql: str) -> list[tuple[Any, ...]]:
    """The query's answer from another engine."""
    base = sqlite3.connect(":memory:")
    for table, columns in (("sales", ["id", "day", "shop", "amount", "seq", "op"]), ("shops", ["shop", "region"])):
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
            assert (plan.way, plan.groups) == (outcome.plan.way, outcome.plan.groups), f"{name}, {plan.reason}"
            refreshed |= {name} if outcome.plan.way == "refresh" else set()
    assert refreshed == set(GOLD)
