"""1 % new rows among 3 million: the groups they touch computed anew, beside all of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import Bench, Row, shared_data, timed
from lakehouse_assets.engine.run.outcome import Outcome
from lakehouse_assets.engine.run.update import update
from lakehouse_assets_tests.project import Project, listed

SILVER = """
@table(raw="bronze.flights", write=append(),
       columns=[Column("day", "date"), Column("at", "timestamp_ntz"), Column("delay", "bigint"),
                Column("distance", "bigint"), Column("origin", "string"), Column("destination", "string")])
def flights(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("date(date) day", "date at", "delay", "distance", "origin", "destination")
"""
GOLD = {
    "by_route": (
        "day date, origin string, destination string, flights bigint, late bigint, mean double, p90 double",
        """SELECT day, origin, destination, count(*) AS flights, count_if(delay >= 15) AS late, avg(delay) AS mean,
                  percentile(delay, 0.9) AS p90
           FROM flights GROUP BY day, origin, destination""",
    ),
    "ranked": (
        "day date, at timestamp_ntz, delay bigint, distance bigint, origin string, destination string, worst int,"
        " last_delays double",
        """SELECT *, rank() OVER (PARTITION BY day, origin ORDER BY delay DESC) AS worst,
                  avg(delay) OVER (PARTITION BY day, origin ORDER BY at ROWS 10 PRECEDING) AS last_delays
           FROM flights""",
    ),
}


def run(bench: Bench) -> list[Row]:
    project = flights_project(bench, "groups")
    rounds = bench.repeat + 1
    deliveries = _deliveries(bench, project, rounds)
    next(deliveries)
    bring(project)
    for name in GOLD:
        gold(project, name)

    def refreshed(name: str) -> float:
        seen: list[Outcome] = []
        seconds = timed(lambda: seen.append(gold(project, name)))()
        assert bench.small or seen[0].plan.strategy == "refresh", seen[0].plan.reason
        return seconds

    def ours() -> float:
        next(deliveries)
        bring(project)
        return refreshed("by_route")

    sides = {
        "by_route": ours,
        "by_route in full": timed(partial(gold, project, "by_route", full=True)),
        "ranked": partial(refreshed, "ranked"),
        "ranked in full": timed(partial(gold, project, "ranked", full=True)),
    }
    medians = bench.turns(sides)
    return [
        Row(f"1 % new of 3 million rows, {name}", medians[name], medians[f"{name} in full"], "at most 0.15")
        for name in GOLD
    ]


def gold(project: Project, name: str, *, full: bool = False) -> Outcome:
    """Bring a gold table up to date."""
    env = project.context()
    return update(env.lakehouse.tables[f"shop.gold.{name}"], env, full)


def bring(project: Project) -> None:
    """Take in what has landed, up to silver."""
    project.run("bronze.flights")
    project.run("silver.flights")


def flights_project(bench: Bench, name: str) -> Project:
    """A lakehouse of flights, with the gold tables above."""
    folder = bench.folder / name
    folder.mkdir()
    sys.path.insert(0, str(folder))
    project = Project(folder, f"{name}_domains", bench.engine)
    project.bronze("flights", 'format="parquet"')
    project.table("silver.flights", SILVER)
    for name, (columns, sql) in GOLD.items():
        declared = f'flights="silver.flights", columns=[{listed(columns)}], write=refresh(by="day"), sql="""{sql}"""'
        project.table(f"gold.{name}", f"{name} = sql_table({declared})")
    return project


def _deliveries(bench: Bench, project: Project, rounds: int) -> Iterator[None]:
    """The flights in the order of their dates: at first all but the last, then 1 % of all each time."""
    flights = all_flights()
    flights = flights.slice(0, bench.size(flights.num_rows, 50_000))
    part = flights.num_rows // 100
    first = flights.num_rows - rounds * part
    for number in range(rounds + 1):
        start, rows = (0, first) if number == 0 else (first + (number - 1) * part, part)
        land(project, number, flights.slice(start, rows))
        yield


def all_flights() -> pa.Table:
    """3 million flights, in the order of their dates."""
    return pq.read_table(shared_data("airlines/bts_vega/flights-3m.parquet"))


def land(project: Project, number: int, flights: pa.Table) -> None:
    """Deliver flights as a file."""
    path = Path(project.root) / "landing" / "shop" / "flights" / f"{number}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(flights, path)
