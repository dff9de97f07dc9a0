"""Tables on an engine that takes no settings and keeps no rows: each write mode comes out as it would elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from lakehouse_assets.engine.errors import DeclarationError, LakehouseError
from lakehouse_assets.engine.lake import delta_merge, delta_write
from lakehouse_assets.engine.lake.capabilities import capabilities
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.kept_rows import persisted
from lakehouse_assets.engine.lake.places import Lake, TableRef
from lakehouse_assets.engine.run.outcome import Outcome
from lakehouse_assets.engine.spec.compute import Capabilities, Serverless, capabilities_of
from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import read_settings
from lakehouse_assets.testing import Event, Expected
from lakehouse_assets_tests.conftest import new_project
from lakehouse_assets_tests.crash import assert_at_once, run_and_die
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.serverless import serverless

COLUMNS = ("id", "at", "shop", "amount", "op")
DECLARED = """
    columns=[Column("id", "int", key=True), Column("at", "int"), Column("shop", "string"), Column("amount", "int"),
             Column("op", "string")],
"""
CURRENT = f"""
@table(raw="bronze.events", {DECLARED} expect=[drop("amount >= 0", name="positive")],
       write=merge(on="id", newest="at", delete_when="op = 'delete'"))
def current(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "int(at) at", "shop", "int(amount) amount", "op")
"""
VERSIONS = f"""
@table(raw="bronze.events", {DECLARED} expect=[drop("amount >= 0", name="positive")],
       write=history(on="id", newest="at", delete_when="op = 'delete'", track=["shop"]))
def versions(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "int(at) at", "shop", "int(amount) amount", "op")
"""
SALES = """
@table(orders="silver.current", columns=[Column("shop", "string", key=True), Column("total", "bigint")],
       write=refresh(by="shop"))
def sales(orders: DataFrame) -> DataFrame:
    return orders.groupBy("shop").agg(F.sum("amount").alias("total"))
"""
EXPECTED = Expected(("id",), ("at",), ("shop", "amount", "op"), lambda e: e["op"] == "delete")
TABLES = ("bronze.events", "silver.current", "silver.versions", "gold.sales")


@pytest.fixture(scope="module")
def limited(engine: SparkResource) -> Iterator[SparkResource]:
    """An engine as serverless compute of Databricks has it."""
    with serverless(spark_server.attach(engine.server_settings).url) as made, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_SPARK", made.url)
        yield SparkResource.from_settings(read_settings())


@pytest.fixture
def shop(limited: SparkResource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setattr("lakehouse_assets.engine.plan.small_runs.FEW_ROWS", 0)  # that delta-rs would write
    with new_project(tmp_path, limited, monkeypatch) as project:
        project.bronze("events")
        for name, text in zip(TABLES[1:], (CURRENT, VERSIONS, SALES), strict=True):
            project.table(name, text)
        yield project


def land(shop: Project, number: int, events: list[Event]) -> str:
    lines = [",".join(str(e[c]) for c in COLUMNS) for e in events]
    return shop.land(f"events/{number}.csv", "\n".join([",".join(COLUMNS), *lines]) + "\n")


def run(shop: Project, *names: str) -> None:
    for name in names or TABLES:
        shop.run(name)


def check(shop: Project, events: list[Event]) -> None:
    """The tables are what the sound events make of them, worked out one by one."""
    sound = [e for e in events if is_sound(e)]
    current = list(EXPECTED.merged(sound).values())
    assert shop.rows("silver.current", *COLUMNS) == sorted((tuple(e[c] for c in COLUMNS) for e in current), key=repr)
    columns = (*COLUMNS, "valid_from", "valid_to", "is_current")
    versions = EXPECTED.versions(sound, ["shop"])
    assert shop.rows("silver.versions", *columns) == sorted((tuple(e[c] for c in columns) for e in versions), key=repr)
    shops = {e["shop"] for e in current}
    totals = [(name, sum(e["amount"] for e in current if e["shop"] == name)) for name in shops]
    assert shop.rows("gold.sales", "shop", "total") == sorted(totals, key=repr)
    assert len(shop.rejected("silver.current", "id")) == len(events) - len(sound)


def is_sound(event: Event) -> bool:
    """Of an event that deletes its key the amount doesn't count."""
    return bool(event["amount"] >= 0 or event["op"] == "delete")


def some_events(random: Random, count: int) -> list[Event]:
    times = random.sample(range(1_000), count)  # each its own, so that the newest is one
    return [
        {"id": random.randrange(40), "at": at, "shop": random.choice("abcd"), "amount": random.randrange(-1, 9),
         "op": random.choice(["upsert", "upsert", "delete"])}
        for at in times
    ]  # fmt: skip


def test_what_an_engine_lets_a_session_do_is_found_by_trying(engine: SparkResource, limited: SparkResource) -> None:
    assert capabilities(engine.session()) == Capabilities(settings=True, persist=True)
    assert capabilities(limited.session()) == capabilities_of(Serverless())


def test_events_in_any_order_come_out_as_if_sorted_and_a_file_is_forgotten(shop: Project) -> None:
    random, told, path = Random(7), list[Event](), ""
    for number in (0, 1):
        told += (new := some_events(random, 60))
        path = land(shop, number, new)
        run(shop)
        check(shop, told)
    newest = shop.log("silver.current").commits[0]
    assert (newest.operation, newest.mode, newest.part) == ("WRITE", "Overwrite", True)
    assert shop.run("silver.current").version is None  # it knows what it has read
    shop.forget("bronze.events", path)
    run(shop)
    check(shop, told[:60])
    assert not list(Path(shop.lake.scratch).glob("*/*"))


def test_what_merges_from_a_merged_table_goes_on_unless_a_row_went_out(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where so many keys change that all rows are written again, those that changed and those that didn't."""
    monkeypatch.setattr(delta_merge, "FEW", 3)
    shop.table("gold.last", CURRENT.replace("bronze.events", "silver.current").replace("def current", "def last"))
    events = [e | {"op": "upsert", "amount": 1} for e in some_events(Random(8), 60)]
    told, done = list[Event](), list[Outcome]()
    for number, new in enumerate((events[:30], events[30:], [events[0] | {"at": 2_000, "op": "delete"}])):
        told += new
        land(shop, number, new)
        run(shop, *TABLES[:2])
        done.append(shop.run("gold.last"))
        wanted = EXPECTED.merged(told).values()
        assert shop.rows("gold.last", *COLUMNS) == sorted((tuple(e[c] for c in COLUMNS) for e in wanted), key=repr)
    assert [it.plan.strategy for it in done] == ["full", "merge", "full"]
    assert "silver.current was changed by more than new rows" in done[-1].plan.reason
    # All rows of the table came again, and none that was there before is taken for one.
    assert done[1].counts.judged == len(EXPECTED.merged(events))


def test_rows_kept_in_a_scratch_table_are_as_they_were(limited: SparkResource, tmp_path: Path) -> None:
    rows = limited.session().sql(
        "SELECT 1 AS `a b,;{}`, NULL AS nothing, array('x') AS `dot.ted` UNION ALL SELECT 2, NULL, NULL"
    )
    with persisted(rows, Lake(str(tmp_path), "")) as kept:
        assert kept.columns == rows.columns
        assert sorted(map(tuple, kept.collect())) == [(1, None, ["x"]), (2, None, None)]
    assert not list(tmp_path.glob("_scratch/*/*"))


def test_rows_in_quarantine_are_judged_again(shop: Project) -> None:
    events = some_events(Random(3), 40)
    land(shop, 1, events)
    run(shop, *TABLES[:2])
    shop.table("silver.current", CURRENT.replace("amount >= 0", "amount >= -1"))
    shop.replay("silver.current")
    wanted = EXPECTED.merged(events).values()
    assert shop.rows("silver.current", *COLUMNS) == sorted((tuple(e[c] for c in COLUMNS) for e in wanted), key=repr)


def test_a_run_that_is_killed_or_has_a_rival_commits_once(shop: Project) -> None:
    first, second = some_events(Random(4), 30), some_events(Random(5), 30)
    land(shop, 1, first)
    run(shop, *TABLES[:3])
    land(shop, 2, second)
    run(shop, "bronze.events")
    died = run_and_die(shop, "silver.current", "after lakehouse_assets.engine.lake.small_writes:merge")
    assert died == -9
    assert_at_once(shop, "silver.versions")
    run(shop)
    check(shop, first + second)
    assert shop.log("silver.current").version == 1
    assert shop.log("silver.versions").version == 1


def test_a_write_under_a_number_that_was_used_is_left_out(limited: SparkResource, tmp_path: Path) -> None:
    spark, place = limited.session(), TableRef(str(tmp_path / "table"))
    delta_write.overwrite(spark.sql("SELECT 1 AS id, 'a' AS name"), place, Stamp("shop", 1, {}, "merge", "", ""))
    target, second = delta_merge.Target(place, "s.id = t.id", ["id"]), Stamp("shop", 2, {}, "merge", "", "")
    for name in ("b", "c"):
        changes = spark.sql(f"SELECT 1 AS id, '{name}' AS name, false AS {delta_merge.GONE}")
        delta_merge.merge(changes, target, second)
        delta_write.delete(spark, place, f"name = '{name}'", Stamp("shop", 2, {}, "forget", "", ""))
    log = read_log(place)
    assert log is not None
    assert log.version == 1
    assert log.table.to_pandas().to_dict("records") == [{"id": 1, "name": "b"}]


def test_scratch_tables_of_killed_runs_are_removed_after_two_days(shop: Project) -> None:
    now = datetime.now(UTC)
    folders = [Path(shop.lake.scratch) / f"{now - timedelta(days=days):%Y-%m-%d}" / "left" for days in (3, 1)]
    for folder in folders:
        folder.mkdir(parents=True)
    land(shop, 1, some_events(Random(6), 10))
    run(shop, *TABLES[:2])
    assert [folder.exists() for folder in folders] == [False, True]


def test_a_time_that_would_be_read_as_another_ends_the_run_and_says_so(shop: Project) -> None:
    shop.table("silver.times", """
        @table(raw="bronze.events", columns=[Column("id", "int", key=True), Column("ends", "timestamp")])
        def times(raw: DataFrame) -> DataFrame:
            "When events end."
            return raw.selectExpr("int(id) id", "timestamp(concat(at, '-12-31')) ends")
    """)  # fmt: skip
    land(shop, 1, [{"id": 1, "at": at, "shop": "a", "amount": 1, "op": "upsert"} for at in (1700, 2261)])
    run(shop, "bronze.events", "silver.times")
    assert [row[0].year for row in shop.rows("silver.times", "ends")] == [1700, 2261]
    land(shop, 2, [{"id": 2, "at": 9999, "shop": "a", "amount": 1, "op": "upsert"}])
    run(shop, "bronze.events")
    with pytest.raises(
        LakehouseError,
        match=r"^Writing shop.silver.times: .*a time in ends is before 1678 or after 2262.*: 9999-12-31 00:00:00",
    ):
        shop.run("silver.times")


def test_files_in_an_encoding_that_needs_a_setting_are_refused_when_declared(shop: Project) -> None:
    shop.table("bronze.old", """
        @table(landed=files("old/*", encoding="cp1252"), compute=Serverless())
        def old(landed: DataFrame) -> DataFrame:
            "Old orders."
            return landed
    """)  # fmt: skip
    with pytest.raises(DeclarationError) as caught:
        _ = shop.lakehouse
    (problem,) = caught.value.problems
    assert "shop.bronze.old: reads files in cp1252; Spark reads them by a setting" in problem
    assert "have the files written as UTF-8, or compute the table by Cluster(…)" in problem
