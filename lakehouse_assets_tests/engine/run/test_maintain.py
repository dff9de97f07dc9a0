"""Upkeep makes the files of tables fewer, and no reader of a table notices."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.run.maintain import Maintained, maintain
from lakehouse_assets.engine.run.plain_json import from_json, to_json
from lakehouse_assets.engine.run.verify import count_arrivals, verify
from lakehouse_assets_tests.project import Project

BESIDE = {"silver.newest": ["quarantine"], "silver.versions": ["quarantine", "state"]}
DAY = 24 * 60 * 60
READERS = {"silver.newest": "merge", "silver.versions": "merge", "gold.counts": "refresh"}
EACH = {"newest": "merge(on='id'), expect=[drop('seq < 100')]", "versions": "history(on='id', newest='seq')"}
COUNTED = """
@table(raw="silver.newest", write=refresh(by="id"), columns=[Column("id", "int"), Column("n", "bigint")])
def {name}(raw: DataFrame) -> DataFrame:
    return raw.groupBy("id").agg(F.count("*").alias("n"))
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """Bronze files, and tables that take in their changes, one beside a quarantine, one beside its state."""
    project.bronze("o")
    for name, write in EACH.items():
        project.table(f"silver.{name}", f"""
            @table(raw="bronze.o", write={write},
                   columns=[Column("id", "int", key=True), Column("seq", "int"), Column("x", "int")])
            def {name}(raw: DataFrame) -> DataFrame:
                return raw.selectExpr("int(id) id", "int(seq) seq", "int(seq) * 2 x")
        """)  # fmt: skip
    project.table("gold.counts", COUNTED.format(name="counts"))
    return project


def deliver(shop: Project, number: int, keys: int = 3) -> None:
    """Some of ten keys, each with a newer row; and one row that is set aside."""
    rows = "".join(f"{key},{number}\n" for key in range(keys))
    shop.land(f"o/{number}.csv", f"id,seq\n{rows}{number + 10},{number + 100}\n")
    shop.run("bronze.o")


def maintained(shop: Project, name: str, keep_days: int = 7) -> Maintained:
    context = shop.context()
    return maintain(context.lakehouse.tables[f"shop.{name}"], context, keep_days)


def aged(shop: Project, days: int) -> None:
    """Go on with a copy of the lake that is some days older, as its logs and its files have it."""
    old, shop.lake = Path(shop.lake.root), replace(shop.lake, root=f"{shop.lake.root}_aged")
    shutil.copytree(old, shop.lake.root)
    for path in (path for path in Path(shop.lake.root).rglob("*") if path.is_file()):
        if path.parent.name == "_delta_log" and path.suffix == ".json":
            path.write_text("".join(_aged(line, days) for line in path.read_text().splitlines()))
            path.with_name(f".{path.name}.crc").unlink(missing_ok=True)
        moment = time.time() - days * DAY
        os.utime(path, (moment, moment))


def _aged(line: str, days: int) -> str:
    action = json.loads(line)
    for part in action.values():
        for name in {"timestamp", "modificationTime", "deletionTimestamp"} & part.keys():
            part[name] -= days * DAY * 1000
    return json.dumps(action) + "\n"


def data_files(shop: Project, name: str) -> set[Path]:
    return {*Path(shop.lake.table(f"shop.{name}").path).rglob("*.parquet")}


def test_readers_go_on_from_where_they_were_unless_they_are_too_far_behind(shop: Project) -> None:
    shop.table("gold.behind", COUNTED.format(name="behind"))
    deliver(shop, 1, 10)
    for name in [*READERS, "gold.behind"]:
        shop.run(name)
    deliver(shop, 2)
    for name in READERS:
        shop.run(name)
    aged(shop, 8)
    deliver(shop, 3)  # which no reader has read yet
    before = {name: data_files(shop, name) for name in ("bronze.o", *READERS)}
    for name, files in before.items():
        told = maintained(shop, name)
        assert not told.failed
        assert from_json(Maintained, to_json(told)) == told
        assert [part.name for part in told.parts][1:] == BESIDE.get(name, [])
        rows, now = told.parts[0], [Path(uri) for uri in shop.log(name).table.file_uris()]
        assert (rows.files_after, rows.bytes_after) == (1, sum(path.stat().st_size for path in now)), name
        assert rows.deleted == len(files - data_files(shop, name)), name
        assert shop.log(name).by_hand is None
    assert before["silver.newest"] - data_files(shop, "silver.newest")  # of the version before the second delivery
    assert before["bronze.o"] <= data_files(shop, "bronze.o")  # as they have only just been compacted
    behind = shop.run("gold.behind").plan
    assert (behind.strategy, "shop.silver.newest" in behind.reason) == ("full", True)
    assert {name: shop.run(name).plan.strategy for name in READERS} == READERS
    assert {shop.plan(name).strategy for name in READERS} == {"nothing"}
    hold_against_all_that_was_delivered(shop, 3)


def hold_against_all_that_was_delivered(shop: Project, newest: int) -> None:
    assert shop.rows("silver.newest", "id", "seq") == [(key, newest if key < 3 else 1) for key in range(10)]
    assert len(shop.rows("silver.versions")) == 10 + 3 * (newest - 1) + newest
    assert shop.rows("gold.counts") == [(key, 1) for key in range(10)]
    assert len(shop.rejected("silver.newest")) == newest
    context = shop.context()
    tables = {name: context.lakehouse.tables[f"shop.{name}"] for name in ("bronze.o", *READERS)}
    assert count_arrivals(tables["bronze.o"], context).adds_up
    for name in READERS:
        assert verify(tables[name], context).differing == []


@pytest.mark.parametrize("days", [6, 0, -1])
def test_less_than_a_week_is_not_kept(shop: Project, days: int) -> None:
    with pytest.raises(LakehouseError, match="has to be rebuilt"):
        maintained(shop, "bronze.o", days)


@dataclass(frozen=True)
class Raced:
    """A session in which another writer commits first, `times` times."""

    session: Any
    times: list[int]

    def sql(self, statement: str) -> DataFrame:
        if statement.startswith("OPTIMIZE") and self.times[0]:
            self.times[0] -= 1
            raise PySparkException("another one did", errorClass="DELTA_CONCURRENT_DELETE_READ", messageParameters={})
        found: DataFrame = self.session.sql(statement)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)


def raced(shop: Project, times: int) -> Maintained:
    context = shop.context()
    session: Any = Raced(context.session(), [times])
    return maintain(
        context.lakehouse.tables["shop.bronze.o"], Context(context.lakehouse, context.lake, lambda: session)
    )


def test_a_writer_that_comes_first_once_is_waited_for_and_one_that_does_twice_is_told_of(shop: Project) -> None:
    for number in (1, 2):
        deliver(shop, number)
    (part,) = raced(shop, 2).parts
    assert part.problem == (
        "Compacting shop.bronze.o: another writer committed first (DELTA_CONCURRENT_DELETE_READ), twice; it's left for "
        "the next time"
    )
    assert part.deleted == 0  # though the old files were looked for
    assert part.files_after == part.files_before > 1
    (part,) = raced(shop, 1).parts
    assert (part.problem, part.files_after) == ("", 1)


def test_what_is_damaged_or_missing_costs_itself_alone(shop: Project) -> None:
    for number in (1, 2):
        deliver(shop, number)
        shop.run("silver.newest")
    log = Path(shop.lake.quarantine("shop.silver.newest").path, "_delta_log", f"{0:020}.json")
    log.write_text("no JSON\n")
    rows, kept = maintained(shop, "silver.newest").parts
    assert (rows.problem, rows.files_after) == ("", 1)
    assert "Reading the log of" in kept.problem
    next(iter(data_files(shop, "bronze.o"))).unlink()
    (part,) = maintained(shop, "bronze.o").parts
    assert part.problem.startswith("Compacting shop.bronze.o: ")
    assert "rebuild the table" in part.problem
    assert maintained(shop, "gold.counts") == Maintained("shop.gold.counts")
