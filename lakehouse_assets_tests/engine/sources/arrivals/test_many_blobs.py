"""Ten thousand blobs in Azure Storage: each version is read once, in whatever order things happen, and fail."""

from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random

import dagster as dg
import pytest

from lakehouse_assets.engine.sources.arrivals.listing import version_of
from lakehouse_assets.resources.azure import lake_at
from lakehouse_assets_tests.engine.sources.arrivals.delivering import ROW, Delivery, name_of
from lakehouse_assets_tests.servers.azurite import Azurite
from lakehouse_assets_tests.servers.waiting import wait_until
from lakehouse_assets_tests.soak import some

DAYS = 100
STEPS = 18
# Where a process of the sensor or of a run is killed: around each thing that it leaves behind.
LEDGER = "lakehouse_assets.engine.sources.arrivals.ledger:Ledger"
BOUNDARIES = (
    f"before {LEDGER}.announce", "after deltalake:write_deltalake", f"after {LEDGER}.announce",
    "after azure.storage.queue:QueueClient.delete_message", f"before {LEDGER}.plan", f"after {LEDGER}.plan",
)  # fmt: skip


# Ten thousand take a minute and a half, to be listed nine times above all: so that is for `make soak`.
MANY = 10_000 if "SOAK_ROUNDS" in os.environ else 3_000


@pytest.mark.parametrize(("number", "seed"), some([(MANY, 0), (300, 1), (300, 2), (300, 3)], 2))
def test_each_version_of_each_blob_is_read_once_whatever_happens(
    tmp_path: Path, azurite: Azurite, container: str, instance: dg.DagsterInstance, number: int, seed: int
) -> None:
    """Random deliveries, events, ticks and deaths; at the end some hours in which nothing fails."""
    blobs = azurite.put(container, [name_of(n, -(n % DAYS)) for n in range(number)], ROW)
    it = Delivery(
        azurite, container, lake_at(str(tmp_path / "lake"), f"{container}/landing"), blobs, Random(seed), instance
    )
    deaths = it.random.sample(BOUNDARIES, 3)
    for step in range(STEPS):
        it.random.choice([it.deliver, it.overwrite, it.delete, it.tell, it.wait, it.tick])()
        if step % (STEPS // 3) == 2:
            assert it.killed(deaths.pop()) == -9
    it.mortal, it.skew = False, timedelta(0)
    assert_settled(it, timedelta(minutes=10))
    it.deliver(day=-99)  # and nobody tells of them
    assert_settled(it, timedelta(hours=1))
    reads = Counter(version_of(f) for batch in it.read.values() for f in batch)
    assert [version for version, times in reads.items() if times > 1] == []
    assert sorted(it.listed() - reads.keys()) == []
    assert reads.keys() <= {version_of(f) for f in it.ever}
    assert {version_of(e.arrival) for e in it.ledger.entries() if e.status == "done"} == reads.keys()


def assert_settled(it: Delivery, pause: timedelta) -> None:
    """Ticking on, the sensor comes to find nothing new, and the queue is empty."""

    def settled() -> bool:
        it.clock += pause
        return it.tick() == "no new files" and it.waiting() == 0

    wait_until(settled, 120)
