"""1,000 new rows in a table that is 1, 10 and 100 times as large: what it costs to refresh the gold made of it."""

from __future__ import annotations

from benchmarks.measure import Bench, Row, timed
from benchmarks.measured.groups import all_flights, bring, flights_project, gold, land
from lakehouse_assets_tests.project import Project

NEW = 1_000


def run(bench: Bench) -> list[Row]:
    sizes = [bench.size(30_000, 3_000) * times for times in (1, 10, 100)]
    projects = {rows: _grown(bench, rows) for rows in sizes}
    seconds = bench.turns({f"{rows:,}": lambda rows=rows: _refreshed(projects[rows]) for rows in sizes})
    first, *_ = seconds.values()
    return [Row(f"{NEW:,} new rows, {size} there", took, first, "flat: 1") for size, took in seconds.items()]


def _grown(bench: Bench, rows: int) -> Project:
    project, flights = flights_project(bench, f"growth_{rows}"), all_flights()
    rounds = bench.repeat + 1
    land(project, 0, flights.slice(0, rows - rounds * NEW))
    bring(project)
    gold(project, "by_route")
    return project


def _refreshed(project: Project) -> float:
    """Seconds of a refresh after the next rows."""
    stored, flights = project.log("silver.flights"), all_flights()
    land(project, stored.version + 1, flights.slice(stored.rows, NEW))
    bring(project)
    return timed(lambda: gold(project, "by_route"))()
