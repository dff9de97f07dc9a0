"""The online copy of a features table is always that of one version of it, whatever ends in between."""

from __future__ import annotations

import statistics
import threading
import time
from random import Random
from typing import Any

import pandas as pd
import pytest
from sqlalchemy.engine import make_url

from lakehouse_assets.engine.errors import FeatureError
from lakehouse_assets.engine.feature_store.online import OnlineStore
from lakehouse_assets.engine.feature_store.serving import lookup
from lakehouse_assets_tests.crash import run_and_die
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.postgres import Postgres
from lakehouse_assets_tests.soak import some

SALES = """
@features(on=["shop", "till"], event_time="hour", known_time="known_at", online=True, landed="bronze.sales",
          write=merge(on=["shop", "till", "hour", "known_at"], newest="seq", delete_when="gone"),
          columns=[Column("shop", "string"), Column("till", "int"), Column("hour", "timestamp"),
                   Column("known_at", "timestamp"), Column("sold", "bigint"), Column("mean", "double"),
                   Column("seq", "int"), Column("gone", "boolean")])
def sales(landed: DataFrame) -> DataFrame:
    return landed.selectExpr("shop", "int(till) till", "timestamp(hour) hour", "timestamp(known) known_at",
                             "bigint(sold) sold", "double(sold) / 3 mean", "int(seq) seq", "boolean(gone) gone")
"""
KEY = "shop.features.sales"
STORE = "lakehouse_assets.engine.feature_store.online:OnlineStore"


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(project: Project, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Project:
    if request.param == "sqlite":
        url = f"sqlite:///{project.root}/online.db"
    else:
        url = request.getfixturevalue("postgres").database(project.store_name)
    monkeypatch.setenv("LAKEHOUSE_ONLINE", url)
    return prepared(project, url)


def prepared(project: Project, url: str) -> Project:
    project.online = url
    project.bronze("sales")
    project.table("features.sales", SALES)
    return project


def land(project: Project, seq: int, random: Random, rows: int = 30) -> None:
    """Sales of some tills, among them corrections and deletions, in any order of time."""
    lines = ["shop,till,hour,known,sold,seq,gone"]
    for n in range(rows):
        hour = f"2024-01-{random.randint(1, 9):02} {random.randint(8, 11):02}:00"
        known = f"2024-01-{random.randint(10, 12)} 00:00"
        gone = str(random.random() < 0.3).lower()
        lines.append(f"{random.choice('abc')},{random.randint(1, 4)},{hour},{known},{n},{seq},{gone}")
    project.land(f"sales/{seq}.csv", "\n".join(lines) + "\n")
    project.run("bronze.sales")


def latest(project: Project) -> dict[tuple[str, int], tuple[Any, ...]]:
    """The latest row of each till, as pandas finds it in the Delta table."""
    rows = project.log("features.sales").table.to_pandas().sort_values(["hour", "known_at"])
    last = rows.groupby(["shop", "till"]).tail(1)
    return {(r.shop, r.till): (r.hour, r.known_at, r.sold, r.mean) for r in last.itertuples()}


def held(project: Project) -> dict[tuple[str, int], tuple[Any, ...]]:
    keys = pd.DataFrame([(shop, till) for shop in "abcd" for till in range(6)], columns=["shop", "till"])
    found = lookup(OnlineStore(project.online), project.lakehouse.tables[KEY], keys)
    rows = zip(keys.itertuples(index=False), found.itertuples(index=False), strict=True)
    return {tuple(k): (r.hour, r.known_at, r.sold, r.mean) for k, r in rows if not pd.isna(r.hour)}


def test_it_has_the_latest_of_each_entity_after_each_run(shop: Project) -> None:
    random = Random(3)
    for seq in range(5):
        land(shop, seq, random)
        report = shop.materialize("features.sales")
        assert held(shop) == latest(shop)
        assert report.online is not None
        assert (report.online.version, report.online.rows) == (shop.log("features.sales").version, len(latest(shop)))
    shop.materialize("features.sales", full=True)
    assert held(shop) == latest(shop)


@pytest.mark.parametrize(
    "where", some([f"before {STORE}._remove", f"before {STORE}.commit", f"after {STORE}._remove"], 1)
)
def test_a_run_that_is_killed_between_both_commits_is_made_up_by_one_with_nothing_to_do(
    shop: Project, where: str
) -> None:
    random = Random(4)
    land(shop, 0, random)
    shop.materialize("features.sales")
    before = held(shop)
    land(shop, 1, random)
    assert run_and_die(shop, "features.sales", where, "materialize") == -9
    assert held(shop) == before != latest(shop)
    report = shop.materialize("features.sales")
    assert report.strategy == "nothing"
    assert held(shop) == latest(shop)


def test_a_run_that_is_killed_after_its_commit_leaves_nothing_to_make_up(shop: Project) -> None:
    land(shop, 0, Random(5))
    assert run_and_die(shop, "features.sales", f"after {STORE}.commit", "materialize") == -9
    assert held(shop) == latest(shop) != {}


def test_a_table_that_is_dropped_and_made_anew_is_replaced_whole(shop: Project) -> None:
    import shutil

    random = Random(6)
    land(shop, 0, random, rows=60)
    shop.materialize("features.sales")
    for folder in ("features/sales", "memory/features_sales", "quarantine/features_sales"):
        shutil.rmtree(shop.root / "lake" / "shop" / folder, ignore_errors=True)
    shop.table("features.sales", SALES.replace("return landed", "return landed.where(\"shop = 'a'\")"))
    shop.materialize("features.sales")
    assert {shop for shop, _ in held(shop)} == {"a"}
    assert held(shop) == latest(shop)


def test_a_reader_sees_all_of_one_version(shop: Project) -> None:
    """A million of different sums would do as well: each version has one figure for all tills."""
    keys = ["2024-01-01 08:00,2024-01-10 00:00,{0},{0},false\n"] * 2
    tills, seen, done = range(200), set[frozenset[int]](), threading.Event()

    def deliver(seq: int) -> None:
        lines = "".join(f"a,{till}," + keys[0].format(seq) for till in tills)
        shop.land(f"sales/{seq}.csv", "shop,till,hour,known,sold,seq,gone\n" + lines)
        shop.run("bronze.sales")
        shop.materialize("features.sales")

    def read() -> None:
        asked = pd.DataFrame({"shop": "a", "till": [*tills]})
        store, table = OnlineStore(shop.online), shop_table
        while not done.is_set():
            seen.add(frozenset(lookup(store, table, asked)["sold"].tolist()))

    deliver(1)
    shop_table = shop.lakehouse.tables[KEY]
    reader = threading.Thread(target=read)
    reader.start()
    for seq in (2, 3):
        deliver(seq)
    done.set()
    reader.join()
    assert seen <= {frozenset({n}) for n in (1, 2, 3)}
    assert frozenset({1}) in seen


def test_a_key_is_looked_up_in_far_less_than_five_milliseconds(shop: Project) -> None:
    land(shop, 0, Random(7))
    shop.materialize("features.sales")
    store, table, one = OnlineStore(shop.online), shop.lakehouse.tables[KEY], pd.DataFrame({"shop": ["a"], "till": [1]})
    seconds = []
    for _ in range(200):
        start = time.perf_counter()
        lookup(store, table, one)
        seconds.append(time.perf_counter() - start)
    assert statistics.median(seconds) < 0.005, statistics.median(seconds)


def test_what_is_looked_up_has_the_types_of_the_columns(project: Project) -> None:
    shop = prepared(project, f"sqlite:///{project.root}/online.db")
    shop.land("sales/1.csv", "shop,till,hour,known,sold,seq,gone\na,1,2024-01-01 08:00,2024-01-01 09:00,,1,false\n")
    shop.run("bronze.sales")
    shop.materialize("features.sales")
    table, store = shop.lakehouse.tables[KEY], OnlineStore(shop.online)
    keys = pd.DataFrame({"till": [1.0, 9.0, None], "shop": ["a", "a", None]}, index=[7, 8, 9])
    found = lookup(store, table, keys)
    assert [*found.index] == [7, 8, 9]
    assert {n: str(kind) for n, kind in found.dtypes.items()} == {
        "hour": "datetime64[us, UTC]", "known_at": "datetime64[us, UTC]", "sold": "Int64", "mean": "float64",
        "seq": "Int64", "gone": "boolean",
    }  # fmt: skip
    assert found["hour"].isna().tolist() == [False, True, True]
    assert found["hour"].iloc[0] == pd.Timestamp("2024-01-01T08:00Z")
    with pytest.raises(FeatureError, match="no 'till' is given"):
        lookup(store, table, keys[["shop"]])


def test_a_store_that_is_away_is_named_without_its_password_and_made_up_for(
    project: Project, postgres: Postgres
) -> None:
    url = postgres.database("later")
    away = make_url(url).set(port=1).render_as_string(hide_password=False)
    shop = prepared(project, away)
    land(shop, 0, Random(8))
    with pytest.raises(FeatureError, match=r"LAKEHOUSE_ONLINE") as refused:
        shop.materialize("features.sales")
    assert postgres.password not in str(refused.value)
    shop.online = url
    assert shop.materialize("features.sales").strategy == "nothing"
    assert held(shop) == latest(shop) != {}
