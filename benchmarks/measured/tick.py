"""A tick of the arrivals sensor over 100,000 files of which 10 are new, beside listing them and no more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg

from benchmarks.measure import Bench, Row, timed
from lakehouse_assets.engine.compile.sensors import evaluate, pending
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger, Outcome
from lakehouse_assets.engine.sources.arrivals.listing import list_arrivals
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.environment import open_lakehouse

FOLDERS = 100
NEW = 10
SOURCE = files("weather/*/*.csv")


def run(bench: Bench) -> list[Row]:
    number, folder = bench.size(100_000, 5_000), bench.folder / "tick"
    table = replace(open_lakehouse(strict=True).tables["airlines.bronze.weather"], inputs={"landed": SOURCE})
    lake = Lake(str(folder / "lake"), str(folder / "landing"))
    landing = Path(lake.landing_folder(table.domain)) / "weather"
    _land(landing, number - NEW, "old")
    read_all(table, lake)
    _land(landing, NEW, "new")
    assert len(pending(table, lake)) == NEW
    with dg.DagsterInstance.ephemeral() as instance:

        def tick() -> None:
            result = evaluate(dg.build_sensor_context(instance), "airlines", [table], [], lake)
            assert isinstance(result, dg.SensorResult), result

        def bare() -> None:
            found = sum(1 for _ in _listed(str(landing)))
            assert found == number, found

        medians = bench.pair(timed(tick), timed(bare))
    seen = f"in {FOLDERS} folders; a run is asked for"
    return [Row(f"a tick, {number:,} files, {NEW} new", *medians, "at most 1.5", seen)]


def _land(folder: Path, number: int, name: str) -> None:
    for at in range(number):
        path = folder / f"{at % FOLDERS:03}" / f"{name}-{at:06}.csv"
        if at < FOLDERS:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("origin\nJFK\n")


def read_all(table: Table, lake: Lake) -> None:
    """Fill the ledger as if a run had read every file that is there."""
    assert table.source
    ledger = Ledger(lake.arrivals(table.key), lake.storage)
    batch, files = ledger.plan(list_arrivals(table.source, lake.landing_folder(table.domain)))
    ledger.mark(batch, [Outcome(f.path, "done", rows=1) for f in files])


def _listed(folder: str) -> Iterator[os.stat_result]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _listed(entry.path)
            else:
                yield entry.stat()
