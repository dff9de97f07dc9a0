"""One new row, from the start of a process to the commit in silver: on the warm engine, and on a fresh one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Bench, Row, engine_cache, stop_engine
from benchmarks.weather import hours, with_a_year
from lakehouse_assets.settings import PROJECT, Settings


def run(bench: Bench) -> list[Row]:
    settings = with_a_year(bench, bench.folder / "refresh")
    landing = hours(settings)

    def warm() -> float:
        return _refresh(landing, bench.environment(settings.home))

    def fresh() -> float:
        return _with_fresh_engine(bench, settings, landing)

    medians = bench.pair(warm, fresh)
    return [Row("one row, new process, warm engine", *medians, "at most 0.25", "bronze and silver, two commits")]


def _with_fresh_engine(bench: Bench, settings: Settings, landing: Iterator[Path]) -> float:
    """The same where no JVM is running yet: the process starts one, and pays for all that it hasn't compiled."""
    cache = engine_cache(bench.folder / "fresh")
    try:
        return _refresh(landing, bench.environment(settings.home, cache))
    finally:
        stop_engine(replace(settings, cache=cache))
        shutil.rmtree(cache)


def _refresh(landing: Iterator[Path], environment: dict[str, str]) -> float:
    next(landing)
    start = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.one_row"]
    with subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        seconds = time.perf_counter() - start
    assert said == "committed merge 1\n", f"the refresh said {said!r}"
    return seconds
