"""Files and tables in ADLS: against Azurite, which stands for the Blob service of Azure Storage."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import fsspec
import pytest
from azure.storage.blob import ContainerClient

from lakehouse_assets.engine.compile.sensors import pending
from lakehouse_assets.engine.errors import LakehouseError, SettingsError, SourceError
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.run.ingest import ingest
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, list_arrivals, still_there
from lakehouse_assets.engine.sources.formats.reader import read_files
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets.resources.azure import azure_storage, lake_at
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets_tests.conftest import new_project
from lakehouse_assets_tests.crash import assert_at_once, run_and_die
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.azurite import ACCOUNT, KEY, Azurite
from lakehouse_assets_tests.servers.throttle import CLIENTS, FOR_EVER, refused, throttled
from lakehouse_assets_tests.soak import some

BRONZE = """
@table(landed=files("orders/**/*.csv"))
def orders(landed: DataFrame) -> DataFrame:
    return landed
"""
SILVER = """
@table(raw="bronze.orders", columns=[Column("id", "int", key=True), Column("amount", "int"), Column("at", "int")],
       expect=[drop("amount < 1000")], write=merge(on="id", newest="at"))
def orders(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "int(amount) amount", "int(at) at", "_source")
"""


@pytest.fixture
def shop(
    tmp_path: Path, container: str, azure_engine: SparkResource, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    with new_project(tmp_path, azure_engine, monkeypatch, container) as made:
        made.table("bronze.orders", BRONZE)
        made.table("silver.orders", SILVER)
        yield made


def build(shop: Project) -> None:
    shop.run("bronze.orders")
    shop.run("silver.orders")


def statuses(shop: Project) -> dict[str, str]:
    entries = Ledger(shop.lake.arrivals("shop.bronze.orders"), shop.lake.storage).entries()
    return {e.path.rpartition("orders/")[2]: e.status for e in entries}


def test_files_in_a_container_become_rows_of_tables_there_once(shop: Project) -> None:
    shop.land("orders/2024/a b.csv", "id,amount,at\n1,10,1\n2,5000,1\n")
    shop.land("orders/2024/Größe %41#1.csv", "amount,id,at\n30,3,1\n")
    build(shop)
    assert shop.rows("silver.orders", "id", "amount") == [(1, 10), (3, 30)]
    assert [source.rpartition("/")[2] for (source,) in shop.rejected("silver.orders", "source")] == ["a b.csv"]
    build(shop)
    assert len(shop.rows("bronze.orders")) == 3
    shop.land("orders/2024/a b.csv", "id,amount,at\n1,11,2\n")  # overwritten
    build(shop)
    assert shop.rows("silver.orders", "id", "amount") == [(1, 11), (3, 30)]
    assert len(shop.rows("bronze.orders")) == 4


# Names made to lead elsewhere, to be taken for a pattern, or as long as can be (1,000, of Azure's 1,024, with
# the folder). Control characters that XML has no place for, Azurite takes, and then can't list the container.
ODD = (
    "%2F..%2F..%2Fetc%2Fpasswd.csv", "a..%2f.csv", "a..b.csv", "%252e%252e.csv", "it's \"so\".csv", "* ? [x] {a,b}.csv",
    "day=1,b=2.csv", "#?&=+;@$!~.csv", "x" * 976 + ".csv", "\u202etxt.csv", "\U0001f6eb.csv",
    "e\u0301.csv", "\u00e9.csv", "\x7f.csv", "\x85.csv", "\u2028.csv", " 1 /2 .csv", "1./2.csv", "%0a.csv", "%01.csv",
)  # fmt: skip
# Names by which fsspec or Hadoop comes to another blob.
MISLEADING = {
    "1\n2.csv": "12.csv", "3\t4.csv": "34.csv", "5\r6.csv": "56.csv", "7.csv::8.csv": "7.csv", "9?a#b.csv": "9#b.csv?a",
    "c.csv?versionid=d.csv": "c.csv", "e//f.csv": "e/f.csv", "\n.csv": ".csv",
}  # fmt: skip


def upload(shop: Project, azurite: Azurite, names: Iterable[str], header: str = "id,amount,at") -> None:
    """Blobs by Azure's own client, which takes any name; each has one row, whose `id` is its name, with _ for odd."""
    with ContainerClient.from_connection_string(azurite.connection_string, named(shop.store)) as client:
        for name in names:
            client.upload_blob(f"landing/shop/orders/{name}", f"{header}\n{escaped(name)},1,1\n", overwrite=True)


def named(url: str) -> str:
    return url.partition("//")[2].partition("@")[0]


def escaped(name: str) -> str:
    return quote(name).replace("%", "_")


def test_no_file_is_lost_or_taken_for_another_whatever_its_name(shop: Project, azurite: Azurite) -> None:
    upload(shop, azurite, ODD)
    shop.run("bronze.orders")
    assert statuses(shop) == dict.fromkeys(ODD, "done")
    found = dict(shop.rows("bronze.orders", "_source", "id"))
    assert {source.rpartition("orders/")[2]: n for source, n in found.items()} == {n: escaped(n) for n in ODD}


def test_a_name_that_leads_to_another_blob_is_refused_and_stops_nothing(shop: Project, azurite: Azurite) -> None:
    others = [name for name in MISLEADING.values() if name.endswith(".csv") and name[0] != "."]
    upload(shop, azurite, MISLEADING.values())
    upload(shop, azurite, MISLEADING, header="amount,id,at")
    assert shop.run("bronze.orders").files == {"done": len(others), "failed": len(MISLEADING)}
    assert statuses(shop) == {**dict.fromkeys(others, "done"), **dict.fromkeys(MISLEADING, "failed")}
    assert shop.rows("bronze.orders", "id", "amount") == sorted((escaped(name), "1") for name in others)
    assert shop.run("bronze.orders").plan.strategy == "nothing"


def test_what_stands_for_a_folder_or_goes_up_is_no_file_and_hides_none(shop: Project, azurite: Azurite) -> None:
    odd = [f"landing/shop/orders{name}" for name in ("", "/../2.csv", "/in/../1.csv")]
    azurite.put(shop.store, odd, b"id\n1\n")
    upload(shop, azurite, ["1.csv", "1.csv/", "2.csv/", "in/3.csv"])
    with ContainerClient.from_connection_string(azurite.connection_string, named(shop.store)) as client:
        assert set(odd) < set(client.list_blob_names())
    assert shop.run("bronze.orders").files == {"done": 2}
    assert statuses(shop) == {"1.csv": "done", "in/3.csv": "done"}
    assert shop.rows("bronze.orders", "id") == [("1.csv",), ("in/3.csv",)]


def test_spark_finds_the_very_versions_of_blobs_that_were_planned(shop: Project) -> None:
    for number in (1, 2):
        shop.land(f"orders/{number}.csv", f"id\n{number}\n")
    source = files("orders/*.csv")
    listed = list_arrivals(source, shop.lake.landing_folder("shop"))
    reading = read_files(shop.engine.session(), source, [*listed[:1], *still_there(listed[1:])[0]], {}, ())
    assert reading.df is not None
    assert sorted(row["id"] for row in reading.df.collect()) == ["1", "2"]


WHILE_READ = """
import os, fsspec
@table(landed=files("orders/**/*.csv"))
def orders(landed: DataFrame) -> DataFrame:
    if os.path.exists({once!r}):
        os.remove({once!r})
        store, path = fsspec.core.url_to_fs({url!r})
        {happens}
    return landed
"""


@pytest.mark.parametrize(
    ("happens", "became"),
    [("store.pipe_file(path, b'id,amount,at\\n8,1,1\\n9,1,1\\n', overwrite=True)", ["8", "9"]), ("store.rm(path)", [])],
)
def test_a_blob_that_changes_between_plan_and_read_is_read_once_as_what_it_became(
    shop: Project, happens: str, became: list[str]
) -> None:
    for number in (1, 2, 3):
        shop.land(f"orders/{number}.csv", f"id,amount,at\n{number},1,1\n")
    once = shop.root / "once"
    once.touch()
    url = f"{shop.lake.landing}/shop/orders/2.csv"
    shop.table("bronze.orders", WHILE_READ.format(once=str(once), url=url, happens=happens))
    assert shop.run("bronze.orders").files == {"done": 2, "vanished": 1}
    assert shop.rows("bronze.orders", "id") == [("1",), ("3",)]
    shop.run("bronze.orders")
    assert shop.rows("bronze.orders", "id") == [(number,) for number in ("1", "3", *became)]
    entries = Ledger(shop.lake.arrivals("shop.bronze.orders"), shop.lake.storage).entries()
    ends = [(e.status, e.rows) for e in entries if e.path == url]
    assert sorted(ends, key=str) == [("done", 2)] * bool(became) + [("vanished", None)]
    assert shop.run("bronze.orders").plan.strategy == "nothing"


def test_a_blob_that_changes_between_listing_and_opening_is_read_once_as_what_it_became(shop: Project) -> None:
    for number in (1, 2, 3):
        shop.land(f"orders/{number}.csv", f"id,amount,at\n{number},1,1\n")
    once = shop.root / "once"
    once.touch()
    url = f"{shop.lake.landing}/shop/orders/2.csv"
    happens = "landed.columns; store.pipe_file(path, b'id,amount,at\\n8,1,1\\n', overwrite=True)"
    shop.table("bronze.orders", WHILE_READ.format(once=str(once), url=url, happens=happens))
    assert shop.run("bronze.orders").files == {"done": 3, "vanished": 1}
    assert shop.run("bronze.orders").plan.strategy == "nothing"
    assert shop.rows("bronze.orders", "id") == [("1",), ("3",), ("8",)]


def test_blobs_deleted_before_they_are_read_are_told_and_stop_nothing(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of a batch that another run has planned, and one that has just been listed."""
    for name in ("1.csv", "2.csv"):
        shop.land(f"orders/{name}", "id,amount,at\n1,1,1\n")
    source, store = files("orders/*.csv"), fsspec.core.url_to_fs(shop.lake.landing)[0]
    ledger = Ledger(shop.lake.arrivals("shop.bronze.orders"), shop.lake.storage)
    ledger.plan(list_arrivals(source, shop.lake.landing_folder("shop")))
    store.rm(fsspec.core.strip_protocol(f"{shop.lake.landing}/shop/orders/2.csv"))
    for name in ("3.csv", "4.csv"):
        shop.land(f"orders/{name}", "id,amount,at\n1,1,1\n")

    def listed(*asked: Any) -> list[Arrival]:
        found = list_arrivals(*asked)
        store.rm(fsspec.core.strip_protocol(found[-1].path))
        return found

    monkeypatch.setattr(ingest, "list_arrivals", listed)
    assert shop.run("bronze.orders").files == {"done": 2, "vanished": 2}
    assert statuses(shop) == {"1.csv": "done", "2.csv": "vanished", "3.csv": "done", "4.csv": "vanished"}
    assert len(shop.rows("bronze.orders")) == 2


@pytest.mark.parametrize(
    "where", some(["after lake.small_writes:append", "before modes.commit:commit", "after modes.commit:commit"], 1)
)
def test_a_run_killed_at_a_boundary_is_completed_by_the_next(shop: Project, where: str) -> None:
    shop.land("orders/1.csv", "id,amount,at\n1,10,1\n")
    build(shop)
    shop.land("orders/2.csv", "id,amount,at\n2,20,1\n3,5000,1\n")
    moment, function = where.split(" ")
    assert run_and_die(shop, "bronze.orders", f"{moment} lakehouse_assets.engine.{function}") == -9
    build(shop)
    assert shop.rows("bronze.orders", "id", "_batch") == [("1", 1), ("2", 2), ("3", 2)]
    assert (shop.rows("silver.orders", "id"), len(shop.rejected("silver.orders"))) == ([(1,), (2,)], 1)
    assert set(statuses(shop).values()) == {"done"}


@pytest.mark.parametrize("name", ["bronze.orders", "silver.orders"])
def test_two_runs_at_once_come_out_as_one(shop: Project, name: str) -> None:
    shop.land("orders/1.csv", "id,amount,at\n1,10,1\n2,20,1\n")
    build(shop)
    shop.land("orders/2.csv", "id,amount,at\n2,25,2\n3,30,1\n")
    if name == "silver.orders":
        shop.run("bronze.orders")
    assert_at_once(shop, name)
    build(shop)
    assert len(shop.rows("bronze.orders")) == 4
    assert shop.rows("silver.orders", "id", "amount") == [(1, 10), (2, 25), (3, 30)]


def test_a_misspelt_container_or_account_is_told_and_not_taken_for_an_empty_folder(container: str) -> None:
    with pytest.raises(SourceError, match="there is no container 'nolake'"):
        list_arrivals(files("*.csv"), f"abfs://nolake@{ACCOUNT}.dfs.core.windows.net/landing")
    assert list_arrivals(files("*.csv"), f"{container}/landing") == []
    with pytest.raises(SettingsError, match=f"is that of the account '{ACCOUNT}', but .* is in 'other'"):
        lake_at("/lake", "abfs://lake@other.dfs.core.windows.net/landing")
    with pytest.raises(SettingsError, match="names no container; write abfss://CONTAINER@ACCOUNT"):
        azure_storage(f"abfs://{ACCOUNT}.dfs.core.windows.net/landing")


def signed(azurite: Azurite, until: datetime) -> str:
    """A connection string with a shared access signature, which ends at some time, and no key."""
    from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

    sas = generate_account_sas(
        ACCOUNT, KEY, ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, list=True, delete=True, create=True, add=True), until,
    )  # fmt: skip
    return f"BlobEndpoint=http://127.0.0.1:{azurite.blobs}/{ACCOUNT};AccountName={ACCOUNT};SharedAccessSignature={sas}"


def test_a_signature_opens_the_landing_folder_until_it_has_expired(
    azurite: Azurite, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, folder = fsspec.core.url_to_fs(f"{container}/landing")
    store.pipe_file(f"{folder}/1.csv", b"id\n1\n")
    listed = list_arrivals(files("*.csv"), f"{container}/landing")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", signed(azurite, datetime.now(UTC) + timedelta(hours=1)))
    fsspec.get_filesystem_class("abfs").clear_instance_cache()
    assert list_arrivals(files("*.csv"), f"{container}/landing") == listed != []
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", signed(azurite, datetime.now(UTC) - timedelta(hours=1)))
    fsspec.get_filesystem_class("abfs").clear_instance_cache()
    with pytest.raises(SourceError, match="check the address, the access rights") as told:
        list_arrivals(files("*.csv"), f"{container}/landing")
    assert "sig=" not in str(told.value)
    with pytest.raises(SourceError, match=r"Reading the ledger .* 403 Forbidden; check") as told:
        Ledger(f"{container}/lake/ledger", azure_storage(container).for_delta_rs()).entries()
    assert "sig=" not in str(told.value)


def test_no_secret_is_in_what_dagster_keeps_nor_in_the_ledger(shop: Project, instance: dg.DagsterInstance) -> None:
    shop.land("orders/1.csv", "id,amount,at\n1,10,1\n")
    loaded = shop.definitions()
    done = loaded.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
    kept = [str(event) for event in instance.all_logs(done.run_id)]
    kept += [str(resource) for resource in (loaded.resources or {}).values()]
    ledger = read_log(TableRef(shop.lake.arrivals("shop.bronze.orders"), storage=shop.lake.storage))
    assert ledger is not None
    kept.append(str(ledger.table.to_pandas().to_dict()))
    assert done.success
    assert not [text for text in kept if KEY in text or "AccountKey" in text]


@contextmanager
def busy_shop(
    folder: Path, azurite: Azurite, container: str, engine: SparkResource, times: Mapping[str, int]
) -> Iterator[tuple[Project, Azurite]]:
    """A shop whose account refuses the first requests of clients, by a session of its own on the same engine."""
    with throttled(azurite, times) as busy, pytest.MonkeyPatch.context() as patched:
        for name, value in busy.environment.items():
            patched.setenv(name, value)
        fsspec.get_filesystem_class("abfs").clear_instance_cache()
        another = SparkResource(**{name: getattr(engine, name) for name in SparkResource.model_fields})
        with new_project(folder, another, patched, container) as made:
            made.table("bronze.orders", BRONZE)
            yield made, busy
    fsspec.get_filesystem_class("abfs").clear_instance_cache()


def test_an_account_that_is_busy_is_asked_again_and_nothing_is_lost_or_twice(
    tmp_path: Path, azurite: Azurite, container: str, azure_engine: SparkResource
) -> None:
    azurite.put(container, ["landing/shop/orders/1.csv"], b"id,amount,at\n1,10,1\n2,20,1\n")
    with busy_shop(tmp_path, azurite, container, azure_engine, dict.fromkeys(CLIENTS, 1)) as (shop, busy):
        shop.table("silver.orders", SILVER)
        build(shop)
        build(shop)
        assert refused(busy) == dict.fromkeys(CLIENTS, 1)
        assert shop.rows("silver.orders", "id", "amount") == [(1, 10), (2, 20)]
        assert len(shop.rows("bronze.orders")) == 2
        assert statuses(shop) == {"1.csv": "done"}


@pytest.mark.parametrize(
    ("client", "doing"),
    some([("adlfs", "Listing files in"), ("object_store", "Reading the ledger"), ("APN", "Reading files")], 2),
)
def test_an_account_that_stays_busy_is_told_within_a_minute_and_its_files_wait(
    tmp_path: Path, azurite: Azurite, container: str, azure_engine: SparkResource, client: str, doing: str
) -> None:
    azurite.put(container, ["landing/shop/orders/1.csv"], b"id,amount,at\n1,10,1\n2,20,1\n")
    start = time.monotonic()
    with busy_shop(tmp_path, azurite, container, azure_engine, {client: FOR_EVER}) as (shop, _):
        table = shop.lakehouse.tables["shop.bronze.orders"]
        with pytest.raises(LakehouseError, match=f"{doing}.*(busy|503)"):
            shop.run("bronze.orders")
    assert time.monotonic() - start < 60
    assert [path for path, _ in pending(table, shop.lake)] == [f"{container}/landing/shop/orders/1.csv"]
