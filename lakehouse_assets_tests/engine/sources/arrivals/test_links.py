"""What lies in a landing folder and isn't a file of it is told, and neither opened nor moved; all else is read."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.sources.arrivals.cleanup import put_away
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.sources.arrivals.listing import list_arrivals, still_there
from lakehouse_assets.engine.sources.formats.reader import read_files
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets_tests.engine.sources.reading import put
from lakehouse_assets_tests.project import Project


def names(folder: Path, pattern: str = "**") -> list[str]:
    return [a.path.removeprefix(f"{folder}/") for a in list_arrivals(files(pattern), str(folder))]


def told(project: Project) -> dict[str, tuple[str, str | None]]:
    """How each file of `bronze.orders` ended, and why."""
    entries = Ledger(project.lake.arrivals("shop.bronze.orders")).entries()
    return {Path(e.path).name: (e.status, e.error) for e in entries}


def test_what_leads_out_of_the_landing_folder_fails_and_stops_no_file(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.bronze("orders")
    folder = Path(project.land("orders/good.csv", "id\n1\n")).parent
    secret = put(tmp_path, "outside/secret.csv", "id\nsecret\n")
    put(folder, "_kept/2.csv", "id\n2\n")
    (folder / "inside.csv").symlink_to(folder / "_kept" / "2.csv")
    (folder / "out.csv").symlink_to(secret)
    (folder / "relative.csv").symlink_to(os.path.relpath(secret, folder))
    (folder / "twice.csv").symlink_to(folder / "out.csv")
    (folder / "nowhere.csv").symlink_to(folder / "none")
    (folder / "itself.csv").symlink_to("itself.csv")
    (folder / "zero.csv").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.csv")
    (folder / "to pipe.csv").symlink_to("pipe.csv")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(folder)  # a socket's address is a path of at most 107 bytes
        server.bind("socket.csv")
    project.run("bronze.orders")
    found = told(project)
    assert project.rows("bronze.orders", "id") == [("1",), ("2",)]
    assert [found.pop(name) for name in ("good.csv", "inside.csv")] == [("done", None)] * 2
    wanted = {
        "out.csv": f"it's a link to '{secret}', which is no file of the landing folder; land the file itself",
        "relative.csv": f"it's a link to '{secret}'", "twice.csv": f"it's a link to '{secret}'",
        "nowhere.csv": f"it's a link to '{folder / 'none'}', which isn't there", "itself.csv": "in a circle",
        "zero.csv": "it's a link to a device at '/dev/zero'", "pipe.csv": "it's a pipe, and no file",
        "to pipe.csv": "it's a link to a pipe", "socket.csv": "it's a socket",
    }  # fmt: skip
    assert found.keys() == wanted.keys()
    for name, why in wanted.items():
        assert found[name][0] == "failed"
        assert why in str(found[name][1])
    assert project.run("bronze.orders").plan.reason == "no new files"
    for name in ("out.csv", "twice.csv"):
        (folder / name).unlink()
    put(folder, "out.csv", "id\n3\n")
    assert project.run("bronze.orders").files == {"done": 1}
    assert project.rows("bronze.orders", "id") == [("1",), ("2",), ("3",)]


def test_a_folder_that_leads_out_is_told_where_files_could_be_in_it(tmp_path: Path) -> None:
    landing, outside = tmp_path / "landing", tmp_path / "landing of another"
    put(landing, "orders/1.csv", "a\n1\n")
    put(outside, "2.csv", "a\n2\n")
    for link in ("orders/linked", "linked", "_linked"):
        (landing / link).symlink_to(outside)
    assert names(landing, "**/*.csv") == ["linked", "orders/1.csv", "orders/linked"]
    assert names(landing, "*/*.csv") == ["linked", "orders/1.csv"]
    assert names(landing, "orders/*.csv") == ["orders/1.csv"]
    (landing / "of nothing.txt").symlink_to(outside / "2.csv")
    assert "of nothing.txt" not in names(landing, "**/*.csv")


def test_a_link_within_the_landing_folder_is_a_second_name_and_the_folder_may_be_a_link_itself(tmp_path: Path) -> None:
    put(tmp_path, "disk/2024/1.csv", "a\n1\n")
    (tmp_path / "disk/latest").symlink_to("2024")
    (tmp_path / "disk/first.csv").symlink_to("2024/1.csv")
    landing = tmp_path / "landing"
    landing.symlink_to(tmp_path / "disk")
    assert names(landing) == ["2024/1.csv", "first.csv", "latest/1.csv"]


def test_folders_that_lead_to_each_other_are_listed_to_an_end(tmp_path: Path) -> None:
    folders = [tmp_path / str(n) for n in range(6)]
    for folder in folders:
        put(folder, "1.csv", "a\n1\n")
        for other in folders:
            (folder / f"to {other.name}").symlink_to(other)
    found = names(tmp_path)
    assert {f"{n}/1.csv" for n in range(6)} <= set(found)
    assert len(found) <= 6 * 6


def test_a_file_that_becomes_a_link_or_a_pipe_is_not_read(spark, tmp_path: Path) -> None:
    source, folder = files("*"), tmp_path / "landing"
    for name in ("1.csv", "2.csv"):
        put(folder, name, "a\n1\n")
    planned = list_arrivals(source, str(folder))
    for name in ("1.csv", "2.csv"):
        (folder / name).unlink()
    (folder / "1.csv").symlink_to(put(tmp_path, "secret.csv", "a\nno secret\n"))
    os.mkfifo(folder / "2.csv")
    assert still_there(planned) == ([], planned)
    reading = read_files(spark, source, planned[1:], {}, ())  # it isn't waited for
    assert reading.df is None


@pytest.mark.parametrize("afterwards", ["archive", "delete"])
def test_nothing_is_put_away_through_a_link(tmp_path: Path, afterwards) -> None:
    source, landing = files("**", afterwards=afterwards), tmp_path / "landing"
    kept = put(landing, "_kept/1.csv", "a\n1\n")
    (landing / "1.csv").symlink_to(kept)
    put(landing, "in/2.csv", "a\n2\n")
    read = [(file, 1) for file in list_arrivals(source, str(landing))]
    outside = put(tmp_path, "outside/2.csv", "a\n2\n").parent
    (landing / "in").rename(landing / "_in")
    (landing / "in").symlink_to(outside)
    with pytest.raises(SourceError, match=r"in/2\.csv: .*/in leads out of .*/landing by a link; make it a folder"):
        put_away(source, str(landing), read)
    assert ((landing / "1.csv").is_symlink(), kept.exists()) == (True, True)
    assert [p.name for p in outside.iterdir()] == ["2.csv"]
    assert not (landing / "_archive").exists()


def test_an_archive_that_leads_out_takes_nothing_in(tmp_path: Path) -> None:
    source, landing, outside = files("*.csv", afterwards="archive"), tmp_path / "landing", tmp_path / "outside"
    outside.mkdir()
    path = put(landing, "1.csv", "a\n1\n")
    (landing / "_archive").symlink_to(outside)
    with pytest.raises(SourceError, match="_archive/000001 leads out of"):
        put_away(source, str(landing), [(file, 1) for file in list_arrivals(source, str(landing))])
    assert (path.exists(), list(outside.iterdir())) == (True, [])
