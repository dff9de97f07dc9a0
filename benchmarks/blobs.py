"""A tick of the arrivals sensor, 10 blobs of many being new, by folders of days and by queue, beside listing all."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from benchmarks.measure import Bench, Row, timed
from benchmarks.tick import read_all
from lakehouse_assets.definitions import DOMAINS
from lakehouse_assets.engine.compile.sensors import evaluate
from lakehouse_assets.engine.graph import load
from lakehouse_assets.engine.inputs import Files
from lakehouse_assets.engine.lake import Lake
from lakehouse_assets.engine.sources.listing import list_arrivals
from lakehouse_assets.engine.sources.notified import Queues, drain
from lakehouse_assets.engine.spec import Table
from lakehouse_assets.resources.azure import queues_at
from lakehouse_assets_tests.azurite import Azurite, created, running

SIZES = (1_000, 10_000)
NEW = 10
DAYS = 100
SOURCE = Files("weather/%Y/%m/%d/*.csv")


def run(bench: Bench) -> list[Row]:
    folder = bench.folder / "blobs"
    folder.mkdir()
    with running(folder) as azurite, _environment(azurite):
        return [row for size in SIZES for row in _rows(bench, azurite, bench.size(size, size // 10))]


@contextmanager
def _environment(azurite: Azurite) -> Iterator[None]:
    """The way to the emulator, for as long as it runs."""
    os.environ.update(azurite.environment)
    yield
    for name in azurite.environment:
        del os.environ[name]


def _rows(bench: Bench, azurite: Azurite, size: int) -> list[Row]:
    name, table = f"lake{size}", replace(load(DOMAINS).tables["airlines.bronze.weather"], inputs={"landed": SOURCE})
    lake = Lake(str(bench.folder / "blobs" / name), f"{azurite.container(name)}/landing")
    with ContainerClient.from_connection_string(azurite.connection_string, name) as container:
        _fill(container, size)
        read_all(table, lake)
        events = _new(container, table, lake)
        queues = _queues(azurite, lake, name)
        with dg.DagsterInstance.ephemeral() as instance:
            tick = partial(_tick, instance, table, lake)

            def by_queue() -> float:
                for event in events:
                    queues.events.send_message(json.dumps(event))
                return timed(partial(tick, queues))()

            sides = {
                "by day": timed(tick),
                "by queue": by_queue,
                "list_blobs": timed(lambda: sum(1 for _ in container.list_blobs())),
            }
            medians = bench.turns(sides)
    return [
        Row(f"a tick {how}, {size:,} blobs, {NEW} new", medians[how], medians["list_blobs"], "flat")
        for how in ("by day", "by queue")
    ]


def _fill(container: ContainerClient, number: int) -> None:
    """Blobs in the folders of the last hundred days but the newest three."""
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=3 + n) for n in range(DAYS)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: _put(container, days[n % DAYS], f"{n:06}"), range(number - NEW)))


def _put(container: ContainerClient, day: date, name: str) -> None:
    container.upload_blob(f"landing/airlines/weather/{day:%Y/%m/%d}/{name}.csv", b"origin\nJFK\n")


def _new(container: ContainerClient, table: Table, lake: Lake) -> list[dict[str, Any]]:
    """Ten blobs of today, and the events that tell of them."""
    today = datetime.now(UTC).date()
    for n in range(NEW):
        _put(container, today, f"new {n}")
    found = list_arrivals(SOURCE, lake.landing_folder(table.domain), days=[today])
    return [created(file, container.container_name) for file in found]


def _queues(azurite: Azurite, lake: Lake, name: str) -> Queues:
    for queue in (name, f"{name}-poison"):
        QueueClient.from_connection_string(azurite.connection_string, queue).create_queue()
    return queues_at(name, lake.landing)


def _tick(instance: dg.DagsterInstance, table: Table, lake: Lake, queues: Queues | None = None) -> None:
    """A tick within the hour after everything was listed."""
    context = dg.build_sensor_context(instance, cursor=f'{{"listed": {time.time()}}}')
    notified = partial(drain, queues, [table], lake) if queues else None
    result = evaluate(context, "airlines", [table], [], lake, notified)
    assert isinstance(result, dg.SensorResult), result
    assert result.run_requests, result
