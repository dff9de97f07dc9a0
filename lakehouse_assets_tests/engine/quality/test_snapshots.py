"""Whole snapshots in, changes out: tables are what the snapshots say, in whatever order these arrive."""

from __future__ import annotations

from random import Random

import pytest

from lakehouse_assets.engine.errors import CheckFailed
from lakehouse_assets_tests.crash import run_and_die
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.soak import some

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


@pytest.mark.parametrize("seed", some(range(10), 1))
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
    ("name", "where"),
    [("silver.current", "after lake.small_writes:merge"), ("silver.versions", "before lake.state:write_state")],
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
    assert run_and_die(dumps, name, f"{moment} lakehouse_assets.engine.{function}") == -9
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


def test_snapshots_in_which_a_key_has_several_rows_are_what_each_says_alone(dumps: Project) -> None:
    for day, names in {10: "ab", 11: "a", 12: "aab", 13: "bc", 14: "c"}.items():
        dumps.land(f"dumps/{day}.csv", "\n".join(["id,day,name", *(f"1,{day},{name}" for name in names)]))
        dumps.run("bronze.dumps")
        dumps.run("silver.current")
        assert dumps.rows("silver.current", "name") == [(max(names),)], day


# A table whose snapshots are told apart by their batches, as dumps without a date are.
BY_BATCH = """
@table(raw=snapshots("bronze.dumps", on="id"), expect=[drop("name <> '?'", name="named")],
       columns=[Column("id", "int", key=True), Column("name", "string")],
       write=merge(on="id", newest="_batch", delete_when="_deleted"))
def current(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "name", "_batch", "_deleted")
"""
# A dump that can't be meant, and how many rows are left once it's accepted.
BAD = {
    "in another format": (["key,name", *(f"{key},a" for key in range(10))], 0),
    "that lacks most keys": (["id,name", *(f"{key},a" for key in range(4))], 4),
    "most of whose rows are rejected": (["id,name", *(f"{key},?" for key in range(10))], 10),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_snapshot_that_can_t_be_meant_is_held_back_until_it_s_accepted(dumps: Project, kind: str) -> None:
    lines, left = BAD[kind]
    for table in (BY_BATCH, BY_BATCH.replace("merge(", "history(").replace("current", "versions")):
        dumps.table(f"silver.{'current' if 'def current' in table else 'versions'}", table)
    dumps.land("dumps/1.csv", "\n".join(["id,name", *(f"{key},a" for key in range(10))]))
    run(dumps)
    before = dumps.rows("silver.versions")
    dumps.land("dumps/2.csv", "\n".join(lines))
    dumps.run("bronze.dumps")
    for name in ("silver.current", "silver.versions"):
        with pytest.raises(CheckFailed, match="nothing was written") as held:
            dumps.run(name)
        assert f"`lakehouse run shop.{name} --accept-loss`" in str(held.value)
    assert dumps.rows("silver.versions") == before
    found = dumps.by_dagster("silver.current").get_asset_check_evaluations()
    assert [check.check_name for check in found if not check.passed] == ["snapshots_plausible"]
    dumps.run("silver.current", accept_loss=True)
    assert len(dumps.rows("silver.current")) == left
    assert dumps.run("silver.current").plan.strategy == "nothing"


def test_an_empty_snapshot_changes_nothing_and_is_told(dumps: Project) -> None:
    land(dumps, 10, {1: "a", 2: "b"})
    run(dumps)
    dumps.land("dumps/11.csv", "id,day,name\n")
    run(dumps)
    found = dumps.by_dagster("silver.current").get_asset_check_evaluations()
    (told,) = (check.description for check in found if check.check_name == "snapshots_plausible" and not check.passed)
    assert "11.csv has no row" in (told or "")
    assert dumps.rows("silver.current", "id") == [(1,), (2,)]


def test_a_share_that_is_declared_lets_a_snapshot_lose_so_many_keys(dumps: Project) -> None:
    dumps.table("silver.current", CURRENT.replace('at="day"', 'at="day", loses=0.9'))
    land(dumps, 10, dict.fromkeys(range(10), "a"))
    run(dumps)
    land(dumps, 11, {1: "a"})
    dumps.run("bronze.dumps")
    dumps.run("silver.current")
    assert dumps.rows("silver.current", "id") == [(1,)]
