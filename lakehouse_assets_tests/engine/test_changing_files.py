"""Files that change after they were planned and before Spark reads them: each version is read once or not at all."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse_assets.engine.arrivals import Ledger
from lakehouse_assets.engine.inputs import Format
from lakehouse_assets.engine.run import arrive
from lakehouse_assets.engine.sources import typed
from lakehouse_assets.engine.sources.conform import Group
from lakehouse_assets.engine.sources.listing import Arrival, list_arrivals
from lakehouse_assets_tests.engine.reading import FORMATS, encoded, ledger
from lakehouse_assets_tests.project import Project

# A table during whose build, which is between the plan of a batch and its reading, something happens once.
MEANWHILE = """
import os, shutil
@table(landed=files("orders/*", format={kind!r}))
def orders(landed: DataFrame) -> DataFrame:
    if os.path.exists({new!r}):
        {happens}
    return landed
"""
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


def changing(shop: Project, kind: Format, way: str, texts: list[str]) -> None:
    """Let three files arrive, one of which will become another as the table is built."""
    for name in ("a", "old", "z"):
        shop.land(f"orders/{name}", encoded([name], kind))
    old, new = str(shop.root / "landing/shop/orders/old"), shop.root / "new"
    new.write_bytes(encoded(texts or ["nothing"], kind))
    os.utime(new, (0, 1_700_000_000))  # files that are written at once may have one time
    happens = WAYS[way].format(old=old, new=str(new))
    shop.table("bronze.orders", MEANWHILE.format(kind=kind, new=str(new), happens=happens))


def change(way: str, old: Path, new: Path, content: bytes) -> None:
    new.write_bytes(content)
    exec(WAYS[way].format(old=str(old), new=str(new)), {"os": os, "shutil": shutil})  # noqa: S102


@pytest.mark.parametrize(("kind", "way", "texts"), CHANGES)
def test_a_file_that_changes_between_plan_and_read_is_read_once_as_what_it_became(
    project: Project, kind: Format, way: str, texts: list[str]
) -> None:
    changing(project, kind, way, texts)
    assert project.run("bronze.orders").files == {"done": 2, "vanished": 1}
    assert project.rows("bronze.orders", "a") == [("a",), ("z",)]
    project.run("bronze.orders")
    project.run("bronze.orders")
    assert project.rows("bronze.orders", "a") == sorted((text,) for text in ["a", "z", *texts])
    became = [("old", "done", len(texts))] * (way != "removed")
    assert ledger(project) == [("a", "done", 1), *became, ("old", "vanished", None), ("z", "done", 1)]


@pytest.mark.parametrize("way", ["written over in place", "removed", "emptied"])
@pytest.mark.parametrize(("kind", "new"), [("csv", "b\n1\n2\n"), ("csv", "b"), ("csv", "\xff"), ("parquet", "b")])
def test_what_changes_before_it_is_looked_into_has_vanished_whatever_is_in_it_now(
    project: Project, monkeypatch: pytest.MonkeyPatch, kind: Format, new: str, way: str
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
    ask, first = typed.read_typed, project.root / "landing/shop/orders/a"
    project.bronze("orders", "format='parquet'")
    for name in "abc":
        project.land(f"orders/{name}", encoded([name], "parquet"))

    def asked(*arguments: Any) -> Group:
        monkeypatch.setattr(typed, "read_typed", ask)
        change(way, first, project.root / "new", b"none")
        return ask(*arguments)

    monkeypatch.setattr(typed, "read_typed", asked)
    assert project.run("bronze.orders").files == {"done": 2, "vanished": 1}
    assert project.rows("bronze.orders", "a") == [("b",), ("c",)]


def test_files_of_which_a_store_tells_other_times_are_read(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def otherwise(*asked: Any) -> list[Arrival]:
        return [replace(f, modified=f.modified - timedelta(days=1)) for f in list_arrivals(*asked)]

    changing(project, "jsonl", "removed", [])
    (project.root / "new").unlink()
    monkeypatch.setattr(arrive, "list_arrivals", otherwise)
    assert project.run("bronze.orders").files == {"done": 3}
    assert project.rows("bronze.orders", "a") == [("a",), ("old",), ("z",)]
