"""The start of an engine in a new process, with the archive of its classes and without: when it has done what."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Bench, Row, engine_cache, stop_engine
from lakehouse_assets.resources.class_archive.kept import find_archive
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.resources.spark_server import classes_folder, make_command
from lakehouse_assets.settings import PROJECT

WHAT = ("an engine's start", "to the first query's result", "to the first Delta write and read")


def run(bench: Bench) -> list[Row]:
    caches = {name: engine_cache(bench.folder / name) for name in ("archived", "plain")}
    seen = _made(bench, caches["archived"])
    rounds = [{name: _first(bench, cache) for name, cache in caches.items()} for _ in range(bench.repeat)]
    rows = []
    for n, what in enumerate(WHAT):
        ours, against = (statistics.median(r[name][n] for r in rounds) for name in ("archived", "plain"))
        rows.append(Row(what, ours, against, "below 0.75" if n == 1 else "report", seen if n == 0 else ""))
    return rows


def _made(bench: Bench, cache: Path) -> str:
    """Make the archive; what it took, and its size."""
    engine = SparkResource.from_settings(replace(bench.settings, cache=cache)).server_settings
    start = time.perf_counter()
    subprocess.run(make_command(engine), check=True, env=bench.environment(bench.folder, cache))
    found = find_archive(classes_folder(engine))
    assert found.path, found.why
    return (
        f"making the archive took {time.perf_counter() - start:.0f} s; it has {found.path.stat().st_size / 1e6:.0f} MB"
    )


def _first(bench: Bench, cache: Path) -> list[float]:
    environment: Mapping[str, str] = bench.environment(bench.folder, cache)
    command = [sys.executable, "-m", "benchmarks.first_answers"]
    try:
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True)
    finally:
        stop_engine(replace(bench.settings, cache=cache))
    found: list[float] = json.loads(done.stdout)
    return found
