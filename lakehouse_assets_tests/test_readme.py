"""The README's commands and its example, executed as they stand there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse_assets.domains.airlines.feed import land
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.graph.validate import load
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.run.update import update
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import PROJECT

README = (PROJECT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
COMMANDS = [line.split("#")[0].strip() for _, block in BLOCKS for line in block.splitlines() if line.strip()]
DAYS = ("2013-02-11", "2013-02-12")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of the feed, and a Dagster instance of one's own."""
    home = tmp_path_factory.mktemp("readme")
    landing = home / "landing" / "airlines"
    land(landing)
    for file in [*landing.glob("flights/*"), *landing.glob("weather/*")]:
        if file.stem not in DAYS:
            file.unlink()
    shutil.copy(PROJECT / "dagster.yaml", home)
    return home


def lakehouse(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "LAKEHOUSE_HOME": str(home), "DAGSTER_HOME": str(home), "COLUMNS": "200"}
    command = [str(Path(sys.executable).with_name("lakehouse")), *arguments]
    return subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def built(home: Path) -> Path:
    done = lakehouse(home, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "airlines.gold.on_time_kpis" in done.stdout
    return home


def test_every_lakehouse_command_of_the_readme_works(built: Path) -> None:
    lines = [line for line in COMMANDS if line.startswith("lakehouse ")]
    assert len(lines) >= 10
    for line in lines:
        done = lakehouse(built, *shlex.split(line)[1:])
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def test_a_second_run_finds_nothing_new_and_starts_nothing(built: Path) -> None:
    done = lakehouse(built, "run")
    assert done.stdout.startswith("Nothing new: 19 tables are up to date")


def test_the_command_shows_what_is_in_the_lake(built: Path) -> None:
    assert "wind_speed_mph_between" in lakehouse(built, "quarantine", "silver.weather").stdout
    counted = lakehouse(built, "sql", "SELECT count(*) AS n FROM bronze.flights").stdout.split()
    expected = sum(len((built / f"landing/airlines/flights/{d}.csv").read_text().splitlines()) - 1 for d in DAYS)
    assert counted == ["n", str(expected)]
    assert "2013-02-12.csv" in lakehouse(built, "files", "bronze.weather").stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["show", "gold.on_time_kpi"], "did you mean gold.on_time_kpis"),
        (["run", "golden"], "No single table is called 'golden'"),
        (["sql", "SELEC 1"], "The query can't be parsed"),
        (["sql", "SELECT * FROM gold.nothing"], "reads 'gold.nothing', which is no table"),
        (["sql", "DROP TABLE gold.dim_date"], "Only queries are run here"),
        (["files", "gold.dim_date"], "reads tables, not files"),
        (["retry", "bronze.flights", "nothing.csv"], "no such file"),
        (["replay", "gold.dim_date"], "its rows are computed from other tables"),
        (["show", "gold.dim_date", "--version", "99"], "has no version 99"),
    ],
)
def test_a_wrong_argument_is_one_clear_message(built: Path, arguments: list[str], expected: str) -> None:
    done = lakehouse(built, *arguments)
    assert done.returncode == 1
    assert expected in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["plan", "tables", "history silver.flights", "files bronze.flights", "engine status"])
def test_commands_that_only_look_start_no_jvm_and_no_dagster(built: Path, name: str) -> None:
    code = (
        "import sys; from lakehouse_assets.cli import app;"
        "sys.argv[1:] = sys.argv[1].split(); app(standalone_mode=False);"
        "assert not {'dagster', 'pyspark.sql.connect.session'} & set(sys.modules)"
    )
    # A Java that isn't there: whoever asked for a JVM would fail.
    env = {**os.environ, "LAKEHOUSE_HOME": str(built), "LAKEHOUSE_CACHE": str(built / "none"), "JAVA_HOME": "/none"}
    done = subprocess.run([sys.executable, "-c", code, name], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_make_target_of_the_readme_exists() -> None:
    targets = {line.split()[1] for line in COMMANDS if line.startswith("make ")}
    makefile = (PROJECT / "Makefile").read_text()
    assert {"run", "test", "dev", "bench", "lint", "soak"} == targets
    assert all(re.search(rf"^{t}:", makefile, re.MULTILINE) for t in targets)


@pytest.fixture
def domains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A copy of the domains with the README's example in it."""
    name = f"domains_{os.getpid()}_readme"
    shutil.copytree(PROJECT / "lakehouse_assets" / "domains", tmp_path / name)
    (example,) = [block for language, block in BLOCKS if language == "python"]
    path = example.splitlines()[0].removeprefix("# lakehouse_assets/domains/")
    (tmp_path / name / path).write_text(example)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    for module in [n for n in sys.modules if n.split(".")[0] == name]:
        del sys.modules[module]


def test_the_readmes_new_table_joins_the_graph_and_is_right(built: Path, domains: str, engine: SparkResource) -> None:
    declared = load(domains)
    table = declared.tables["airlines.gold.busiest_hours"]
    lake = Lake(str(built / "lake"), str(built / "landing"))
    assert update(table, Context(declared, lake, engine.session)).version == 0
    log = read_log(lake.table(table.key))
    assert log is not None
    assert log.table.to_pandas().set_index(["airport", "hour"])["departures"].to_dict() == by_hour(built)


def by_hour(home: Path) -> dict[tuple[str, int], int]:
    """The same figure from the landed files: the feed has the local hour of each flight as a column."""
    import pandas as pd

    flights = pd.concat([pd.read_csv(home / f"landing/airlines/flights/{d}.csv") for d in DAYS])
    return flights.groupby(["origin", "hour"]).size().to_dict()  # type: ignore[return-value]
