"""Files are archived or deleted when their rows are in the table, and none that was never read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pytest
from azure.storage.blob import BlobClient

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.sources.arrivals.cleanup import put_away
from lakehouse_assets.engine.sources.arrivals.listing import list_arrivals
from lakehouse_assets.engine.sources.first_look.text_head import text_of
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets_tests.crash import assert_at_once, run_and_die
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.azurite import Azurite

LEDGER = "lakehouse_assets.engine.sources.arrivals.ledger:Ledger"
NAMES = ("a b/ü %2F.csv", "a b/1.csv", "2.csv")


def bronze(project: Project, afterwards: str) -> None:
    project.bronze("orders", f"afterwards='{afterwards}'")


def landed(project: Project) -> dict[str, str]:
    """What lies in the landing folder, hidden files too."""
    root = Path(project.lake.landing) / "shop"
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_a_file_that_was_read_is_archived_by_its_batch_and_one_that_failed_stays(project: Project) -> None:
    bronze(project, "archive")
    project.land("orders/1.csv", "id\n1\n")
    project.land("orders/broken.csv.gz", "no gzip")
    assert project.run("bronze.orders").files == {"done": 1, "failed": 1, "put_away": 1}
    project.land("orders/1.csv", "id\n2\n")
    assert project.run("bronze.orders").files == {"done": 1, "put_away": 1}
    assert project.rows("bronze.orders", "id") == [("1",), ("2",)]
    assert landed(project) == {
        "_archive/000001/orders/1.csv": "id\n1\n", "_archive/000002/orders/1.csv": "id\n2\n",
        "orders/broken.csv.gz": "no gzip",
    }  # fmt: skip
    with pytest.raises(SourceError, match=r"2 files read before are gone.* rows\. Refresh what is downstream only"):
        project.run("bronze.orders", full=True)


@pytest.mark.parametrize("where", [f"before {LEDGER}.mark", f"after {LEDGER}.mark"])
def test_a_run_that_ends_before_it_deletes_leaves_that_to_the_next(project: Project, where: str) -> None:
    bronze(project, "delete")
    project.land("orders/1.csv", "id\n1\n")
    assert run_and_die(project, "bronze.orders", where) == -9
    assert landed(project) == {"orders/1.csv": "id\n1\n"}
    project.land("orders/2.csv", "id\n2\n")
    assert project.run("bronze.orders").files["put_away"] == 2
    assert (project.rows("bronze.orders", "id"), landed(project)) == ([("1",), ("2",)], {})


def test_two_runs_at_once_put_each_file_away_once(project: Project) -> None:
    bronze(project, "archive")
    names = [f"orders/{n}.csv" for n in range(5)]
    for name in names:
        project.land(name, "id\n1\n")
    assert_at_once(project, "bronze.orders")
    project.run("bronze.orders")
    assert len(project.rows("bronze.orders")) == 5
    assert sorted(landed(project)) == [f"_archive/000001/{name}" for name in names]


class Folder:
    """A landing folder on a disk or in a container."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store, self.path = fsspec.core.url_to_fs(url)

    def land(self, name: str, text: str) -> None:
        path = f"{self.path}/orders/{name}"
        self.store.makedirs(path.rpartition("/")[0], exist_ok=True)
        self.store.pipe_file(path, text.encode())

    def there(self) -> dict[str, str]:
        self.store.invalidate_cache()
        return {
            path.removeprefix(f"{self.path}/"): self.store.cat_file(path).decode()
            for path in self.store.find(self.path)
        }


@pytest.fixture(params=["disk", "azure"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    disk = request.param == "disk"
    return Folder(str(tmp_path) if disk else f"{request.getfixturevalue('container')}/landing")


@pytest.mark.parametrize(("afterwards", "prefix"), [("archive", "_archive/000007/"), ("delete", None)])
def test_files_of_any_name_are_put_away(folder: Folder, afterwards: Any, prefix: str | None) -> None:
    source = files("orders/**", afterwards=afterwards)
    for name in NAMES:
        folder.land(name, name)
    read = [(file, 7) for file in list_arrivals(source, folder.url)]
    assert put_away(source, folder.url, read) == len(NAMES)
    assert folder.there() == ({f"{prefix}orders/{name}": name for name in NAMES} if prefix else {})
    assert put_away(source, folder.url, read) == 0


@pytest.mark.parametrize("afterwards", ["archive", "delete"])
def test_a_version_that_came_after_the_one_that_was_read_stays(folder: Folder, afterwards: Any) -> None:
    source = files("orders/*", afterwards=afterwards)
    folder.land("1.csv", "old")
    read = [(file, 1) for file in list_arrivals(source, folder.url)]
    folder.land("1.csv", "newer")
    newer = list_arrivals(source, folder.url)
    assert put_away(source, folder.url, read) == 0
    assert folder.there() == {"orders/1.csv": "newer"}
    assert list_arrivals(source, folder.url) == newer


@pytest.mark.parametrize(("afterwards", "left"), [("archive", ["_archive/000001/orders/1.csv"]), ("delete", [])])
def test_a_blob_that_someone_has_leased_is_read_and_put_away_after_its_release(
    container: str, azurite: Azurite, afterwards: Any, left: list[str]
) -> None:
    folder, source = Folder(f"{container}/landing"), files("orders/*", afterwards=afterwards)
    folder.land("1.csv", "1")
    name = container.partition("//")[2].partition("@")[0]
    with BlobClient.from_connection_string(azurite.connection_string, name, "landing/orders/1.csv") as blob:
        lease = blob.acquire_lease()
        (file,) = list_arrivals(source, folder.url)
        assert list(text_of(file.path, "UTF-8")) == ["1"]
        assert put_away(source, folder.url, [(file, 1)]) == 0
        assert folder.there()["orders/1.csv"] == "1"
        lease.release()
    assert put_away(source, folder.url, [(file, 1)]) == 1
    assert sorted(folder.there()) == left
