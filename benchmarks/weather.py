"""A lakehouse with a year of weather in it, where one more hour arrives at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from benchmarks.measure import Bench
from benchmarks.one_row import refresh
from lakehouse_assets.domains.airlines.feed import land
from lakehouse_assets.settings import Settings

HEADER = "origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour"
FIRST = datetime(2014, 1, 1, tzinfo=UTC)


def with_a_year(bench: Bench, home: Path) -> Settings:
    """The settings of a lakehouse at `home`, its weather built: 26,115 hours from 365 files."""
    settings = replace(bench.settings, home=home, lake=str(home / "lake"), landing=str(home / "landing"))
    land(home / "landing" / "airlines")
    for name in ("flights", "airports", "planes", "carriers"):  # else the sensor's first tick would have them all run
        shutil.rmtree(home / "landing" / "airlines" / name)
    refresh(settings, bench.engine)
    return settings


def hours(settings: Settings) -> Iterator[Path]:
    """Each time it's asked for the next, a file with one more hour lands."""
    for number in count():
        at = FIRST + timedelta(hours=number)
        local = f"JFK,{at.year},{at.month},{at.day},{at.hour}"
        row = f"{local},39.0,26.1,59.4,270,10.4,NA,0,1012,10,{at:%Y-%m-%dT%H:%M:%SZ}"
        path = Path(settings.landing) / "airlines" / "weather" / f"more-{number:04}.csv"
        path.write_text(f"{HEADER}\n{row}\n")
        yield path
