"""Secrets: what reaches a store or an engine by a key, a signature or a token is shown nowhere."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import fsspec
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import SettingsError
from lakehouse_assets.engine.graph.discover import discover
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.sources.arrivals.listing import list_arrivals
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.azure import azure_storage, lake_at, queues_at
from lakehouse_assets.resources.lake import LakeResource
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import read_settings, sound_settings

SECRET = "s3cretWord"
URL = "abfss://lake@account.dfs.core.windows.net/tables"
SAS = f"sv=2024-11-04&sp=rwl&sig={SECRET}%3D"
WAYS = {
    "a key": {"AZURE_STORAGE_ACCOUNT_KEY": f"{SECRET}!"},
    "a signature": {"AZURE_STORAGE_SAS_TOKEN": SAS},
    "a service principal": {
        "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_CLIENT_SECRET": SECRET,
    },
    "a connection string": {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=account;AccountKey={SECRET}!"},
    "one with a signature": {
        "AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=https://account.blob.core.windows.net;QueueEndpoint="
        f"https://account.queue.core.windows.net;SharedAccessSignature={SAS}"
    },
}  # fmt: skip


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An account that is reached by a secret, and whose name leads nowhere."""
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    for name, value in request.param.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("abfs").clear_instance_cache()
    return dict(request.param)


def test_no_value_that_has_a_secret_shows_it(way: dict[str, str], tmp_path: Path) -> None:
    storage, lake = azure_storage(URL), lake_at(URL, URL)
    assert SECRET in str(dict(lake.storage))
    engine = SparkResource(cache=str(tmp_path), stores=[URL])
    context = Context(discover("lakehouse_assets.domains"), lake, engine.session)
    shown = [storage, lake, context, LakeResource(root=URL, landing=URL), queues_at("events", URL)]
    assert SECRET not in f"{shown} {[str(value) for value in shown]}"


def test_a_connection_string_that_leads_to_no_queues_is_told_and_not_shown() -> None:
    text = f"BlobEndpoint=https://account.blob.core.windows.net;SharedAccessSignature={SAS}"
    with pytest.raises(SettingsError, match="AZURE_STORAGE_CONNECTION_STRING needs a QueueEndpoint") as raised:
        queues_at("events", URL, {"AZURE_STORAGE_CONNECTION_STRING": text})
    assert SECRET not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("text", [SECRET, f"AccountName=other;AccountKey={SECRET}", f"AccountKey={SECRET}"])
def test_a_connection_string_that_leads_elsewhere_is_not_shown(text: str) -> None:
    env = {"AZURE_STORAGE_CONNECTION_STRING": text}
    for attempt in (lambda: azure_storage(URL, env), lambda: queues_at("events", URL, env)):
        with pytest.raises(SettingsError, match="AZURE_STORAGE_CONNECTION_STRING is that of the account") as raised:
            attempt()
        assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_no_error_of_a_store_that_is_away_has_a_secret_in_it(
    way: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = {"retry_timeout": "1s", "max_retries": "0", "timeout": "1s"}
    monkeypatch.setattr("lakehouse_assets.engine.lake.stores.WAITS", {"total_retries": 0})
    attempts: list[Callable[[], object]] = [
        lambda: read_log(TableRef(URL, storage={**azure_storage(URL).for_delta_rs(), **quick})),
        lambda: list_arrivals(files("*"), URL),
    ]
    for attempt in attempts:
        with pytest.raises(Exception) as raised:  # noqa: PT011  (whatever it is, this is what's shown of it)
            attempt()
        assert SECRET not in "".join(traceback.format_exception(raised.value))


ADDRESS = f"sc://127.0.0.1:1/;token={SECRET};use_ssl=true"


def test_the_token_of_an_engine_is_not_shown_by_the_settings_nor_by_dagster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_SPARK", ADDRESS)
    resource = SparkResource.from_settings(read_settings())
    shown = dg.Definitions(resources={"spark": resource}).get_repository_def()
    assert resource.address == "sc://127.0.0.1:1"
    assert SECRET not in serialize_value(RepositorySnap.from_def(shown))
    assert SECRET not in f"{read_settings()} {resource} {sound_settings()}"
    monkeypatch.setenv("LAKEHOUSE_SPARK", ADDRESS.replace("sc:", "cs:"))
    with pytest.raises(SettingsError, match=r"LAKEHOUSE_SPARK is 'cs://127\.0\.0\.1:1/'") as raised:
        read_settings()
    assert SECRET not in f"{raised.value} {sound_settings()}"


def test_an_engine_is_told_its_token_though_it_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SparkResource.from_settings(read_settings()).server_settings
    # With a token, PySpark speaks TLS to any host but this one.
    monkeypatch.setenv("LAKEHOUSE_SPARK", spark_server.attach(engine).url.replace("127.0.0.1", "localhost"))
    resource = SparkResource.from_settings(read_settings())
    assert ";" not in resource.address
    assert resource.session().range(3).count() == 3


def test_spark_tells_neither_the_keys_of_stores_nor_their_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    session = SparkResource.from_settings(read_settings()).session()
    names = [
        *(name for name in azure_storage(URL, WAYS["a key"]).for_spark() if ".key." in name),
        *(name for name in azure_storage(URL, WAYS["a signature"]).for_spark() if ".sas." in name),
        *(name for name in azure_storage(URL, WAYS["a service principal"]).for_spark() if ".secret" in name),
    ]
    assert len(names) == 3
    for name in names:
        session.conf.set(name, SECRET)
    try:
        told = {row["key"]: row["value"] for row in session.sql("SET").collect()}
        assert set(names) <= set(told)
        assert SECRET not in str(told)
    finally:
        for name in names:
            session.conf.unset(name)
