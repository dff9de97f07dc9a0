"""A tick of the arrivals sensor, 10 blobs of many being new, by folders of days and by queue, beside listing all."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from benchmarks.measure import Bench, Row, timed
from benchmarks.measured.tick import read_all
from lakehouse_assets.engine.compile.sensors import evaluate
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.sources.arrivals.notifications import Queues, drain
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.resources.azure import queues_at
from lakehouse_assets_tests.servers.azurite import Azurite, created, running

SIZES = (1_000, 10_000, 100_000)
NEW = 10
DAYS = 100
SOURCE = files("weather/%Y/%m/%d/*.csv")
TEXT = b"origin\nJFK\n"


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
    name, table = (
        f"lake{size}",
        replace(open_lakehouse(strict=True).tables["airlines.bronze.weather"], inputs={"landed": SOURCE}),
    )
    url = azurite.container(name)
    lake = Lake(str(bench.folder / "blobs" / name), f"{url}/landing")
    with ContainerClient.from_connection_string(azurite.connection_string, name) as container:
        _fill(azurite, url, size)
        read_all(table, lake)
        events = [created(file, name) for file in azurite.put(url, _names(0, range(size, size + NEW)), TEXT)]
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
                "three days": timed(lambda: _list_days(container)),
                "list_blobs": timed(lambda: sum(1 for _ in container.list_blobs())),
            }
            medians = bench.turns(sides)
    seen = {"by day": f"the emulator lists the three days alone in {medians['three days']:.2f} s"}
    return [
        Row(f"a tick {how}, {size:,} blobs, {NEW} new", medians[how], medians["list_blobs"], "flat", seen.get(how, ""))
        for how in ("by day", "by queue")
    ]


def _list_days(container: ContainerClient) -> int:
    """What a tick by day asks for, and no more. Azurite looks at all its blobs for that; Azure has them in order."""
    days = [name.rpartition("/")[0] for n in (-1, 0, 1) for name in _names(n, [0])]
    return sum(1 for day in days for _ in container.list_blobs(name_starts_with=day))


def _fill(azurite: Azurite, url: str, size: int) -> None:
    """Blobs in the folders of the last hundred days but the newest three."""
    for day in range(DAYS):
        azurite.put(url, _names(3 + day, range(day, size - NEW, DAYS)), TEXT)


def _names(days_ago: int, numbers: Iterable[int]) -> list[str]:
    day = datetime.now(UTC).date() - timedelta(days=days_ago)
    return [f"landing/airlines/weather/{day:%Y/%m/%d}/{number:06}.csv" for number in numbers]


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
