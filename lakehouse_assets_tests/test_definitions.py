"""What `definitions.py` really gives to Dagster: graph, assets, checks, schedule and sensor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from lakehouse_assets.definitions import DOMAINS, definitions, defs
from lakehouse_assets.engine.discover import Lakehouse
from lakehouse_assets.engine.graph import load
from lakehouse_assets.settings import PROJECT, read_settings
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.sensors import Sensor

SNAPSHOT = Path(__file__).parent / "snapshots" / "asset_graph.json"
IN_FLIGHT = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING,
             dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]  # fmt: skip

# A run can be in the queue only if it says whose code it runs.
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__"), "shop")


@pytest.fixture(scope="module")
def loaded() -> dg.Definitions:
    return defs()


@pytest.fixture(scope="module")
def lakehouse() -> Lakehouse:
    return load(DOMAINS)


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
        assert spec.kinds == {"sql" if table.sql else "pyspark", "deltalake", table.layer}, key
        assert {**spec.tags, "domain": table.domain, "layer": table.layer} == dict(spec.tags), key
        assert spec.description == table.doc, key
        assert len(table.doc.split()) >= 3, key
        assert spec.freshness_policy == dg.FreshnessPolicy.time_window(domain.freshness), key


def test_the_domain_airlines_belongs_to_its_team_and_is_a_day_old_at_most(specs: dict[str, dg.AssetSpec]) -> None:
    airlines = [spec for key, spec in specs.items() if key.startswith("airlines.")]
    assert len(airlines) == 19
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
        assert line.startswith(("@table(", f"{name} = sql_table(")), key


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
    rules = {(t.key, r.name): r.action == "fail" for t in lakehouse.tables.values() for r in t.rules}
    checks = {(t.key, c.name): c.severity == "error" for t in lakehouse.tables.values() for c in t.checks}
    keys = {(t.key, "unique_key"): True for t in lakehouse.tables.values() if t.keys}
    assert found == {**rules, **checks, **keys}


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
    "connect": [name for name in sys.modules if name.startswith(("pyspark.sql.connect", "grpc._channel"))],
    "context": repr((SparkContext._active_spark_context, SparkContext._gateway)),
    "children": [n for task in Path("/proc/self/task").iterdir() for n in (task / "children").read_text().split()],
}))
"""


def test_loading_the_definitions_starts_no_engine_and_importing_them_does_nothing(tmp_path: Path) -> None:
    environment = {"LAKEHOUSE_HOME": str(tmp_path / "home"), "LAKEHOUSE_CACHE": str(tmp_path / "cache")}
    done = run_in_project(sys.executable, "-c", IDLE, **environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"imported": [], "connect": [], "context": "(None, None)", "children": []}
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
        key.replace(".", "/") for key in load(DOMAINS).tables if key.startswith("airlines.")
    }


def test_a_job_runs_every_check_and_no_table(loaded: dg.Definitions) -> None:
    graph = loaded.resolve_job_def("checks").asset_layer
    assert graph.selected_asset_keys == set()
    assert graph.asset_graph.asset_check_keys == loaded.resolve_asset_graph().asset_check_keys


def test_the_sensor_for_arrivals_is_on_unless_someone_turns_it_off(loaded: dg.Definitions) -> None:
    sensor = loaded.resolve_sensor_def("airlines_arrivals")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 30


def airlines_tick(home: Path, instance: dg.DagsterInstance) -> dg.SensorExecutionData:
    """What the sensor of the airlines decides with the landing folder of this home."""
    loaded = definitions(read_settings({**os.environ, "LAKEHOUSE_HOME": str(home)}))
    return Sensor(loaded, "airlines_arrivals", instance).tick()


def test_the_sensor_skips_with_a_reason_where_nothing_landed(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    decision = airlines_tick(tmp_path, instance)
    assert (decision.run_requests, decision.skip_message) == ([], "no new files")


def test_the_sensor_asks_for_one_run_for_all_files_with_a_small_cursor(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    flights = tmp_path / "landing" / "airlines" / "flights"
    flights.mkdir(parents=True)
    for day in range(1, 301):
        (flights / f"{day}.csv").write_text("carrier\nUA\n")
    (flights / "_301.csv").write_text("half a fi")
    decision = airlines_tick(tmp_path, instance)
    (request,) = decision.run_requests
    assert request.tags["lakehouse/arrivals"] == "airlines"
    tables = load(DOMAINS).tables.values()
    assert {".".join(key.path) for key in request.asset_selection} == {t.key for t in tables if t.domain == "airlines"}
    assert request.tags["lakehouse/waiting"] == "airlines.bronze.flights: 300"
    assert len(decision.cursor) < 200


# A table that reads its files, or fails where a file of this name lies beside the landing folder.
PARCELS = """
from pathlib import Path
@table(landed=files("parcels/*.csv"))
def parcels(landed: DataFrame) -> DataFrame:
    if Path("{broken}").exists():
        raise RuntimeError("out of luck")
    return landed
"""


class Shop:
    """A lakehouse of one table, with what Dagster remembers of it between the ticks of its sensor."""

    def __init__(self, project: Project, instance: dg.DagsterInstance) -> None:
        self.project, self.instance, self.broken = project, instance, project.root / "broken"
        project.table("bronze.parcels", PARCELS.format(broken=self.broken))
        self.sensor = Sensor(project.definitions(), "shop_arrivals", instance)

    def land(self, name: str) -> None:
        self.project.land(f"parcels/{name}.csv", "id\n1\n2\n")

    def tick(self) -> list[dg.RunRequest] | str:
        """The runs that the sensor asks for, or why it asks for none."""
        decision = self.sensor.tick()
        return decision.run_requests or decision.skip_message

    def run(self, requests: list[dg.RunRequest] | str) -> bool:
        """Whether the run that was asked for succeeded."""
        (request,) = requests
        assert isinstance(request, dg.RunRequest)
        return self.sensor.run(request).success

    def rows(self) -> int:
        return len(self.project.rows("bronze.parcels"))


@pytest.fixture
def shop(project: Project, instance: dg.DagsterInstance) -> Shop:
    return Shop(project, instance)


def test_the_sensor_rests_when_its_run_has_read_the_files_and_wakes_for_new_ones(shop: Shop) -> None:
    shop.land("monday")
    shop.land("tuesday")
    assert shop.run(shop.tick())
    assert shop.rows() == 4
    assert shop.tick() == "no new files"
    shop.land("wednesday")
    assert shop.run(shop.tick())
    assert shop.rows() == 6
    assert shop.tick() == "no new files"


def test_a_tick_looks_into_the_folders_of_the_last_days_and_into_all_of_them_once_an_hour(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 5, 10, 12, tzinfo=UTC).timestamp()
    monkeypatch.setattr("time.time", lambda: now)
    project.table(
        "bronze.parcels",
        """
        @table(landed=files("parcels/%Y/%m/%d/%H-*.csv"))
        def parcels(landed: DataFrame) -> DataFrame:
            return landed
        """,
    )
    sensor = Sensor(project.definitions(), "shop_arrivals", instance)
    assert sensor.tick().skip_message == "no new files"
    for name in ("2026/05/10/09-new", "2026/05/11/00-ahead", "2026/01/02/09-late", "2026/05/xx/09-no-day"):
        project.land(f"parcels/{name}.csv", "id\n1\n")
    (request,) = sensor.tick().run_requests
    assert request.tags["lakehouse/waiting"] == "shop.bronze.parcels: 2"
    assert sensor.run(request).success
    assert len(project.rows("bronze.parcels")) == 3  # a run takes all there is
    assert sensor.tick().skip_message == "no new files"
    project.land("parcels/2026/01/03/09-late.csv", "id\n1\n")
    assert sensor.tick().skip_message == "no new files"
    now += 3600
    (request,) = sensor.tick().run_requests
    assert request.tags["lakehouse/waiting"] == "shop.bronze.parcels: 1"
    assert sensor.run(request).success
    project.land("parcels/2026/01/04/09-late.csv", "id\n1\n")
    now -= 24 * 3600  # it was a day ahead, and is set right
    (request,) = sensor.tick().run_requests
    assert request.tags["lakehouse/waiting"] == "shop.bronze.parcels: 1"


def test_the_sensor_waits_while_a_run_for_arrivals_is_under_way(shop: Shop) -> None:
    shop.land("monday")
    (request,) = shop.tick()
    assert isinstance(request, dg.RunRequest)
    shop.land("tuesday")
    for status in IN_FLIGHT:
        run = shop.instance.create_run_for_job(
            shop.sensor.job, tags=request.tags, status=status, remote_job_origin=ORIGIN
        )
        assert shop.tick() == "a run for earlier files is still under way", status
        shop.instance.delete_run(run.run_id)
    elsewhere = {"lakehouse/arrivals": "airlines"}
    shop.instance.create_run_for_job(shop.sensor.job, tags=elsewhere, status=dg.DagsterRunStatus.STARTED)
    shop.instance.create_run_for_job(shop.sensor.job, tags=request.tags, status=dg.DagsterRunStatus.SUCCESS)
    assert isinstance(shop.tick(), list)


def test_files_whose_run_failed_are_tried_again_after_one_two_four_minutes_and_then_each_hour(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    shop.land("monday")
    shop.broken.touch()
    for minutes in (1, 2, 4, 8, 16, 32, 60, 60):
        requests = shop.tick()
        if minutes == 1:  # what the others would do is the same
            assert not shop.run(requests)
        assert shop.tick() == f"a run for these files didn't end well; they're tried again in {minutes * 60} s"
        now += minutes * 60 - 1
        assert shop.tick() == "a run for these files didn't end well; they're tried again in 1 s"
        now += 1
    assert isinstance(shop.tick(), list)
    now -= 24 * 3600  # the clock was a day ahead, and is set right
    assert isinstance(shop.tick(), list)
    now += 3600
    shop.broken.unlink()
    assert shop.run(shop.tick())
    assert shop.rows() == 2
    assert shop.tick() == "no new files"


def test_a_new_file_is_not_kept_waiting_by_the_failure_of_others(shop: Shop) -> None:
    shop.land("monday")
    shop.broken.touch()
    assert not shop.run(shop.tick())
    assert isinstance(shop.tick(), str)
    shop.land("tuesday")
    shop.broken.unlink()
    assert shop.run(shop.tick())
    assert shop.rows() == 4


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
