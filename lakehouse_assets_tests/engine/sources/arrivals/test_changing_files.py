"""Files that change after they were planned and before they were read: each version is read once or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse_assets.engine.run.ingest import batch, ingest
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, list_arrivals
from lakehouse_assets.engine.sources.formats import columnar
from lakehouse_assets.engine.sources.formats.rescue import Group
from lakehouse_assets.engine.spec.formats import FormatName
from lakehouse_assets_tests.crash import run_and_die
from lakehouse_assets_tests.engine.sources.reading import FORMATS, encoded, ledger
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.soak import some

# A table during whose build, which is between the plan of a batch and its reading, something happens once.
MEANWHILE = """
import os, shutil
@table(landed=files("orders/*", format={kind!r}))
def orders(landed: DataFrame) -> DataFrame:
    if os.path.exists({new!r}):
        {happens}
    return landed
"""
# The same after Spark has listed the files, which it does to tell of their columns, and before it opens them.
OPENING = MEANWHILE.replace("        {happens}", "        landed.columns\n        {happens}")
WAYS = {
    "written over in place": "shutil.copyfile({new!r}, {old!r}); os.remove({new!r})",
    "replaced": "os.replace({new!r}, {old!r})",
    "removed": "os.remove({old!r}); os.remove({new!r})",
    "emptied": "os.truncate({old!r}, 0); os.remove({new!r})",
}
CHANGES = [
    *((kind, "written over in place", ["new 1", "new 2"]) for kind in FORMATS),
    ("csv", "written over in place", ["new"]),  # which has the size of the old one
    *((kind, "replaced", ["new"]) for kind in ("csv", "jsonl", "parquet")),
    *((kind, "removed", []) for kind in ("csv", "jsonl", "parquet")),
    ("csv", "emptied", []),
]


def changing(shop: Project, kind: FormatName, way: str, texts: list[str], table: str = MEANWHILE) -> None:
    """Let three files arrive, one of which will become another as the table is built."""
    for name in ("a", "old", "z"):
        shop.land(f"orders/{name}", encoded([name], kind))
    old, new = str(shop.root / "landing/shop/orders/old"), shop.root / "new"
    new.write_bytes(encoded(texts or ["nothing"], kind))
    os.utime(new, (0, 1_700_000_000))  # files that are written at once may have one time
    happens = WAYS[way].format(old=old, new=str(new))
    shop.table("bronze.orders", table.format(kind=kind, new=str(new), happens=happens))


def change(way: str, old: Path, new: Path, content: bytes) -> None:
    new.write_bytes(content)
    exec(WAYS[way].format(old=str(old), new=str(new)), {"os": os, "shutil": shutil})  # noqa: S102


@pytest.mark.parametrize(("kind", "way", "texts"), some(CHANGES, 6))
def test_a_file_that_changes_between_plan_and_read_is_read_once_as_what_it_became(
    project: Project, kind: FormatName, way: str, texts: list[str]
) -> None:
    changing(project, kind, way, texts)
    assert project.run("bronze.orders").files == {"done": 2, "vanished": 1}
    assert project.rows("bronze.orders", "a") == [("a",), ("z",)]
    project.run("bronze.orders")
    project.run("bronze.orders")
    assert project.rows("bronze.orders", "a") == sorted((text,) for text in ["a", "z", *texts])
    became = [("old", "done", len(texts))] * (way != "removed")
    assert ledger(project) == [("a", "done", 1), *became, ("old", "vanished", None), ("z", "done", 1)]


@pytest.mark.parametrize(
    ("kind", "new", "way"),
    some(
        [
            (kind, new, way)
            for way in ("written over in place", "removed", "emptied")
            for kind, new in (("csv", "b\n1\n2\n"), ("csv", "b"), ("csv", "\xff"), ("parquet", "b"))
        ],
        5,
    ),
)
def test_what_changes_before_it_is_looked_into_has_vanished_whatever_is_in_it_now(
    project: Project, monkeypatch: pytest.MonkeyPatch, kind: FormatName, new: str, way: str
) -> None:
    """Its columns would be refused, or it has none, or it isn't a file of its kind."""
    plan, old = Ledger.plan, project.root / "landing/shop/orders/old"
    project.bronze("orders", f"format={kind!r}, evolve='fail'")
    project.land("orders/0", encoded(["0"], kind))
    project.run("bronze.orders")
    for name in ("a", "old", "z"):
        project.land(f"orders/{name}", encoded([name], kind))

    def planned(*arguments: Any) -> tuple[int, list[Arrival]]:
        found = plan(*arguments)
        monkeypatch.setattr(Ledger, "plan", plan)
        change(way, old, project.root / "new", new.encode("latin1"))
        return found

    monkeypatch.setattr(Ledger, "plan", planned)
    assert project.run("bronze.orders").files == {"done": 2, "vanished": 1}
    assert project.rows("bronze.orders", "a") == [("0",), ("a",), ("z",)]
    assert ("old", "vanished", None) in ledger(project)


@pytest.mark.parametrize("way", ["removed", "emptied", "written over in place"])
def test_a_file_that_changes_before_spark_asks_for_its_schema_takes_no_other_with_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The schema of files that have the same is asked of the first."""
    ask, first = columnar.read_typed, project.root / "landing/shop/orders/a"
    project.bronze("orders", "format='parquet'")
    for name in "abc":
        project.land(f"orders/{name}", encoded([name], "parquet"))

    def asked(*arguments: Any) -> Group:
        monkeypatch.setattr(columnar, "read_typed", ask)
        change(way, first, project.root / "new", b"none")
        return ask(*arguments)

    monkeypatch.setattr(columnar, "read_typed", asked)
    assert project.run("bronze.orders").files == {"done": 2, "vanished": 1}
    assert project.rows("bronze.orders", "a") == [("b",), ("c",)]


def test_files_of_which_a_store_tells_other_times_are_read(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def otherwise(*asked: Any) -> list[Arrival]:
        return [replace(f, modified=f.modified - timedelta(days=1)) for f in list_arrivals(*asked)]

    changing(project, "jsonl", "removed", [])
    (project.root / "new").unlink()
    monkeypatch.setattr(ingest, "list_arrivals", otherwise)
    assert project.run("bronze.orders").files == {"done": 3}
    assert project.rows("bronze.orders", "a") == [("a",), ("old",), ("z",)]


ANEW = [("a", "done", 1), ("old", "done", 1), ("old", "vanished", None), ("z", "done", 1)]


@pytest.mark.parametrize(
    ("kind", "way"), some([(kind, way) for way in ("written over in place", "replaced") for kind in FORMATS], 4)
)
def test_a_file_that_changes_between_listing_and_opening_is_read_once_as_what_it_became(
    project: Project, kind: FormatName, way: str
) -> None:
    changing(project, kind, way, ["new"], OPENING)
    assert project.run("bronze.orders").files == {"done": 3, "vanished": 1}
    assert ledger(project) == ANEW
    assert project.run("bronze.orders").plan.strategy == "nothing"
    assert project.rows("bronze.orders", "a") == [("a",), ("new",), ("z",)]
    assert project.run("bronze.orders", full=True).files == {"done": 3}


def test_that_is_seen_of_a_batch_of_one_file_too(project: Project) -> None:
    changing(project, "csv", "replaced", ["new"], OPENING)
    for name in ("a", "z"):
        (project.root / f"landing/shop/orders/{name}").unlink()
    assert project.run("bronze.orders").files == {"done": 1, "vanished": 1}
    assert project.run("bronze.orders").plan.strategy == "nothing"
    assert project.rows("bronze.orders", "a") == [("new",)]


def test_of_a_file_that_becomes_longer_between_listing_and_opening_no_row_is_lost(project: Project) -> None:
    """Spark reads no more of it than the old length; that part is there once more."""
    changing(project, "csv", "replaced", ["new 1", "new 2", "new 3"], OPENING)
    for _ in range(3):
        project.run("bronze.orders")
    rows = [text for (text,) in project.rows("bronze.orders", "a")]
    assert rows == ["a", "new 1", "new 1", "new 2", "new 3", "z"]
    assert project.run("bronze.orders").plan.strategy == "nothing"


def test_that_is_seen_though_the_run_is_killed_before_it_told(project: Project) -> None:
    changing(project, "csv", "replaced", ["new"], OPENING)
    assert (
        run_and_die(project, "bronze.orders", "before lakehouse_assets.engine.sources.arrivals.ledger:Ledger.mark")
        == -9
    )
    assert project.run("bronze.orders").files == {"done": 3, "vanished": 1}
    assert ledger(project) == ANEW
    project.run("bronze.orders")
    assert project.rows("bronze.orders", "a") == [("a",), ("new",), ("z",)]


def rejected(shop: Project) -> list[str]:
    return [json.loads(row)["a"] for (row,) in shop.rejected("bronze.orders", "row")]


RULED = OPENING.replace("{kind!r})", """{kind!r}), expect=[drop("a <> 'bad'")]""")


def test_what_such_a_file_became_has_its_rejected_rows_in_quarantine(project: Project) -> None:
    changing(project, "csv", "replaced", ["good", "bad", "bad"], RULED)
    assert project.run("bronze.orders").files == {"done": 3, "vanished": 1}
    assert project.run("bronze.orders").plan.strategy == "nothing"
    assert project.rows("bronze.orders", "a") == [("a",), ("good",), ("z",)]
    assert rejected(project) == ["bad", "bad"]


def test_what_such_a_file_became_is_a_new_arrival_if_all_its_rows_are_rejected(project: Project) -> None:
    changing(project, "csv", "replaced", ["bad", "bad"], RULED)
    assert project.run("bronze.orders").files == {"done": 2, "vanished": 1}
    assert project.run("bronze.orders").files == {"done": 1}
    assert project.rows("bronze.orders", "a") == [("a",), ("z",)]
    assert rejected(project) == ["bad", "bad"]


def once_committed(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Any]) -> None:
    commit = batch.commit

    def committed(*arguments: Any) -> Any:
        monkeypatch.setattr(batch, "commit", commit)
        done = commit(*arguments)
        happens()
        return done

    monkeypatch.setattr(batch, "commit", committed)


def test_of_a_file_that_changes_twice_each_version_is_read_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing(project, "csv", "replaced", ["new"], OPENING)
    once_committed(monkeypatch, lambda: project.land("orders/old", "a\nnewest\n"))
    for _ in range(3):
        project.run("bronze.orders")
    assert project.rows("bronze.orders", "a") == [("a",), ("new",), ("newest",), ("z",)]


A_ROW = {"a": "", "n": 1.5, "at": "2026-01-01T00:00:00.000001Z", "s": {"x": [1, None]}}
ROWS = [A_ROW, {"a": "another"}]
NESTED = """
@table(landed=files("orders/*", format="jsonl"))
def orders(landed: DataFrame) -> DataFrame:
    return landed.withColumn("at", F.to_timestamp("at"))
"""


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def test_a_file_that_is_written_again_as_it_was_while_it_is_read_is_read_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.table("bronze.orders", NESTED)
    project.land("orders/old", lines(ROWS))
    once_committed(monkeypatch, lambda: project.land("orders/old", lines(ROWS[::-1])))
    assert project.run("bronze.orders").files == {"done": 1, "vanished": 1}
    assert project.run("bronze.orders").plan.strategy == "nothing"
    assert len(project.rows("bronze.orders")) == 2


@pytest.mark.parametrize(
    "became",
    some(
        [
            [*ROWS, A_ROW],
            [A_ROW],
            [],
            [A_ROW | {"a": None}, *ROWS[1:]],
            [A_ROW | {"at": "2026-01-01T00:00:00.000002Z"}, *ROWS[1:]],
            [A_ROW | {"s": {"x": [None, 1]}}, *ROWS[1:]],
            [A_ROW | {"another": 1}, *ROWS[1:]],
            [A_ROW | {"n": "not a number"}, *ROWS[1:]],
        ],
        4,
    ),
)
def test_a_file_that_changes_when_it_was_read_is_read_again_however_little_it_changed(
    project: Project, monkeypatch: pytest.MonkeyPatch, became: list[dict[str, Any]]
) -> None:
    project.table("bronze.orders", NESTED)
    project.land("orders/old", lines(ROWS))
    once_committed(monkeypatch, lambda: project.land("orders/old", lines(became)))
    assert project.run("bronze.orders").files == {"done": 1}
    assert project.run("bronze.orders").files == {"done": 1}
    assert len(project.rows("bronze.orders")) == 2 + len(became)


@pytest.mark.parametrize("became", some(["a,b\n1,1\n", "a\nx\n", "a\n666\n", "a\n", "", "\xff"], 3))
def test_what_a_file_became_stops_the_batch_that_read_it_in_no_case(
    project: Project, monkeypatch: pytest.MonkeyPatch, became: str
) -> None:
    """The table's function fails for it, or a rule, or it can't be read."""
    project.table(
        "bronze.orders",
        """
        @table(landed=files("orders/*"), expect=[fail("a <> '666'"), drop("a <> '13'")])
        def orders(landed: DataFrame) -> DataFrame:
            return landed.where("CAST(a AS int) > 0").drop("_rescued" if "b" in landed.columns else "b")
        """,
    )
    project.land("orders/old", "a\n1\n")
    once_committed(monkeypatch, lambda: project.land("orders/old", became.encode("latin1")))
    assert project.run("bronze.orders").files == {"done": 1}
    assert ("old", "done", 1) in ledger(project)
    assert project.rows("bronze.orders", "a") == [("1",)]
