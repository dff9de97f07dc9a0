"""Refreshed groups in situations from public reports, in which what was stored stayed wrong or every run failed."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from deltalake.exceptions import DeltaError

from lakehouse_assets_tests.project import Project, listed

OTHERS = range(100, 130)


def sales(shop: Project, columns: str) -> None:
    """Bronze and silver sales: of several records of an id the one with the greatest `seq` counts."""
    shop.bronze("sales")
    typed = ", ".join("'try_cast({} AS {}) AS {}'".format(*c.split(), c.split()[0]) for c in columns.split(", "))
    shop.table(
        "silver.sales",
        f"""
        @table(raw="bronze.sales", write=merge(on="id", newest="seq"),
               columns=[Column("id", "int", key=True), Column("seq", "int"), {listed(columns)}])
        def sales(raw: DataFrame) -> DataFrame:
            return raw.selectExpr("int(id) id", "int(seq) seq", {typed})
        """,
    )


def gold(shop: Project, columns: str, by: str, sql: str) -> None:
    shop.table(
        "gold.g",
        f'g = sql_table(sales="silver.sales", columns=[{listed(columns)}], write=refresh(by="{by}"), sql="""{sql}""")',
    )


def deliver(shop: Project, number: int, header: str, *lines: str) -> None:
    shop.land(f"sales/{number}.csv", "\n".join([header, *lines]) + "\n")
    for name in ("bronze.sales", "silver.sales"):
        shop.run(name)


@pytest.mark.usefixtures("merging")
@pytest.mark.parametrize("changes", [200_000, 0], ids=["by delta-rs", "by Spark"])
def test_a_group_with_the_same_rows_in_other_numbers_is_put_in_place(
    project: Project, monkeypatch: pytest.MonkeyPatch, changes: int
) -> None:
    monkeypatch.setattr("lakehouse_assets.engine.modes.refresh.small_refresh.CHANGES", changes)
    sales(project, "day date, shop string")
    gold(project, "day date, shop string", "day", "SELECT day, shop FROM sales")
    lines = [f"{n},1,2020-01-{n - 99:02},s{n % 9}" for n in OTHERS]
    deliver(project, 1, "id,seq,day,shop", "1,1,2024-01-01,x", "2,1,2024-01-01,x", "3,1,2024-01-01,y", *lines)
    project.run("gold.g")
    deliver(project, 2, "id,seq,day,shop", "1,2,2024-01-01,y")
    first = date(2024, 1, 1)
    assert project.run("gold.g").plan.strategy == "refresh"
    assert [row for row in project.rows("gold.g") if row[0] == first] == [(first, "x"), (first, "y"), (first, "y")]


def test_a_table_that_delta_rs_cannot_write_is_refreshed_by_spark(project: Project) -> None:
    sales(project, "day date, amount int")
    gold(project, "day date, total bigint", "day", "SELECT day, sum(amount) AS total FROM sales GROUP BY day")
    deliver(project, 1, "id,seq,day,amount", "1,1,2024-01-01,5", *(f"{n},1,2020-01-{n - 99:02},1" for n in OTHERS))
    project.run("gold.g")
    path = f"delta.`{project.lake.table('shop.gold.g').path}`"
    feature = "SET TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')"
    project.engine.session().sql(f"ALTER TABLE {path} {feature}").collect()
    with pytest.raises(DeltaError, match="Unsupported table features"):
        project.log("gold.g").table.delete("total = -1")
    deliver(project, 2, "id,seq,day,amount", "1,2,2024-01-01,7")
    outcome = project.run("gold.g")
    assert (outcome.plan.strategy, outcome.plan.groups) == ("refresh", 1)
    assert project.log("gold.g").commits[0].operation == "MERGE"
    assert (date(2024, 1, 1), 7) in project.rows("gold.g")
    assert len(project.rows("gold.g")) == len(OTHERS) + 1


# By the name of a column: its type and that of what it's grouped into, the grouping, a value as it's written, its
# group, and how the values of others are written.
GROUPINGS = {
    "seconds": ("int", "date", "date(timestamp(seconds))", "1700000000", date(2023, 11, 14), "15{}00000"),
    "part": ("double", "date", "date(timestamp(part))", "1700000000.5", date(2023, 11, 14), "15{}00000"),
    "exact": ("decimal(12,1)", "date", "date(timestamp(exact))", "1700000000.5", date(2023, 11, 14), "15{}00000"),
    "big": ("bigint", "date", "date(timestamp(big))", "1700000000", date(2023, 11, 14), "15{}00000"),
    "year": ("string", "date", "try_cast(year AS date)", "2024", date(2024, 1, 1), "20{}-01-05"),
    "blank": ("string", "date", "try_cast(blank AS date)", "2024-01-05 ", date(2024, 1, 5), "20{}-01-05"),
    "last": ("date", "date", "date(date_trunc('MONTH', last))", "9999-12-31", date(9999, 12, 1), "20{}-01-05"),
    "first": ("date", "date", "date(date_trunc('QUARTER', first))", "0001-05-01", date(1, 4, 1), "20{}-01-05"),
    "hour": ("timestamp", "timestamp", "date_trunc('HOUR', hour)", "9999-12-31 23:59:59",
             datetime(9999, 12, 31, 23), "20{}-01-05 10:00:00"),
    "week": ("timestamp", "date", "date(date_trunc('WEEK', week))", "1677-01-01 10:00:00",
             date(1676, 12, 28), "20{}-01-05 10:00:00"),
    "zero": ("double", "double", "zero", "-0.0", 0.0, "15{}00000"),
}  # fmt: skip


@pytest.mark.usefixtures("merging")
def test_a_sale_changes_the_total_of_its_group_whatever_the_group_is_computed_from(project: Project) -> None:
    sales(project, f"{', '.join(f'{name} {g[0]}' for name, g in GROUPINGS.items())}, amount int")
    for name, (_, grouped, by, *_) in GROUPINGS.items():
        sql = f"SELECT {by} AS g, sum(amount) AS total FROM sales GROUP BY 1"
        declared = f'columns=[{listed(f"g {grouped}, total bigint")}], write=refresh(by="g"), sql="""{sql}"""'
        project.table(f"gold.{name}", f'{name} = sql_table(sales="silver.sales", {declared})')
    values, header = [g[3] for g in GROUPINGS.values()], f"id,seq,{','.join(GROUPINGS)},amount"
    others = [f"{n},1,{','.join(g[5].format(n - 90) for g in GROUPINGS.values())},1" for n in OTHERS]
    deliver(project, 1, header, f"1,1,{','.join(values)},1", f"2,1,{','.join(values)},2", *others)
    before = {name: totals(project, name) for name in GROUPINGS if project.run(f"gold.{name}")}
    deliver(project, 2, header, f"1,2,{','.join(values)},1001")
    for name, (*_, group, _) in GROUPINGS.items():
        assert project.run(f"gold.{name}").plan.strategy == "refresh", name
        assert totals(project, name) == before[name] | {group: before[name][group] + 1000}, name


def totals(shop: Project, name: str) -> dict[Any, int]:
    """By Arrow, as pandas has no times beyond the year 2262."""
    rows = shop.log(f"gold.{name}").table.to_pyarrow_table().to_pylist()
    return {v.replace(tzinfo=None) if isinstance(v := row["g"], datetime) else v: row["total"] for row in rows}


def test_a_plan_that_isn_t_understood_costs_lineage_and_a_whole_refresh(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales(project, "day date, amount int")
    gold(project, "day date, n bigint", "day", "SELECT day, count(*) AS n FROM sales GROUP BY day")
    deliver(project, 1, "id,seq,day,amount", *(f"{n},1,2020-01-{n - 99:02},1" for n in OTHERS))
    # Another Spark's words, and what an engine says that isn't told to write out all of a list.
    explained = ["== Physical Plan ==\nx", "== Analyzed Logical Plan ==\n?\nAggregate [day#1, ... 25 more fields]\n"]
    for number, text in enumerate(explained, 2):
        monkeypatch.setattr("pyspark.sql.connect.dataframe.DataFrame._explain_string", lambda *_, t=text, **__: t)
        project.run("gold.g", full=True)
        deliver(project, number, "id,seq,day,amount", f"100,{number},2020-01-0{number},1")
        outcome = project.run("gold.g")
        assert (outcome.plan.strategy, outcome.lineage) == ("full", {})
        assert "the plan of its query isn't understood" in outcome.plan.reason
    assert sum(row[1] for row in project.rows("gold.g")) == len(OTHERS)


def test_a_merge_that_changes_no_row_is_no_news(project: Project) -> None:
    sales(project, "day date, amount int")
    gold(project, "day date, n bigint", "day", "SELECT day, count(*) AS n FROM sales GROUP BY day")
    project.table("silver.seen", """
        @table(raw="silver.sales", write=merge(on="id"), columns=[Column("id", "int", key=True)])
        def seen(raw: DataFrame) -> DataFrame:
            return raw.select("id")
    """)  # fmt: skip
    deliver(project, 1, "id,seq,day,amount", *(f"{n},5,2020-01-{n - 99:02},1" for n in OTHERS))
    for name in ("gold.g", "silver.seen"):
        project.run(name)
    before = project.log("silver.sales").version
    deliver(project, 2, "id,seq,day,amount", "100,1,2020-01-01,1", "101,2,2020-01-02,9")
    (commit,) = project.log("silver.sales").since(before) or []
    assert (commit.rows, commit.changes_data) == (0, False)
    for name in ("gold.g", "silver.seen"):
        assert project.run(name).plan.strategy == "nothing", name
