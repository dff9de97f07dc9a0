"""Whole snapshots in, changes out: tables are what the snapshots say, in whatever order these arrive."""

from __future__ import annotations

from random import Random

import pytest

from lakehouse_assets_tests.crash import run_and_die
from lakehouse_assets_tests.project import Project

COLUMNS = 'columns=[Column("id", "int", key=True), Column("day", "int"), Column("name", "string")],'
CURRENT = f"""
@table(raw=snapshots("bronze.dumps", on="id", at="day"), {COLUMNS}
       write=merge(on="id", newest="day", delete_when="_deleted"))
def current(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "int(day) day", "name", "_deleted")
"""
VERSIONS = CURRENT.replace("merge(", "history(").replace("current", "versions")
Snapshot = dict[int, str | None]


@pytest.fixture
def dumps(project: Project) -> Project:
    project.bronze("dumps")
    project.table("silver.current", CURRENT)
    project.table("silver.versions", VERSIONS)
    return project


def land(dumps: Project, day: int, snapshot: Snapshot) -> None:
    lines = [f"{key},{day},{name or ''}" for key, name in snapshot.items()]
    dumps.land(f"dumps/{day}.csv", "\n".join(["id,day,name", *lines]))


def run(dumps: Project) -> None:
    for name in ("bronze.dumps", "silver.current", "silver.versions"):
        dumps.run(name)


def versions(days: dict[int, Snapshot]) -> list[tuple[int, str | None, int, int | None]]:
    """Key, name, from, to: by walking through the snapshots of a key, one after the other."""
    found, absent = [], object()
    for key in sorted({k for snapshot in days.values() for k in snapshot}):
        name: object = absent
        for day in sorted(days):
            now = days[day].get(key, absent)  # type: ignore[arg-type]
            if now != name:
                if name is not absent:
                    found[-1] = (*found[-1][:3], day)
                if now is not absent:
                    found.append((key, now, day, None))
                name = now
    return sorted(found, key=repr)  # type: ignore[arg-type]


def check(dumps: Project, days: dict[int, Snapshot]) -> None:
    latest = days[max(days)]
    assert dumps.rows("silver.current", "id", "name") == sorted(latest.items(), key=repr)
    assert dumps.rows("silver.versions", "id", "name", "valid_from", "valid_to") == versions(days)


@pytest.mark.parametrize("seed", range(2))
def test_snapshots_that_arrive_in_any_order_and_several_at_once(dumps: Project, seed: int) -> None:
    random = Random(seed)
    days = {
        day: {key: random.choice(["a", "b", None]) for key in range(100) if random.random() < 0.8}
        for day in range(10, 17)
    }
    arriving, arrived = random.sample(list(days), len(days)), dict[int, Snapshot]()
    for group in (arriving[:2], arriving[2:3], arriving[3:]):
        for day in group:
            land(dumps, day, days[day])
            arrived[day] = days[day]
        run(dumps)
        check(dumps, arrived)


@pytest.mark.parametrize(
    ("name", "where"), [("silver.current", "after scd1:merge"), ("silver.versions", "before memory:remember")]
)
def test_changes_between_snapshots_are_right_after_a_run_was_killed(dumps: Project, name: str, where: str) -> None:
    days: dict[int, Snapshot] = {10: {1: "a", 2: "b", 3: "c"}, 12: {1: "a", 2: "d"}, 11: {1: "e", 3: "c"}, 13: {2: "d"}}
    for day in (10, 12):
        land(dumps, day, days[day])
    run(dumps)
    for day in (11, 13):
        land(dumps, day, days[day])
    dumps.run("bronze.dumps")
    moment, function = where.split(" ")
    assert run_and_die(dumps, name, f"{moment} lakehouse_assets.engine.run.{function}") == -9
    land(dumps, 14, {3: "f"})
    run(dumps)
    check(dumps, days | {14: {3: "f"}})


def test_a_snapshot_that_says_the_same_changes_nothing(dumps: Project) -> None:
    land(dumps, 10, {1: "a", 2: "b"})
    run(dumps)
    land(dumps, 11, {1: "a", 2: "b"})
    run(dumps)
    assert dumps.rows("silver.current", "id", "day") == [(1, 10), (2, 10)]


def test_a_row_of_no_snapshot_is_not_lost(dumps: Project) -> None:
    dumps.table("silver.current", CURRENT.replace('Column("day", "int")', 'Column("day", "int", nullable=False)'))
    land(dumps, 10, {1: "a"})
    dumps.land("dumps/none.csv", "id,day,name\n7,,x\n")
    run(dumps)
    assert dumps.rows("silver.current", "id") == [(1,)]
    assert len(dumps.rejected("silver.current")) == 1
