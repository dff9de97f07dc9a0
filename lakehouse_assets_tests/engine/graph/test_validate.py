"""The whole declared graph is judged at once, before anything runs."""

from __future__ import annotations

import gc

import pytest

from lakehouse_assets.engine.errors import DeclarationError
from lakehouse_assets_tests.project import Project

SILVER = """
@table(raw="bronze.{upstream}", columns=[Column("id", "int", key=True)], write=merge(on="id"))
def {name}(raw: DataFrame) -> DataFrame:
    return raw
"""


def problems(project: Project) -> list[str]:
    with pytest.raises(DeclarationError) as caught:
        project.lakehouse  # noqa: B018  (loading is what raises)
    return list(caught.value.problems)


def test_tables_come_in_dependency_order(project: Project) -> None:
    project.bronze("orders")
    project.table("silver.orders", SILVER.format(upstream="orders", name="orders"))
    project.table("gold.totals", 'totals = sql_table(orders="silver.orders", sql="SELECT count(*) AS n FROM orders")')
    assert list(project.lakehouse.tables) == ["shop.bronze.orders", "shop.silver.orders", "shop.gold.totals"]


def test_a_misspelled_upstream_is_named_with_the_nearest_table(project: Project) -> None:
    project.bronze("orders")
    project.table("silver.orders", SILVER.format(upstream="ordrs", name="orders"))
    (problem,) = problems(project)
    assert "reads 'bronze.ordrs', which no file declares; did you mean 'shop.bronze.orders'?" in problem
    assert "shop/silver/orders.py:8: shop.silver.orders" in problem  # the line of @table


def test_every_problem_is_reported_at_once(project: Project) -> None:
    project.table("silver.a", SILVER.format(upstream="nothing", name="b"))
    project.table("silver.c", '@table(raw="silver.d")\ndef c(raw: DataFrame, more: DataFrame) -> DataFrame: ...')
    project.table("silver.d", '@table(raw="silver.c", extra="silver.c")\ndef d(raw: DataFrame) -> DataFrame: ...')
    project.table("silver.e", "")
    found = "\n".join(problems(project))
    for expected in (
        "the file says 'a' and the table 'b'",
        "reads 'bronze.nothing'",
        "parameter 'more' is bound to nothing",
        "'extra' is bound, but the function has no such parameter",
        "silver/e.py:1: declares no table",
        "read each other in a circle",
    ):
        assert expected in found


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ('columns=[Column("x", "strng")]', "column 'x' has type 'strng', which Spark SQL doesn't know"),
        ('columns=[Column("x", "int"), Column("X", "int")]', "column 'x' is declared twice"),
        ('expect=[warn("a > 1"), drop("a > 1")]', "two expectations or checks are called 'a_gt_1'"),
        ('expect=[warn("a > 1", name="no spaces")]', "an expectation is called 'no spaces'"),
        ('write=merge(on="k")', "merges by 'k', which isn't among its columns"),
        (
            'columns=[Column("k", "int")], write=merge(on="k", delete_when="k < 0")',
            "has no newest=…, without which a deletion or a version has no place in time",
        ),
        (
            'columns=[Column("k", "int"), Column("valid_to", "int")], write=history(on="k", newest="_at")',
            "declares 'valid_to', which a history adds by itself",
        ),
        ('columns=[Column("k", "int")], write=history(on="k", newest="at")', "merges by 'at', which isn't among"),
        ("write=replace(), checks=[reconciled()]", "adds up its rows, but takes in no new rows of another table"),
        ('checks=[references("a", "gold.nowhere", "a")]', "reads 'gold.nowhere', which no file declares"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(project: Project, declaration: str, expected: str) -> None:
    project.bronze("orders")
    project.table("silver.t", f'@table(raw="bronze.orders", {declaration})\ndef t(raw: DataFrame) -> DataFrame: ...')
    assert any(expected in p for p in problems(project))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("http()", "its http(…) names no address"),
        ('extract("SELECT ${NOW}, ${SINCE}", "s", "d")', "its query names NOW; only ${SINCE} is filled in there"),
        ('http("https://example.com/t.csv", afterwards="archive")', "knows by the files there what it has downloaded"),
    ],
)
def test_a_source_that_cannot_work_is_refused(project: Project, source: str, expected: str) -> None:
    project.table("bronze.t", f"@table(landed={source})\ndef t(landed: DataFrame) -> DataFrame: ...")
    (problem,) = problems(project)
    assert expected in problem


def test_files_that_two_tables_read_are_put_away_by_neither(project: Project) -> None:
    project.bronze("orders", "afterwards='delete'")
    project.table("bronze.again", '@table(landed=files("orders/*"))\ndef again(landed: DataFrame) -> DataFrame: ...')
    (problem,) = problems(project)
    assert "shop.bronze.again reads the same files; remove afterwards=…" in problem


def test_only_one_input_may_bring_new_rows(project: Project) -> None:
    project.bronze("a")
    project.bronze("b")
    project.table(
        "silver.t",
        '@table(a="bronze.a", b="bronze.b", write=append())\ndef t(a: DataFrame, b: DataFrame) -> DataFrame: ...',
    )
    (problem,) = problems(project)
    assert "takes new rows from several inputs (a, b)" in problem


def test_rules_that_differ_only_in_an_operator_keep_two_names(project: Project) -> None:
    project.bronze("orders")
    project.table(
        "silver.t", '@table(raw="bronze.orders", expect=[warn("a<b"), warn("a>b"), warn("a <= b")])\ndef t(raw): ...'
    )
    names = [r.name for r in project.lakehouse.tables["shop.silver.t"].expectations]
    assert names == ["a_lt_b", "a_gt_b", "a_le_b"]


def test_a_table_is_still_a_plain_function(project: Project) -> None:
    project.table("silver.t", '@table(raw="bronze.orders")\ndef t(raw): return raw.upper()')
    project.bronze("orders")
    assert project.lakehouse.tables["shop.silver.t"]("rows") == "ROWS"  # type: ignore[arg-type]


def test_the_versions_of_code_and_rules_change_with_what_they_stand_for(project: Project) -> None:
    def versions(body: str, rule: str) -> tuple[str, str]:
        project.table("silver.t", f'@table(raw="bronze.orders", expect=[warn("{rule}")])\ndef t(raw): return {body}')
        table = project.lakehouse.tables["shop.silver.t"]
        return table.code_version, table.expectations_version

    project.bronze("orders")
    first = versions("raw", "a > 1")
    assert versions("raw", "a > 1") == first
    other_body, other_rule = versions("raw.distinct()", "a > 1"), versions("raw", "a > 2")
    assert other_body[0] != first[0]
    assert other_body[1] == first[1]
    assert other_rule[0] != first[0]
    assert other_rule[1] != first[1]


def test_the_garbage_collector_is_on_after_a_load_that_failed(project: Project) -> None:
    project.table("silver.e", "")
    assert problems(project)
    assert gc.isenabled()
