"""What is set in the environment reaches what works with it, and what is wrong is told in one line."""

from __future__ import annotations

import pytest

from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.environment import open_lake
from lakehouse_assets.resources.lake import LakeResource
from lakehouse_assets.settings import SettingsError, read_settings, sound_settings, wheel_name
from lakehouse_assets_tests.cli.command import Command

KPIS = "airlines.gold.kpis"


def test_the_catalog_names_the_tables_of_the_command_and_of_dagster_alike() -> None:
    settings = read_settings({"LAKEHOUSE_CATALOG": "main", "LAKEHOUSE_LAKE": "/lake"})
    for lake in (open_lake(Lakehouse({}, {}), settings), LakeResource.from_settings(settings).lake()):
        table = lake.table(KPIS)
        assert (table.name, table.path) == ("main.airlines_gold.kpis", "/lake/airlines/gold/kpis")


def test_without_a_catalog_a_table_has_its_path_alone() -> None:
    settings = read_settings({"LAKEHOUSE_LAKE": "/lake"})
    assert {
        open_lake(Lakehouse({}, {}), settings).table(KPIS).name,
        LakeResource.from_settings(settings).lake().table(KPIS).name,
    } == {""}


@pytest.mark.parametrize("name", ["no_such_package", "no.such.package", "json.decoder", "../domains", ".", "a b"])
def test_domains_that_are_no_package_are_refused_by_their_name(name: str) -> None:
    with pytest.raises(SettingsError, match=r"LAKEHOUSE_DOMAINS is .*, and no package of that name .* install it"):
        read_settings({"LAKEHOUSE_DOMAINS": name})


@pytest.mark.parametrize("folder", ["dbfs:/Volumes/main/files", "https://shop.blob.core.windows.net/jobs", "jobs"])
def test_a_folder_of_jobs_that_is_in_no_store_they_can_use_is_refused(folder: str) -> None:
    with pytest.raises(SettingsError, match=r"LAKEHOUSE_DATABRICKS_VOLUME is .*/Volumes/CATALOG/.*abfss://CONTAINER@"):
        read_settings({"LAKEHOUSE_DATABRICKS_VOLUME": folder})


def test_a_wheel_is_looked_for_in_a_volume_alone() -> None:
    wheels = {
        folder: read_settings({"LAKEHOUSE_DATABRICKS_VOLUME": folder}).databricks_wheels
        for folder in ("/Volumes/main/lakehouse/files/", "abfss://jobs@shop.dfs.core.windows.net/lake", "")
    }
    assert [*wheels.values()] == [(f"/Volumes/main/lakehouse/files/wheels/{wheel_name()}",), (), ()]


def test_a_command_without_its_domains_says_so_in_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_DOMAINS", "no_such_package")
    said = command("tables")
    assert said.code == 1
    assert (said.out + said.err).count("\n") == 1
    assert "LAKEHOUSE_DOMAINS is 'no_such_package'" in said.out + said.err


def test_a_sample_feed_that_no_domain_has_is_refused_with_those_that_there_are(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = command("land", "airlines")
    assert (said.code, said.out.endswith("that have one: none\n")) == (1, True)
    monkeypatch.setenv("LAKEHOUSE_DOMAINS", "lakehouse_assets.domains")
    said = command("land", "netflix")
    assert (said.code, said.out.endswith("that have one: airlines, ecommerce, finance, iot\n")) == (1, True)


def test_sql_is_made_for_the_lake_that_is_set_and_says_so_where_none_is(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command.project.bronze("orders")
    said = command("generate", "unity-catalog", "--to", str(command.project.root))
    assert "for yours, set LAKEHOUSE_LAKE and LAKEHOUSE_LANDING to URLs" in said.out
    root = "abfss://lake@shop.dfs.core.windows.net/tables"
    monkeypatch.setenv("LAKEHOUSE_LAKE", root)
    monkeypatch.setenv("LAKEHOUSE_LANDING", "abfss://landing@shop.dfs.core.windows.net/files")
    monkeypatch.setenv("LAKEHOUSE_CATALOG", "shop")
    said = command("generate", "unity-catalog", "--to", str(command.project.root), "--credential", "ours")
    text = (command.project.root / "unity_catalog.sql").read_text()
    assert "set LAKEHOUSE_LAKE" not in said.out
    assert f"URL '{root}' WITH (STORAGE CREDENTIAL `ours`)" in text
    assert "URL 'abfss://landing@shop.dfs.core.windows.net/files' WITH (STORAGE CREDENTIAL `ours`)" in text
    assert f"`shop`.`shop_bronze`.`orders` USING DELTA LOCATION '{root}/shop/bronze/orders'" in text


def test_a_registry_of_schemas_is_shown_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LAKEHOUSE_SCHEMA_REGISTRY", "LAKEHOUSE_SCHEMA_REGISTRY_OPS"):
        monkeypatch.setenv(name, "https://reader:p%40ss@registry:8081")
    told = {name: (fine, shown) for fine, name, shown in sound_settings()[1]}
    assert told["LAKEHOUSE_SCHEMA_REGISTRY"] == (True, "https://reader:***@registry:8081")
    assert told["LAKEHOUSE_SCHEMA_REGISTRY_OPS"] == (True, "set")


def test_a_password_in_json_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_KAFKA", '{"bootstrap.servers": "broker:9092", "sasl.password": "p4ss"}')
    assert (True, "LAKEHOUSE_KAFKA", "set") in sound_settings()[1]
