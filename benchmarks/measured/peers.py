"""Keys whose four events arrive in every order, beside the SCD 2 writers of three public packages.

Each key's events come in one of the 24 orders, one event a batch. Both sides are timed from Parquet files to commits,
with the same versions and settings of Spark and Delta; ours makes a bronze table on the way. A peer has an environment
and an engine of its own and runs after ours, not in turns with it, so the keys are what counts here, not the seconds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import permutations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import Bench, Row, timed
from benchmarks.measured import peer_scd2
from benchmarks.measured.peer_scd2 import BATCHES, right_keys
from lakehouse_assets.resources.engine_conf import CONF
from lakehouse_assets.resources.jars import jar_folder
from lakehouse_assets_tests.project import Project

PEERS = {"laktory": "0.13.1", "koheesio": "0.11.1", "mack": "0.5.0"}
SPARK = ("pyspark", "delta-spark")
ORDERS = list(permutations(range(BATCHES)))
INSTALL_SECONDS = 900
ROUND_SECONDS = 300
SILVER = """
@table(
    raw="bronze.events",
    columns=[Column("id", "bigint", nullable=False), Column("value", "string"), Column("at", "timestamp")],
    write=history(on="id", newest="at"),
)
def versions(raw: DataFrame) -> DataFrame:
    return raw.select("id", "value", "at")
"""


def run(bench: Bench) -> list[Row]:
    keys, folder = bench.size(480, 24), bench.folder / "peers"
    batches = _batches(folder / "batches", keys)
    ours = _summary([_ours(bench, batches, folder / f"ours_{number}") for number in range(bench.repeat + 1)])
    rows = []
    for name, pin in PEERS.items():
        if python := _installed(folder / "environment", name):
            peer = _summary(_peer(bench, python, name, folder))
            seen = f"right keys: {ours[0]} of {keys} against {peer[0]}; on two engines, one after the other"
            rows.append(Row(f"{keys} keys in 24 orders, {name} {pin}", ours[1], peer[1], "report", seen))
    return rows


def _batches(folder: Path, keys: int) -> list[Path]:
    """Four files; the t-th has the event of each key that arrives as the t-th."""
    folder.mkdir(parents=True)
    files = [folder / f"{turn}.parquet" for turn in range(BATCHES)]
    for turn, file in enumerate(files):
        days = [ORDERS[key % len(ORDERS)][turn] + 1 for key in range(keys)]
        times = pa.array([datetime(2024, 1, day, tzinfo=UTC) for day in days], pa.timestamp("us", tz="UTC"))
        ids = pa.array(range(keys), pa.int64())
        pq.write_table(pa.table({"id": ids, "value": [f"v{day}" for day in days], "at": times}), file)
    return files


def _summary(rounds: list[tuple[int, float]]) -> tuple[int, float]:
    """The right keys of the worst round, and the median of the seconds; the first round, a warm-up, isn't timed."""
    return min(right for right, _ in rounds), statistics.median(seconds for _, seconds in rounds[1:])


def _ours(bench: Bench, batches: list[Path], folder: Path) -> tuple[int, float]:
    folder.mkdir()
    sys.path.insert(0, str(folder))
    project = Project(folder, f"peers_{folder.name}_domains", bench.engine)
    project.bronze("events", 'format="parquet"')
    project.table("silver.versions", SILVER)
    seconds = sum(_delivered(project, batch) for batch in batches)
    rows = project.rows("silver.versions", "id", "value", "valid_from", "valid_to", "is_current")
    return right_keys((key, value, start.day, end and end.day, now) for key, value, start, end, now in rows), seconds


def _delivered(project: Project, batch: Path) -> float:
    """The seconds of a batch, from the landed file to the versions."""
    project.land(f"events/{batch.name}", batch.read_bytes())
    return timed(lambda: (project.run("bronze.events"), project.run("silver.versions")))()


def _installed(folder: Path, name: str) -> Path | None:
    """The Python of the environment that has the package now, or none if it can't be had, for a reason it prints."""
    pins = [f"{name}=={PEERS[name]}", *(f"{package}=={version(package)}" for package in SPARK)]
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=INSTALL_SECONDS)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", *pins]
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        print(f"{name} is left out, since it can't be installed: {reason}", flush=True)
        return None
    return python


def _peer(bench: Bench, python: Path, name: str, folder: Path) -> list[tuple[int, float]]:
    """The right keys and the seconds of each round. `-I` keeps the program from importing the benchmarks beside it."""
    scratch, rounds = folder / name, bench.repeat + 1
    scratch.mkdir()
    program = [str(python), "-I", str(peer_scd2.__file__), name, str(folder / "batches"), str(scratch), str(rounds)]
    done = subprocess.run(
        [*program, json.dumps(_spark(bench))], cwd=scratch, env=_environment(),
        capture_output=True, text=True, timeout=ROUND_SECONDS * rounds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return [(right, seconds) for right, seconds in found]


def _environment() -> dict[str, str]:
    """The variables of this process without those that would give the program another Spark."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}


def _spark(bench: Bench) -> dict[str, str]:
    """What our engine is started with."""
    return CONF | {
        "spark.master": f"local[{bench.settings.spark_cores}]",
        "spark.driver.memory": bench.settings.spark_memory,
        "spark.driver.extraClassPath": f"{jar_folder(bench.settings.cache)}/*",
        "spark.sql.shuffle.partitions": str(bench.settings.spark_cores),
    }
