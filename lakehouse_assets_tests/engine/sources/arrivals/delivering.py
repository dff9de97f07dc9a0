"""A table whose blobs arrive, change and go in any way, and whose reading is taken down instead of done.

All else is the real thing: listing, queue, ledger, the sensor's tick, the batches of a run. As a program
(`python -m lakehouse_assets_tests.engine.sources.arrivals.delivering`) it's a tick and the start of a run, killed at a
boundary.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from types import SimpleNamespace

import dagster as dg
import pytest
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from lakehouse_assets.engine.compile import sensors
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.plan.plan import Plan
from lakehouse_assets.engine.run.ingest import ingest
from lakehouse_assets.engine.run.outcome import Outcome
from lakehouse_assets.engine.sources.arrivals import notifications
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.sources.arrivals.ledger import Outcome as Ending
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, list_arrivals, still_there
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.resources.azure import lake_at, queues_at
from lakehouse_assets_tests.crash import die_at
from lakehouse_assets_tests.servers.azurite import Azurite, created

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
ROW = b"origin\nJFK\n"
LAKEHOUSE = open_lakehouse(strict=True)
SOURCE = files("weather/%Y/%m/%d/*.csv", files_per_batch=4_000)
TABLE = replace(LAKEHOUSE.tables["airlines.bronze.weather"], inputs={"landed": SOURCE})


class Died(BaseException):
    """The process of a run would have ended here."""


def name_of(number: int, day: int) -> str:
    """A blob in the folder of a day, counted from today."""
    return f"landing/airlines/weather/{NOON + timedelta(days=day):%Y/%m/%d}/{number:06}.csv"


@dataclass
class Delivery:
    """What happens to `blobs` in a container, at a URL.

    `there` has them by path as they are now; `ever` all versions there ever were; `read` those that each batch read.
    """

    azurite: Azurite
    container: str
    lake: Lake
    blobs: Sequence[Arrival]
    random: Random
    instance: dg.DagsterInstance
    clock: datetime = NOON
    skew: timedelta = timedelta(0)
    cursor: str | None = None
    mortal: bool = True
    told: list[Arrival] = field(default_factory=list)
    read: dict[int, list[Arrival]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = self.container.partition("//")[2].partition("@")[0]
        self.queue, self.serial = f"{self.name}-arrivals", len(self.blobs)
        for name in (self.queue, f"{self.queue}-poison"):
            QueueClient.from_connection_string(self.azurite.connection_string, name).create_queue()
        self.queues = queues_at(self.queue, self.lake.landing)
        self.there, self.ever = {f.path: f for f in self.blobs}, set(self.blobs)
        self.untold = self.random.sample(self.blobs, len(self.blobs) // 10)

    def deliver(self, day: int | None = None) -> None:
        """Some at once, in today's folder, in its neighbours by a clock that is off, or in an old one."""
        day = self.random.choice([0, 0, -1, 1, -40, -99]) if day is None else day
        number = self.random.choice([1, 30, 100])
        self._put([name_of(self.serial + n, day) for n in range(number)])
        self.serial += number

    def overwrite(self) -> None:
        some = self.random.sample(self._now(), 20) + [f for f in self.untold[-5:] if f.path in self.there]
        self._put(sorted({_name(f) for f in some}))

    def delete(self) -> None:
        """Most of them unread, and told of later."""
        old = self.random.sample(self._now(), 5)
        with ContainerClient.from_connection_string(self.azurite.connection_string, self.name) as client:
            for file in {f.path: f for f in old + self.untold[-5:] if f.path in self.there}.values():
                client.delete_blob(_name(file))
                del self.there[file.path]

    def _now(self) -> list[Arrival]:
        return [self.there[path] for path in sorted(self.there)]

    def _put(self, names: Sequence[str]) -> None:
        made = self.azurite.put(self.container, names, ROW)
        self.there |= {f.path: f for f in made}
        self.ever |= set(made)
        self.untold += made

    def tell(self) -> None:
        """Of the untold some are lost, some told of twice, in any order, with old events and those of elsewhere."""
        events = [f for f in self.untold for _ in range(self.random.choice([0, 1, 1, 2]))]
        events += self.random.sample(self.told, min(5, len(self.told)))
        self.random.shuffle(events)
        self.told, self.untold = [*self.told, *events], []
        for start in range(0, len(events), 50):
            self._send([created(f, self.name) for f in events[start : start + 50]])
        self._send([created(f, "another") for f in events[:2]])

    def _send(self, events: Sequence[object]) -> None:
        self.queues.events.send_message(json.dumps(events))

    def wait(self) -> None:
        """The sensor's clock goes on; now and then it's wrong by hours or days, and set right later."""
        self.clock += timedelta(seconds=self.random.choice([30, 600]))
        self.skew = timedelta(hours=self.random.choice([0, 0, -3, 50, -50]))

    def tick(self) -> str:
        """A tick, mostly with the queue, and the run that it asks for; else why it asks for none."""
        notice = partial(notifications.drain, self.queues, [TABLE], self.lake) if self.random.random() < 0.7 else None
        context = dg.build_sensor_context(self.instance, cursor=self.cursor)
        with pytest.MonkeyPatch.context() as patched:
            now = (self.clock + self.skew).timestamp()
            patched.setattr(sensors, "time", SimpleNamespace(time=lambda: now))
            decided = sensors.evaluate(context, sensors.Fed("airlines", [TABLE], []), self.lake, notice)
        assert isinstance(decided, dg.SensorResult)
        self.cursor = decided.cursor
        if decided.run_requests:
            self._run()
        return decided.skip_reason.skip_message or "" if decided.skip_reason else ""

    def _run(self) -> None:
        """It may end before it has written a batch, or before it has marked it, and leaves that to the next."""
        with pytest.MonkeyPatch.context() as patched, suppress(Died):
            patched.setattr(ingest, "_take", lambda _, __, *taken, resumed: self._take(*taken, resumed=resumed))
            context = Context(LAKEHOUSE, self.lake, lambda: pytest.fail("nothing is read by Spark"))
            ingest.ingest(TABLE, context, full=False)

    def _take(self, ledger: Ledger, batch: ingest.Batch, *, resumed: bool) -> Outcome:
        """As Delta does, it takes a batch that is repeated for the one it has."""
        if batch.number not in self.read:
            self._may_die()
            there = still_there(batch.files)[0] if resumed else batch.files
            assert not resumed or {f.etag for f in there} <= {f.etag for f in self.there.values()}
            self.random.choice([self.overwrite, self.delete, self.wait])()
            now = set(self.there.values())
            self.read[batch.number] = [f for f in there if f in now]  # as the query makes sure
            self._may_die()
        read = set(self.read[batch.number])
        ended = [Ending(f.path, "done", rows=1) if f in read else Ending(f.path, "vanished") for f in batch.files]
        ledger.mark(batch.number, ended)
        return Outcome(Plan(TABLE, "append", ""), 0)

    def _may_die(self) -> None:
        if self.mortal and self.random.random() < 0.2:
            raise Died

    def killed(self, where: str) -> int:
        """The exit code of a process that ticks, and begins a run, until a boundary."""
        self._put([name_of(self.serial, 0)])
        self.serial += 1
        self._send([created(self.untold[-1], self.name)])
        arguments = [self.lake.root, self.lake.landing, self.queue, where]
        return subprocess.run([sys.executable, "-m", __name__, *arguments], timeout=120, check=False).returncode

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.lake.arrivals(TABLE.key), self.lake.storage)

    def waiting(self) -> int:
        """The messages in the queue, those that someone has taken and not deleted too."""
        queue = QueueClient.from_connection_string(self.azurite.connection_string, self.queue)
        return int(queue.get_queue_properties().approximate_message_count)

    def listed(self) -> set[str]:
        """The versions that are there, as Azure's own client lists them."""
        with ContainerClient.from_connection_string(self.azurite.connection_string, self.name) as client:
            return {f"{blob.etag} {self.container}/{blob.name}" for blob in client.list_blobs()}


def _name(file: Arrival) -> str:
    return file.path.partition(".net/")[2]


def main() -> None:
    root, landing, queue, where = sys.argv[1:]
    die_at(where)
    notifications.VISIBILITY_SECONDS = 1
    lake = lake_at(root, landing)
    notifications.drain(queues_at(queue, landing), [TABLE], lake)
    ledger = Ledger(lake.arrivals(TABLE.key), lake.storage)
    ledger.plan(list_arrivals(SOURCE, lake.landing_folder(TABLE.domain), ledger.state().settled(), [NOON.date()]))


if __name__ == "__main__":
    main()
