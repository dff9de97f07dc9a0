"""README and docs/, carried out: the tables they declare are built from the files they show, and their commands run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lakehouse_assets.domains.airlines.feed import land
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.documents import BLOCKS, Block, commands
from lakehouse_assets_tests.soak import SOAKING

DAYS = ("2013-02-11", "2013-02-12")
PACKAGE = "domains_of_the_docs"
# Of these nothing lands: a variable isn't set, there is no factory, others make it.
NOT_FED = {"shop.bronze.exchange_rates", "shop.bronze.invoices", "shop.bronze.price_updates", "shop.silver.live_prices",
           "shop.bronze.shelf_updates", "shop.silver.stock_levels", "shop.bronze.till_changes",
           "shop.silver.till_customers", "parcels.gold.complaints"}  # fmt: skip
# These ask a broker or a database, or what is made of messages: the tests of `engine/sources/kafka`, `engine/sinks`,
# `cli/test_simulate.py` and `domains/test_airlines_live.py` have those.
OF_STORES = re.compile("lakehouse (offsets|seek|sink|simulate)|gold.live_board|gold.aircraft_now")
# A run of these fails here, as tasks of Databricks make them.
TASKS = [block for block in BLOCKS if block.declares and "task_table(" in block.text]


@dataclass(frozen=True)
class Home:
    """A lakehouse of its own: the project's domains and those of the docs, two days of the feed, the docs' files."""

    root: Path

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        env = {
            **os.environ, "LAKEHOUSE_HOME": str(self.root), "DAGSTER_HOME": str(self.root), "COLUMNS": "200",
            "LAKEHOUSE_DOMAINS": PACKAGE, "PYTHONPATH": os.pathsep.join([str(self.root), str(PROJECT)]), **more,
        }  # fmt: skip
        program = str(Path(sys.executable).with_name(command[0]))
        return subprocess.run(
            [program, *command[1:]],
            env=env,
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=900,  # a run of all tables takes 90 s, and took over 300 on a machine that was slow
            check=False,
        )

    def lakehouse(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("lakehouse", *arguments)

    def log(self, key: str) -> TableLog | None:
        return read_log(Lake(str(self.root / "lake"), str(self.root / "landing")).table(key))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = tmp_path_factory.mktemp("docs")
    landing = home / "landing"
    land(landing / "airlines")
    for file in [*landing.glob("airlines/flights/*"), *landing.glob("airlines/weather/*")]:
        if file.stem not in DAYS:
            file.unlink()
    shutil.copytree(PROJECT / "lakehouse_assets" / "domains", home / PACKAGE)
    for block in BLOCKS:
        if block.declares and block not in TASKS:
            _write(home / PACKAGE / block.declares, block.text)
            (home / PACKAGE / block.declares).with_name("__init__.py").touch()
        if block.language in ("csv", "json") and block.info:
            _write(landing / block.info, block.text)
    shutil.copy(PROJECT / "dagster.yaml", home)
    return Home(home)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(scope="module")
def built(home: Home) -> Home:
    done = home.lakehouse("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "airlines.gold.on_time_kpis" in done.stdout
    return home


def test_every_table_of_the_docs_is_built(built: Home) -> None:
    names = [
        b.declares
        for b in BLOCKS
        if b.declares.count("/") == 2 and b not in TASKS and b.declares.split("/")[1] not in ("models", "sinks")
    ]
    declared = {name.removesuffix(".py").replace("/", ".") for name in names}
    assert len(declared) >= 15
    assert {key for key in declared if built.log(key) is None} == NOT_FED


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.info.startswith("rows ")], ids=lambda b: b.info)
def test_the_rows_that_are_shown_are_those_that_come_of_it(built: Home, block: Block) -> None:
    _, key, names = block.info.split()
    log = built.log(key)
    assert log is not None
    found = log.table.to_pandas()[names.split(",")].astype(object)
    rows = sorted(tuple("" if value is None else str(value) for value in row) for row in found.itertuples(index=False))
    assert rows == sorted(shown(block.text, names.split(",")))


def shown(text: str, names: list[str]) -> list[tuple[str, ...]]:
    """The cells of a table of text, each of which begins below the name of its column."""
    header, *lines = text.splitlines()
    assert header.split() == names
    starts = [header.index(name) for name in names]
    ends: list[int | None] = [*starts[1:], None]
    return [tuple(line[a:b].strip() for a, b in zip(starts, ends, strict=True)) for line in lines]


def test_the_readmes_table_has_the_departures_of_each_hour(built: Home) -> None:
    log = built.log("airlines.gold.busiest_hours")
    assert log is not None
    assert log.table.to_pandas().set_index(["airport", "hour"])["departures"].to_dict() == by_hour(built.root)


def by_hour(home: Path) -> dict[Any, int]:
    """The same figure from the landed files: the feed has the local hour of each flight as a column."""
    import pandas as pd

    flights = pd.concat([pd.read_csv(home / f"landing/airlines/flights/{d}.csv") for d in DAYS])
    return flights.groupby(["origin", "hour"]).size().to_dict()


def test_the_tables_that_tasks_make_are_declared_as_shown(built: Home) -> None:
    for block in TASKS:
        _write(built.root / PACKAGE / block.declares, block.text)
    planned = built.lakehouse("plan", "parcels").stdout
    for block in TASKS:
        (built.root / PACKAGE / block.declares).unlink()
    assert len(TASKS) == 1
    assert "parcels.gold.ratings" in planned
    assert "the notebook /Workspace/Shared/ratings knows what is new" in planned


def test_a_second_run_finds_nothing_new_and_starts_nothing(built: Home) -> None:
    assert built.lakehouse("run", "airlines").stdout.startswith("Nothing new: 24 tables are up to date")


def test_the_command_shows_what_is_in_the_lake(built: Home) -> None:
    assert "wind_speed_mph_between" in built.lakehouse("quarantine", "silver.weather").stdout
    counted = built.lakehouse("sql", "SELECT count(*) AS n FROM bronze.flights").stdout.split()
    files = [built.root / f"landing/airlines/flights/{day}.csv" for day in DAYS]
    assert counted == ["n", str(sum(len(file.read_text().splitlines()) - 1 for file in files))]
    assert "2013-02-12.csv" in built.lakehouse("files", "bronze.weather").stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["show", "gold.on_time_kpi"], "did you mean gold.on_time_kpis"),
        (["run", "golden"], "No single table is called 'golden'"),
        (["run", "gold.dim_date", "--accept-loss"], "add --full, or leave it out"),
        (["sql", "SELEC 1"], "The query can't be parsed"),
        (["sql", "SELECT * FROM gold.nothing"], "reads 'gold.nothing', which is no table"),
        (["sql", "DROP TABLE gold.dim_date"], "Only queries are run here"),
        (["files", "gold.dim_date"], "reads tables, not files"),
        (["retry", "bronze.flights", "nothing.csv"], "no such file"),
        (["replay", "gold.dim_date"], "its rows are computed from other tables"),
        (["show", "gold.dim_date", "--version", "99"], "has no version 99"),
    ],
)
def test_a_wrong_argument_is_one_clear_message(built: Home, arguments: list[str], expected: str) -> None:
    done = built.lakehouse(*arguments)
    assert done.returncode == 1
    assert expected in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["plan", "tables", "history silver.flights", "files bronze.flights", "engine status"])
def test_commands_that_only_look_start_no_jvm_and_no_dagster(built: Home, name: str) -> None:
    code = (
        "import sys; from lakehouse_assets.cli import app;"
        "sys.argv[1:] = sys.argv[1].split(); app(standalone_mode=False);"
        "assert not {'dagster', 'pyspark.sql.connect.session'} & set(sys.modules)"
    )
    # A Java that isn't there: whoever asked for a JVM would fail.
    done = built.run("python", "-c", code, name, LAKEHOUSE_CACHE=str(built.root / "none"), JAVA_HOME="/none")
    assert done.returncode == 0, done.stderr


# One process for many lines: each by itself would load Dagster and PySpark first. It says which one failed.
LINES = """
import json, sys
from lakehouse_assets import cli
for words in json.loads(sys.argv[1]):
    print("$", *words, flush=True)
    sys.argv = words
    try:
        cli.main()
    except SystemExit as ended:
        if ended.code:
            raise
"""


def test_every_command_of_the_docs_works(built: Home) -> None:
    """Last, as some of them change what is there; and of them last those after which a run would make all anew."""
    lines = [line for line in commands() if line.startswith("lakehouse ") and not OF_STORES.search(line)]
    assert len(lines) >= 24
    told = list[list[str]]()
    for line in sorted(lines, key=lambda line: line.split()[1] in ("forget", "retry")):
        words = shlex.split(line.replace("$PWD/.lakehouse", str(built.root)))
        told.append([*words, *(["--to", str(built.root / "adf")] if words[1] == "generate" else [])])
    begun = 0
    for some in [[words] for words in told] if SOAKING else [told]:
        done = built.run("python", "-c", LINES, json.dumps(some))
        assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
        begun += f"\n{done.stdout}".count("\n$ lakehouse ")
    assert begun == len(lines)
