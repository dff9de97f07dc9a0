"""The Dagster instance in deploy/: each part takes its configuration, and the rest is as in the project's own."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from dagster._config import process_config
from dagster._core.instance.config import dagster_instance_config_schema
from dagster._serdes import ConfigurableClassData
from dagster_azure.blob.compute_log_manager import AzureBlobComputeLogManager
from dagster_postgres import DagsterPostgresStorage

from lakehouse_assets.settings import PROJECT

NAMES = ["DAGSTER_PG_HOST", "DAGSTER_PG_USER", "DAGSTER_PG_PASSWORD", "DAGSTER_LOGS_ACCOUNT", "DAGSTER_LOGS_CONTAINER"]


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name in NAMES:
        monkeypatch.setenv(name, "account")
    told: dict[str, Any] = yaml.safe_load((PROJECT / "deploy" / "dagster" / "dagster.yaml").read_text())
    return told


def test_dagster_takes_the_instance(instance: dict[str, Any]) -> None:
    taken = process_config(dagster_instance_config_schema(), instance)
    assert taken.success, taken.errors
    storage = process_config(DagsterPostgresStorage.config_type(), instance["storage"]["postgres"])
    assert storage.success, storage.errors


def test_what_steps_print_goes_to_the_container(instance: dict[str, Any]) -> None:
    told = instance["compute_logs"]
    data = ConfigurableClassData(told["module"], told["class"], yaml.safe_dump(told["config"]))
    made = data.rehydrate(AzureBlobComputeLogManager)
    assert isinstance(made, AzureBlobComputeLogManager)
    assert made._blob_client.url == "https://account.blob.core.windows.net/"
    assert made.upload_interval == 30


def test_the_rest_is_that_of_the_project(instance: dict[str, Any]) -> None:
    own = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    assert {n: v for n, v in instance.items() if n not in ("storage", "compute_logs")} == {
        n: v for n, v in own.items() if n not in ("storage", "compute_logs")
    }
