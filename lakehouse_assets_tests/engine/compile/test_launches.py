"""What a launch may say, which is anybody's who reaches the UI: how a table is run, and nothing of where or by what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap

from lakehouse_assets.definitions import definitions
from lakehouse_assets.settings import read_settings

FACTORY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataFactory/factories/f"
STEP = "airlines__bronze__flights"


@pytest.fixture
def code_location(tmp_path: Path) -> dg.Definitions:
    """The project's own, with every resource that it can have, and a token in the address of Spark."""
    told = {
        "HOME": str(tmp_path),
        "DATA_FACTORY": FACTORY,
        "LANDING": "abfss://c@a.dfs.core.windows.net/landing",
        "SPARK": "sc://spark.example:443/;use_ssl=true;token=s3cret",
    }
    return definitions(read_settings({f"LAKEHOUSE_{name}": value for name, value in told.items()}))


def refusal(code_location: dg.Definitions, run_config: dict[str, Any]) -> str:
    """Why Dagster refuses to launch with that configuration."""
    job = code_location.resolve_implicit_global_asset_job_def()
    with pytest.raises(dg.DagsterInvalidConfigError) as refused:
        dg.validate_run_config(job, run_config)
    return str(refused.value)


@pytest.mark.parametrize(
    ("resource", "config"),
    [
        ("spark", {"address": "sc://evil.example:1"}),
        ("spark", {"address": {"env": "AZURE_STORAGE_ACCOUNT_KEY"}}),
        ("spark", {"cache": "/tmp/jars-of-another"}),  # noqa: S108
        ("spark", {"stores": ["abfss://c@evil.dfs.core.windows.net/"]}),
        ("lake", {"root": "/tmp/elsewhere"}),  # noqa: S108
        ("lake", {"landing": "abfss://c@evil.dfs.core.windows.net/"}),
        ("lake", {"queue": "another"}),
        ("data_factory", {"management": "https://evil.example"}),
        ("io_manager", {"base_dir": {"env": "AZURE_STORAGE_ACCOUNT_KEY"}}),
    ],
)
def test_a_launch_that_configures_a_resource_is_refused(
    code_location: dg.Definitions, resource: str, config: dict[str, Any]
) -> None:
    told = refusal(code_location, {"resources": {resource: {"config": config}}})
    assert f'unexpected config entry "{next(iter(config))}" at path root:resources:{resource}:config' in told


def test_no_resource_of_a_code_location_can_be_configured_by_a_launch(code_location: dg.Definitions) -> None:
    job = code_location.resolve_implicit_global_asset_job_def()
    resources = job.run_config_schema.config_type.fields["resources"].config_type.fields  # type: ignore[attr-defined]
    assert resources.keys() == {"spark", "lake", "data_factory", "io_manager"}
    for name, field in resources.items():
        inner = field.config_type.fields.get("config")
        assert inner is None or inner.config_type.fields == {}, name


@pytest.mark.parametrize("option", ["full_refresh", "accept_loss", "replay", "forget", "reason"])
def test_a_launch_cannot_have_a_variable_of_the_environment_filled_in(
    code_location: dg.Definitions, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "s3cret")
    told = refusal(code_location, {"ops": {STEP: {"config": {option: {"env": "AZURE_STORAGE_ACCOUNT_KEY"}}}}})
    assert f"at path root:ops:{STEP}:config:{option}" in told
    assert "s3cret" not in told


def test_a_launch_may_say_how_a_table_is_run(code_location: dg.Definitions) -> None:
    options = {"full_refresh": True, "accept_loss": True, "replay": False, "forget": "a.csv", "reason": "asked for"}
    job = code_location.resolve_implicit_global_asset_job_def()
    assert dg.validate_run_config(job, {"ops": {STEP: {"config": options}}})["ops"][STEP]["config"] == options


@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning")
def test_what_dagster_keeps_of_a_code_location_has_no_secret_of_its_settings(code_location: dg.Definitions) -> None:
    kept = dg.serialize_value(RepositorySnap.from_def(code_location.get_repository_def()))
    assert STEP in kept
    assert "s3cret" not in kept
