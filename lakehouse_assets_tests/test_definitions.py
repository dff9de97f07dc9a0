"""What `definitions.py` really gives to Dagster: graph, assets, checks, schedule and sensor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from lakehouse_assets.definitions import defs
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.project import Project

SNAPSHOT = Path(__file__).parent / "snapshots" / "asset_graph.json"


@pytest.fixture(scope="module")
def loaded() -> dg.Definitions:
    return defs()


@pytest.fixture(scope="module")
def lakehouse() -> Lakehouse:
    return open_lakehouse(strict=True)


@pytest.fixture(scope="module")
def specs(loaded: dg.Definitions, lakehouse: Lakehouse) -> dict[str, dg.AssetSpec]:
    """What Dagster was told of each table, by the table's key."""
    found = {".".join(spec.key.path): spec for spec in loaded.resolve_all_asset_specs()}
    return {key: found[key] for key in lakehouse.tables}


def path(key: dg.AssetKey) -> str:
    return "/".join(key.path)


def test_the_graph_is_the_one_in_the_snapshot(loaded: dg.Definitions) -> None:
    graph = loaded.resolve_asset_graph()
    keys = graph.get_all_asset_keys()
    found = {path(key): sorted(path(parent) for parent in graph.get(key).parent_keys) for key in sorted(keys)}
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        SNAPSHOT.write_text(json.dumps(found, indent=2) + "\n")
    expected = json.loads(SNAPSHOT.read_text())
    assert found == expected, "if the change is meant, run this test once with UPDATE_SNAPSHOTS=1 and look at the diff"


def test_everything_declared_resolves(loaded: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(loaded)


def test_every_table_says_whose_it_is_what_it_is_and_how_fresh(
    specs: dict[str, dg.AssetSpec], lakehouse: Lakehouse
) -> None:
    for key, table in lakehouse.tables.items():
        spec, domain = specs[key], lakehouse.domains[table.domain]
        assert spec.owners == [table.owner or domain.owner], key
        assert spec.group_name == table.domain, key
        by = "sql" if table.sql else "mlflow" if table.score else "pyspark"
        assert spec.kinds == {by, "deltalake", table.layer}, key
        assert {**spec.tags, "domain": table.domain, "layer": table.layer} == dict(spec.tags), key
        assert spec.description == table.doc, key
        assert len(table.doc.split()) >= 3, key
        assert spec.freshness_policy == dg.FreshnessPolicy.time_window(domain.freshness), key


def test_the_domain_airlines_belongs_to_its_team_and_is_a_day_old_at_most(specs: dict[str, dg.AssetSpec]) -> None:
    airlines = [spec for key, spec in specs.items() if key.startswith("airlines.")]
    assert len(airlines) == 31
    assert {owner for spec in airlines for owner in spec.owners} == {"team:airlines"}
    windows = {spec.freshness_policy.fail_window.to_timedelta().total_seconds() for spec in airlines}  # type: ignore[union-attr]
    assert windows == {26 * 3600}


def test_every_code_reference_is_the_line_where_the_table_is_declared(
    specs: dict[str, dg.AssetSpec], lakehouse: Lakehouse
) -> None:
    for key, spec in specs.items():
        (reference,) = spec.metadata["dagster/code_references"].code_references
        line = Path(reference.file_path).read_text().splitlines()[reference.line_number - 1]
        domain, layer, name = key.split(".")
        assert reference.file_path == str(PROJECT.joinpath("lakehouse_assets", "domains", domain, layer, f"{name}.py"))
        assert line.startswith(
            ("@table(", "@model(", *(f"{name} = {how}(" for how in ("kafka", "score", "sql_table", "sql_features")))
        ), key


def test_every_declared_column_is_in_the_schema_that_the_ui_shows(
    specs: dict[str, dg.AssetSpec], lakehouse: Lakehouse
) -> None:
    shown = {
        key: [(c.name, c.type, c.description or "", c.constraints.nullable) for c in schema.columns]
        for key, spec in specs.items()
        if (schema := spec.metadata.get("dagster/column_schema"))
    }
    declared = {
        key: [(c.name, c.type, c.doc, not c.required) for c in table.columns]
        for key, table in lakehouse.tables.items()
        if table.columns
    }
    assert shown == declared


def test_there_is_a_check_for_each_rule_and_only_errors_block(loaded: dg.Definitions, lakehouse: Lakehouse) -> None:
    graph = loaded.resolve_asset_graph()
    found = {(".".join(k.asset_key.path), k.name): graph.get_check_spec(k).blocking for k in graph.asset_check_keys}
    rules = {(t.key, r.name): r.action == "fail" for t in lakehouse.tables.values() for r in t.expectations}
    checks = {(t.key, c.name): c.severity == "error" for t in lakehouse.tables.values() for c in t.checks}
    keys = {(t.key, "unique_key"): True for t in lakehouse.tables.values() if t.keys}
    files = {(t.key, "files_readable"): False for t in lakehouse.tables.values() if t.source}
    plausible = {(t.key, "snapshots_plausible"): True for t in lakehouse.tables.values() if t.snapshots}
    gates = {(key, "gate"): False for key in lakehouse.models}
    watched = {(t.key, "drift"): False for t in lakehouse.tables.values() if t.score and t.score.drift}
    assert found == {**rules, **checks, **keys, **files, **plausible, **gates, **watched}


@pytest.mark.parametrize(
    ("check", "blocks"),
    [
        ("goes_somewhere", True),
        ("unique_key", True),
        ("departure_delay_minutes_between", False),
        ("tail_number_not_null", False),
        ("carrier_not_null", False),
    ],
)
def test_of_the_checks_on_flights_those_that_are_errors_block(check: str, blocks: bool, loaded: dg.Definitions) -> None:
    key = dg.AssetCheckKey(dg.AssetKey(["airlines", "silver", "flights"]), check)
    assert loaded.resolve_asset_graph().get_check_spec(key).blocking is blocks


IDLE = """
import json, sys
from pathlib import Path
import lakehouse_assets.definitions as definitions
imported = [name for name in sys.modules if name.startswith(("pyspark", "lakehouse_assets.domains."))]
loaded = definitions.defs()
assert len(loaded.resolve_all_asset_specs()) > 18
from pyspark import SparkContext
print(json.dumps({
    "imported": imported,
    "learning": sorted({"mlflow", "sklearn", "xgboost", "optuna", "matplotlib", "pandas"} & set(sys.modules)),
    "connect": [name for name in sys.modules if name.startswith(("pyspark.sql.connect", "grpc._channel"))],
    "context": repr((SparkContext._active_spark_context, SparkContext._gateway)),
    "children": [n for task in Path("/proc/self/task").iterdir() for n in (task / "children").read_text().split()],
}))
"""


def test_loading_the_definitions_starts_no_engine_and_importing_them_does_nothing(tmp_path: Path) -> None:
    environment = {"LAKEHOUSE_HOME": str(tmp_path / "home"), "LAKEHOUSE_CACHE": str(tmp_path / "cache")}
    done = run_in_project(sys.executable, "-c", IDLE, **environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "imported": [],
        "learning": [],
        "connect": [],
        "context": "(None, None)",
        "children": [],
    }
    assert list(tmp_path.iterdir()) == []


def run_in_project(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command where a person runs it: in the root of the project."""
    env = {**os.environ, "DAGSTER_DISABLE_TELEMETRY": "1", **environment}
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=180, check=False)


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def test_dg_finds_the_project_and_loads_it(tmp_path: Path) -> None:
    done = run_in_project(tool("dg"), "check", "defs", LAKEHOUSE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All definitions loaded successfully." in done.stdout + done.stderr


def test_the_layers_import_only_downwards() -> None:
    done = run_in_project(tool("lint-imports"), "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken." in done.stdout


def test_the_airlines_are_built_every_morning_at_six_utc(loaded: dg.Definitions) -> None:
    schedule = loaded.resolve_schedule_def("airlines_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone or "UTC") == ("0 6 * * *", "UTC")
    assert schedule.job_name == "airlines"
    selected = loaded.resolve_job_def("airlines").asset_layer.executable_asset_keys
    assert {path(key) for key in selected} == {
        key.replace(".", "/") for key in open_lakehouse(strict=True).assets if key.startswith("airlines.")
    }


def test_a_job_runs_every_check_and_no_table(loaded: dg.Definitions) -> None:
    graph = loaded.resolve_job_def("checks").asset_layer
    assert graph.selected_asset_keys == set()
    assert graph.asset_graph.asset_check_keys == loaded.resolve_asset_graph().asset_check_keys


def test_the_sensor_for_arrivals_is_on_unless_someone_turns_it_off(loaded: dg.Definitions) -> None:
    sensor = loaded.resolve_sensor_def("airlines_arrivals")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 30


def test_a_table_with_nothing_to_be_made_of_is_not_called_materialised_and_what_reads_it_is_skipped(
    project: Project, instance: dg.DagsterInstance
) -> None:
    for name in ("orders", "parcels", "returns"):
        project.bronze(name)
    project.table(
        "silver.both",
        """
        @table(orders="bronze.orders", parcels=lookup("bronze.parcels"))
        def both(orders: DataFrame, parcels: DataFrame) -> DataFrame:
            return orders.join(parcels, "id")
        """,
    )
    project.land("orders/1.csv", "id\n1\n")
    project.land("returns/1.csv.gz", b"\x1f\x8bno more")
    job = project.definitions().resolve_implicit_global_asset_job_def()
    done = job.execute_in_process(instance=instance)
    made = [event.asset_key for event in done.get_asset_materialization_events()]
    assert (done.success, made) == (True, [dg.AssetKey(["shop", "bronze", "orders"])])
    assert [event.step_key for event in done.get_step_skipped_events()] == ["shop__silver__both"]
    told = {name: instance.fetch_observations(dg.AssetKey(["shop", "bronze", name]), limit=9).records
            for name in ("orders", "parcels", "returns")}  # fmt: skip
    assert {name: len(records) for name, records in told.items()} == {"orders": 0, "parcels": 1, "returns": 1}
    returned = told["returns"][0].asset_observation
    assert returned is not None
    assert "1.csv.gz" in str(returned.metadata["failed_files"].value)
