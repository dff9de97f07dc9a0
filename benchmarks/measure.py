"""Times things in turns, A B A B, so that whatever else the machine does falls on both sides alike."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.jars import jar_folder
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import PROJECT, Settings, read_settings

# An engine whose benchmark was killed ends by itself.
IDLE_MINUTES = 5.0

Side = Callable[[], float]


@dataclass(frozen=True)
class Row:
    """A line of the results: medians in seconds, the aim for their ratio, and what else was seen."""

    what: str
    ours: float
    against: float
    aim: str
    seen: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.against


@dataclass(frozen=True)
class Bench:
    """How a benchmark runs: the folder it may fill, the rounds it times, and whether it tries itself out on little."""

    folder: Path
    repeat: int
    small: bool

    def size(self, whole: int, small: int) -> int:
        return small if self.small else whole

    @cached_property
    def settings(self) -> Settings:
        """A home and a warm engine of the benchmarks' own: a test that runs meanwhile shares neither."""
        return replace(read_settings({}), spark_idle_minutes=IDLE_MINUTES, cache=engine_cache(self.folder / "cache"))

    @cached_property
    def engine(self) -> SparkResource:
        return SparkResource.from_settings(self.settings)

    def environment(self, home: Path, cache: Path | None = None) -> dict[str, str]:
        """The variables by which a process of its own finds a lakehouse, and the warm engine or one in `cache`."""
        ours = ("LAKEHOUSE_", "DAGSTER_HOME")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {
            **kept,
            "LAKEHOUSE_HOME": str(home),
            "LAKEHOUSE_CACHE": str(cache or self.settings.cache),
            "LAKEHOUSE_SPARK_IDLE_MINUTES": str(IDLE_MINUTES),
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }

    def turns(self, sides: Mapping[str, Side], *, warm: bool = False) -> dict[str, float]:
        """Each side's median over the rounds; unless they're warm, a round before, to warm them up, isn't counted."""
        rounds = [{name: side() for name, side in sides.items()} for _ in range(self.repeat + (not warm))]
        return {name: statistics.median(r[name] for r in rounds[-self.repeat :]) for name in sides}

    def pair(self, ours: Side, against: Side) -> tuple[float, float]:
        """The medians of two sides."""
        medians = self.turns({"ours": ours, "against": against})
        return medians["ours"], medians["against"]


def timed(work: Callable[[], object]) -> Side:
    """A side that is measured from call to return."""

    def side() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return side


def p95(found: Sequence[float]) -> float:
    """What 95 of 100 are at most."""
    return sorted(found)[int(len(found) * 0.95)]


def engine_cache(folder: Path) -> Path:
    """A cache folder with the JARs of the usual one, in which an engine of one's own can start."""
    folder.mkdir(parents=True)
    (folder / "jars").symlink_to(jar_folder(read_settings().cache).parent)
    return folder


def stop_engine(settings: Settings) -> None:
    """Stop the engine of these settings, if it was started."""
    engine = SparkResource.from_settings(settings).server_settings
    spark_server.release(engine)
    spark_server.stop(engine)


def shared_data(name: str) -> Path:
    """A file or folder of the real data beside the project."""
    path = PROJECT.parent / "shared" / "data" / name
    assert path.exists(), f"the real data files are not at {path}"
    return path
