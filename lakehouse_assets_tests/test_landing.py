"""Files come into landing folders whole, once, and under the names that tables look for."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lakehouse_assets.landing import NothingToLand, put, unpack
from lakehouse_assets.settings import PROJECT


def test_a_file_that_could_not_be_written_whole_has_no_name_yet_and_may_come_again(tmp_path: Path) -> None:
    def half(path: Path) -> None:
        path.write_text("id\n")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        put(tmp_path / "orders" / "1.csv", half)
    assert [path.name for path in (tmp_path / "orders").iterdir()] == ["_1.csv"]
    assert put(tmp_path / "orders" / "1.csv", lambda path: path.write_text("id\n1\n")) == 1
    assert [path.name for path in (tmp_path / "orders").iterdir()] == ["1.csv"]


def test_what_has_landed_stays_as_it_is(tmp_path: Path) -> None:
    assert put(tmp_path / "1.csv", lambda path: path.write_text("old")) == 1
    assert put(tmp_path / "1.csv", lambda path: path.write_text("new")) == 0
    assert (tmp_path / "1.csv").read_text() == "old"


def test_a_sample_that_is_missing_is_named_and_nothing_lands(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"id\n1\n"))
    places = {"a.csv": "a/a.csv", "b.csv": "b/b.csv"}
    with pytest.raises(NothingToLand, match=r"b\.csv are not in .*its wheel none"):
        unpack(tmp_path, tmp_path / "landing", places)
    assert not (tmp_path / "landing").exists()


def test_samples_are_small_and_each_has_its_source_and_licence_beside_it() -> None:
    folders = [path.parent for path in (PROJECT / "lakehouse_assets" / "domains").glob("*/samples/SOURCES.md")]
    files = [file for folder in folders for file in folder.glob("*.gz")]
    assert sum(file.stat().st_size for file in files) < 3_000_000
    assert {folder.parent.name for folder in folders} == {"ecommerce", "iot"}
    for file in files:
        told = (file.parent / "SOURCES.md").read_text()
        assert file.name in told or f"{file.name.split('_2')[0]}_*.csv.gz" in told, file.name
