"""Tables fed by tables: each run takes in what is new, once, in one commit that says what was read."""

from __future__ import annotations

import pytest

from lakehouse_assets.engine.errors import ContractError, ExpectationFailed
from lakehouse_assets_tests.project import Project

SILVER = """
@table(
    raw="bronze.orders",
    columns=[Column("id", "int", key=True), Column("amount", "int"), Column("at", "int")],
    expect=[drop("amount > 0"), warn("amount < 1000")],
    write=merge(on="id", newest="at"),
)
def orders(raw: DataFrame) -> DataFrame:
    numbers = [F.expr(f"try_cast({c} AS int)").alias(c) for c in ("id", "amount", "at")]
    return raw.select(*numbers, "_source")
"""
GOLD = 'totals = sql_table(orders="silver.orders", sql="SELECT count(*) AS n, sum(amount) AS amount FROM orders")'


@pytest.fixture
def shop(project: Project) -> Project:
    project.bronze("orders")
    project.table("silver.orders", SILVER)
    project.table("gold.totals", GOLD)
    return project


def build(shop: Project) -> list[str]:
    return [shop.run(name).plan.strategy for name in ("bronze.orders", "silver.orders", "gold.totals")]


def test_new_files_flow_to_gold_and_a_second_run_finds_nothing(shop: Project) -> None:
    shop.land("orders/1.csv", "id,amount,at\n1,10,1\n2,20,1\n")
    assert build(shop) == ["append", "full", "full"]
    assert shop.rows("gold.totals") == [(2, 30)]
    versions = [shop.log(n).version for n in ("bronze.orders", "silver.orders", "gold.totals")]
    assert build(shop) == ["nothing", "nothing", "nothing"]
    assert [shop.log(n).version for n in ("bronze.orders", "silver.orders", "gold.totals")] == versions
    shop.land("orders/2.csv", "id,amount,at\n2,25,2\n3,30,1\n")
    assert build(shop) == ["append", "merge", "full"]
    assert shop.rows("silver.orders", "id", "amount", "at") == [(1, 10, 1), (2, 25, 2), (3, 30, 1)]
    assert shop.rows("gold.totals") == [(3, 65)]


def test_an_older_row_that_arrives_late_does_not_win(shop: Project) -> None:
    shop.land("orders/1.csv", "id,amount,at\n1,50,5\n")
    build(shop)
    shop.land("orders/2.csv", "id,amount,at\n1,40,4\n1,30,3\n")
    build(shop)
    assert shop.rows("silver.orders", "id", "amount", "at") == [(1, 50, 5)]


def test_the_newest_of_several_rows_in_one_batch_wins_and_ties_fall_the_same_way(shop: Project) -> None:
    shop.land("orders/1.csv", "id,amount,at\n1,10,1\n1,30,3\n1,20,2\n2,7,1\n")
    build(shop)
    shop.land("orders/2.csv", "id,amount,at\n1,29,3\n2,9,1\n")
    build(shop)
    assert shop.rows("silver.orders", "id", "amount", "at") == [(1, 30, 3), (2, 9, 1)]


def test_rows_that_break_a_drop_rule_are_kept_with_rule_version_and_source(shop: Project) -> None:
    bad = shop.land("orders/bad.csv", "id,amount,at\n1,-5,1\n2,5000,1\n,7,1\n3,10,1\n")
    shop.run("bronze.orders")
    outcome = shop.run("silver.orders")
    assert shop.rows("silver.orders", "id", "amount") == [(2, 5000), (3, 10)]
    assert (outcome.counts.judged, outcome.counts.rejected) == (4, 2)
    assert dict(outcome.counts.by_expectation) == {"id_not_null": 1, "amount_gt_0": 1, "amount_lt_1000": 1}
    rules = shop.lakehouse.tables["shop.silver.orders"].expectations_version
    found = {
        (tuple(broken), version, source)
        for broken, version, source in shop.rejected("silver.orders", "broken", "rules", "source")
    }
    assert found == {(("amount_gt_0",), rules, str(bad)), (("id_not_null",), rules, str(bad))}


def test_every_judged_row_is_in_the_table_or_in_quarantine(shop: Project) -> None:
    for batch in range(3):
        lines = "\n".join(f"{i},{i - 7},{batch}" for i in range(batch * 20, batch * 20 + 20))
        shop.land(f"orders/{batch}.csv", f"id,amount,at\n{lines}\n")
        build(shop)
    assert len(shop.rows("silver.orders")) + len(shop.rejected("silver.orders")) == 60
    assert len(shop.rejected("silver.orders")) == 8  # ids 0 to 7 have amounts of at most zero


def test_a_broken_fail_rule_commits_nothing_and_the_next_run_tries_again(shop: Project) -> None:
    shop.table("silver.orders", SILVER.replace('drop("amount > 0")', 'fail("amount > 0", name="paid")'))
    shop.land("orders/1.csv", "id,amount,at\n1,10,1\n")
    build(shop)
    version = shop.log("silver.orders").version
    shop.land("orders/2.csv", "id,amount,at\n2,-1,1\n")
    shop.run("bronze.orders")
    with pytest.raises(
        ExpectationFailed, match=r"expectation 'paid' is broken, nothing was written\. The row: .*\"amount\":-1"
    ):
        shop.run("silver.orders")
    assert shop.log("silver.orders").version == version
    shop.table("silver.orders", SILVER)
    assert shop.run("silver.orders").plan.strategy == "merge"
    assert len(shop.rejected("silver.orders")) == 1


@pytest.mark.parametrize(
    "write", ["append()", "replace()", 'merge(on="id", newest="at")', 'history(on="id", newest="at")']
)
def test_a_broken_fail_rule_is_told_of_however_the_table_is_written(shop: Project, write: str) -> None:
    stopping = SILVER.replace('drop("amount > 0")', 'fail("amount > 0", name="paid")')
    shop.table("silver.orders", stopping.replace('merge(on="id", newest="at")', write))
    for number, amount in ((1, -1), (2, 10)):
        shop.land("orders/1.csv", f"id,amount,at\n{number},{amount},1\n")
        shop.run("bronze.orders")
        with pytest.raises(
            ExpectationFailed, match=r"expectation 'paid' is broken, nothing was written\. The row: .*\"amount\":-1"
        ):
            shop.run("silver.orders")


def test_a_condition_that_is_null_is_not_met(shop: Project) -> None:
    shop.land("orders/1.csv", "id,amount,at\n1,,1\n2,10,1\n")
    build(shop)
    assert shop.rows("silver.orders", "id") == [(2,)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('raw.select("id", "amount")', "'at' is missing; 'id' is string, declared int; cast it"),
        ('raw.selectExpr("int(id) id", "int(amount) amount", "int(at) at", "1 more")', "'more' isn't declared"),
        (
            'raw.selectExpr("int(id) id", "int(amount) amont", "int(at) at")',
            "'amount' is missing .did you mean 'amont'",
        ),
    ],
)
def test_a_result_that_breaks_the_contract_is_an_error_that_names_the_columns(
    shop: Project, body: str, expected: str
) -> None:
    start = SILVER[: SILVER.index("    numbers")]
    shop.table("silver.orders", f"{start}    return {body}\n")
    shop.land("orders/1.csv", "id,amount,at\n1,10,1\n")
    shop.run("bronze.orders")
    with pytest.raises(ContractError, match=expected):
        shop.run("silver.orders")


def test_a_full_refresh_forgets_what_upstream_no_longer_has_and_keeps_versions(shop: Project) -> None:
    shop.land("orders/1.csv", "id,amount,at\n1,10,1\n2,-1,1\n")
    build(shop)
    before = shop.log("silver.orders").version
    outcome = shop.run("silver.orders", full=True)
    assert outcome.plan.strategy == "full"
    assert shop.log("silver.orders").version == before + 1
    assert shop.rows("silver.orders", "id") == [(1,)]
    assert len(shop.rejected("silver.orders")) == 1


def test_an_upstream_that_was_rebuilt_is_read_whole(shop: Project) -> None:
    shop.land("orders/1.csv", "id,amount,at\n1,10,1\n")
    build(shop)
    shop.run("bronze.orders", full=True)
    planned = shop.plan("silver.orders")
    assert planned.strategy == "full"
    assert "changed by more than new rows (write overwrite at version 1)" in planned.reason
    build(shop)
    assert shop.rows("silver.orders", "id", "amount") == [(1, 10)]


def test_readers_of_a_rebuilt_table_see_the_old_rows_or_the_new_never_none(shop: Project) -> None:
    shop.land("orders/1.csv", "id,amount,at\n1,10,1\n")
    build(shop)
    shop.run("gold.totals", full=True)
    log = shop.log("gold.totals")
    seen = []
    for version in range(log.version + 1):
        log.table.load_as_version(version)
        seen.append(log.table.to_pandas().to_dict("records"))
    assert seen == [[{"n": 1, "amount": 10}], [{"n": 1, "amount": 10}]]


def test_a_changed_declaration_rebuilds_a_replaced_table_and_is_told_of_a_merged_one(shop: Project) -> None:
    shop.land("orders/1.csv", "id,amount,at\n1,10,1\n")
    build(shop)
    shop.table("gold.totals", GOLD.replace("sum(amount)", "max(amount)"))
    assert shop.plan("gold.totals").reason == "the declaration changed"
    shop.table("silver.orders", SILVER.replace("amount < 1000", "amount < 999"))
    planned = shop.plan("silver.orders")
    assert planned.strategy == "nothing"
    assert "the declaration changed, older rows keep what they have until --full" in planned.reason


def test_a_winning_delete_removes_the_key(shop: Project) -> None:
    shop.table("silver.orders", SILVER.replace('newest="at")', 'newest="at", delete_when="amount = 404")'))
    shop.land("orders/1.csv", "id,amount,at\n1,10,1\n2,20,1\n3,404,1\n")
    build(shop)
    shop.land("orders/2.csv", "id,amount,at\n1,404,2\n2,404,0\n")
    build(shop)
    assert shop.rows("silver.orders", "id", "amount") == [(2, 20)]


def test_a_lookup_is_read_whole_beside_the_new_rows(shop: Project) -> None:
    shop.bronze("names")
    shop.table(
        "silver.named",
        """
        @table(raw="bronze.orders", names=lookup("bronze.names"), write=append())
        def named(raw: DataFrame, names: DataFrame) -> DataFrame:
            return raw.join(names.select("id", "name"), "id", "left").select("id", "name", "_source")
        """,
    )
    shop.land("names/1.csv", "id,name\n1,ann\n2,bob\n")
    shop.land("orders/1.csv", "id\n1\n")
    for name in ("bronze.names", "bronze.orders", "silver.named"):
        shop.run(name)
    shop.land("orders/2.csv", "id\n2\n")
    shop.run("bronze.orders")
    assert shop.run("silver.named").plan.strategy == "append"
    assert shop.rows("silver.named", "id", "name") == [("1", "ann"), ("2", "bob")]
