"""A file is forgotten: its rows go out once, everything downstream follows, and a corrected file comes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lakehouse_assets.engine.errors import ExpectationFailed, LakehouseError, SourceError
from lakehouse_assets.engine.run.ingest import ingest
from lakehouse_assets.engine.run.ingest.batch import Written
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets_tests.crash import run_and_die
from lakehouse_assets_tests.engine.sources.reading import ledger
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.soak import some

BRONZE = """
@table(landed=files("orders/*"), expect=[{rule}("amount <> '666'", name="sane")])
def orders(landed: DataFrame) -> DataFrame:
    return landed
"""
SILVER = """
@table(raw="bronze.orders", columns=[Column("id", "int", key=True), Column("at", "int"), Column("amount", "int")],
       expect=[fail("amount > 0")], write={write})
def orders(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "int(at) at", "int(amount) amount", "_source")
"""
MODES = {"append": "append()", "merge": 'merge(on="id", newest="at")', "history": 'history(on="id", newest="at")'}
TOTALS = 'totals = sql_table(orders="silver.orders", sql="SELECT count(*) AS n, sum(amount) AS amount FROM orders")'


@pytest.fixture
def shop(project: Project) -> Project:
    """A lake that has read two files, the second with a row that bronze rejects."""
    project.table("bronze.orders", BRONZE.format(rule="drop"))
    project.table("silver.orders", SILVER.format(write=MODES["merge"]))
    project.land("orders/1.csv", "id,at,amount\n1,1,10\n")
    project.land("orders/2.csv", "id,at,amount\n2,1,20\n3,1,30\n4,1,666\n")
    project.run("bronze.orders")
    return project


def ids(shop: Project, name: str) -> list[int]:
    return sorted(int(row[0]) for row in shop.rows(name, "id"))


BOUNDARIES = [
    "after lakehouse_assets.engine.sources.arrivals.ledger:Ledger.forget",
    "before lakehouse_assets.engine.quality.quarantine:forget",
    "after lakehouse_assets.engine.quality.quarantine:forget",
]


@pytest.mark.parametrize(("where", "then"), some([(w, then) for then in ("run", "forget") for w in BOUNDARIES], 3))
def test_a_forgetting_killed_at_a_boundary_is_completed_by_what_comes_next(
    shop: Project, where: str, then: str
) -> None:
    path = f"{shop.lake.landing}/shop/orders/2.csv"
    assert run_and_die(shop, "bronze.orders", where, f"forget {path}") == -9
    if then == "run":
        shop.land("orders/2.csv", "id,at,amount\n2,1,21\n")
        shop.run("bronze.orders")
        assert shop.rows("bronze.orders", "id", "amount") == [("1", "10"), ("2", "21")]
    else:
        shop.forget("bronze.orders", path)
        assert shop.rows("bronze.orders", "id", "amount") == [("1", "10")]
    assert shop.rejected("bronze.orders") == []
    deletions = [c for c in shop.log("bronze.orders").commits if c.forgot]
    assert [(c.forgot, c.operation, c.metrics["numDeletedRows"]) for c in deletions] == [((path,), "DELETE", "2")]


def test_who_forgot_a_file_and_why_is_in_the_ledger_and_in_the_history_of_the_table(shop: Project) -> None:
    path = f"{shop.lake.landing}/shop/orders/2.csv"
    result = shop.by_dagster("bronze.orders", forget=path, reason="a truncated line")
    assert result.success
    (entry,) = (e for e in Ledger(shop.lake.arrivals("shop.bronze.orders")).entries() if e.path == path)
    assert (entry.status, entry.rows) == ("forgotten", 2)
    assert entry.error is not None
    assert entry.error.startswith("forgotten by ")
    assert entry.error.endswith(": a truncated line")
    told = shop.log("bronze.orders").commits[0].mark
    assert told == {
        "app": "shop.bronze.orders/forget", "run": entry.seq, "kind": "forget",
        "forgot": [path], "rows": 2, "why": entry.error,
    }  # fmt: skip
    assert shop.run("bronze.orders").plan.strategy == "nothing"
    assert shop.plan("bronze.orders", full=True).files == 2  # what is there; the ledger leaves the forgotten one out
    shop.run("bronze.orders", full=True)
    assert ids(shop, "bronze.orders") == [1]


def test_a_forgotten_file_is_read_again_when_it_is_retried(shop: Project) -> None:
    path = shop.land("orders/2.csv", Path(f"{shop.lake.landing}/shop/orders/2.csv").read_text())
    shop.run("bronze.orders")  # it was sent twice, so that its rows are there twice
    assert ids(shop, "bronze.orders") == [1, 2, 2, 3, 3]
    shop.forget("bronze.orders", path)
    assert ids(shop, "bronze.orders") == [1]
    assert Ledger(shop.lake.arrivals("shop.bronze.orders")).retry(path) == 2
    shop.run("bronze.orders")
    assert ids(shop, "bronze.orders") == [1, 2, 3]
    assert len(shop.rejected("bronze.orders")) == 1


def test_a_file_that_failed_or_is_not_known_has_a_way_on_too(shop: Project) -> None:
    bad = shop.land("orders/3.csv.gz", b"no gzip")
    shop.run("bronze.orders")
    assert ("3.csv.gz", "failed", None) in ledger(shop)
    assert shop.forget("bronze.orders", bad).version is None
    assert ("3.csv.gz", "forgotten", None) in ledger(shop)
    with pytest.raises(SourceError, match=r"has read no such file; did you mean .*/orders/2\.csv'"):
        shop.forget("bronze.orders", "orders/2.csv")
    with pytest.raises(LakehouseError, match=r"it reads tables, not files; name the .*: shop\.bronze\.orders"):
        shop.forget("silver.orders", bad)


def test_a_batch_that_breaks_a_fail_of_bronze_goes_on_without_the_file(shop: Project) -> None:
    shop.table("bronze.orders", BRONZE.format(rule="fail"))
    bad = shop.land("orders/3.csv", "id,at,amount\n5,1,50\n6,1,666\n")
    shop.land("orders/4.csv", "id,at,amount\n7,1,70\n")
    for _ in range(2):
        with pytest.raises(ExpectationFailed, match=rf"amount='666'.*lakehouse forget shop\.bronze\.orders {bad}`"):
            shop.run("bronze.orders")
    shop.forget("bronze.orders", bad)
    shop.run("bronze.orders")
    assert ids(shop, "bronze.orders") == [1, 2, 3, 7]
    shop.land("orders/3.csv", "id,at,amount\n5,1,50\n")
    shop.run("bronze.orders")
    assert ids(shop, "bronze.orders") == [1, 2, 3, 5, 7]


def test_a_file_that_is_forgotten_while_it_is_being_read_leaves_no_rows(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = shop.land("orders/3.csv", "id,at,amount\n5,1,50\n")
    shop.land("orders/4.csv", "id,at,amount\n7,1,70\n")
    write = ingest.write_batch

    def interrupted(*args: Any, **options: Any) -> Written:
        monkeypatch.setattr(ingest, "write_batch", write)
        shop.forget("bronze.orders", bad)
        return write(*args, **options)

    monkeypatch.setattr(ingest, "write_batch", interrupted)
    shop.run("bronze.orders")
    assert ids(shop, "bronze.orders") == [1, 2, 3, 7]
    assert ("3.csv", "forgotten", 1) in ledger(shop)
    assert shop.run("bronze.orders").plan.strategy == "nothing"


@pytest.mark.parametrize("mode", MODES)
def test_what_reads_the_table_follows_though_most_of_its_rows_go(shop: Project, mode: str) -> None:
    shop.table("silver.orders", SILVER.format(write=MODES[mode]))
    copy = SILVER.replace('raw="bronze', 'raw="silver').replace("def orders", "def copies")
    shop.table("silver.copies", copy.format(write=MODES[mode]))
    shop.table("gold.totals", TOTALS)
    for name in ("silver.orders", "silver.copies", "gold.totals"):
        shop.run(name)
    assert shop.rows("gold.totals") == [(3, 60)]
    path = f"{shop.lake.landing}/shop/orders/2.csv"
    shop.forget("bronze.orders", path)
    plan = shop.run("silver.orders").plan
    assert (plan.strategy, plan.reason) == ("full", f"shop.bronze.orders has forgotten {path}, at version 1")
    for name in ("silver.copies", "gold.totals"):
        assert shop.run(name).plan.strategy == "full"
    assert ids(shop, "silver.copies") == [1]
    assert shop.rows("gold.totals") == [(1, 10)]


@pytest.mark.parametrize("left", [1, 0])
def test_files_that_are_gone_are_given_up_by_a_rebuild_that_accepts_their_loss(shop: Project, left: int) -> None:
    for number in range(2, left, -1):
        Path(f"{shop.lake.landing}/shop/orders/{number}.csv").unlink()
    with pytest.raises(
        SourceError, match=r"lose their \d rows\. .*lakehouse run shop\.bronze\.orders --full --accept-loss"
    ):
        shop.run("bronze.orders", full=True)
    reason = shop.run("bronze.orders", full=True, accept_loss=True).plan.reason
    assert reason.endswith(f"; {2 if left else 3} rows are lost, as their files are gone")
    assert ids(shop, "bronze.orders") == [1][:left]
    assert shop.run("bronze.orders", full=True).files.get("done", 0) == left
    assert ledger(shop)[-1][1] == "forgotten"
