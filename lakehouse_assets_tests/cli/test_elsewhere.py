"""Tables that a program of others writes at a place of its own: read as any other, and never run."""

from __future__ import annotations

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakehouse_assets.cli.doctor.catalog import looks_at_catalog
from lakehouse_assets.cli.doctor.compute import looks_at_compute
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.project import Project

BEST = """
@table(r="gold.ratings", columns=[Column("id", "bigint", key=True), Column("stars", "bigint")],
       write=merge(on="id", newest="stars"))
def best(r: DataFrame) -> DataFrame:
    return r
"""


@pytest.fixture
def outside(project: Project) -> str:
    """Where `gold.ratings` is, which `gold.best` reads."""
    at = str(project.root / "others" / "ratings")
    project.external("gold.ratings", at)
    project.table("gold.best", BEST)
    return at


def wrote(at: str, *rows: tuple[int, int], feed: str = "true") -> None:
    """What another program does, with a mark in its commit that is none of ours."""
    from deltalake import CommitProperties

    told = pa.table({"id": [i for i, _ in rows], "stars": [s for _, s in rows]})
    mark = CommitProperties(custom_metadata={"userMetadata": '{"run": 7, "read": null}'})
    set_up = {"delta.enableChangeDataFeed": feed}
    write_deltalake(at, told, mode="append", configuration=set_up, commit_properties=mark)


def test_readers_take_in_what_is_new_there(project: Project, outside: str) -> None:
    assert project.plan("gold.best").reason == "shop.gold.ratings not built yet"
    wrote(outside, (1, 5))
    assert project.run("gold.best").plan.strategy == "full"
    wrote(outside, (2, 3), (1, 6))
    done = project.run("gold.best")
    assert (done.plan.strategy, done.plan.reason) == ("merge", "shop.gold.ratings has versions 1 to 1")
    assert project.rows("gold.best", "id", "stars") == [(1, 6), (2, 3)]
    assert project.run("gold.best").plan.strategy == "nothing"


def test_readers_of_one_without_a_change_feed_are_rebuilt(project: Project, outside: str) -> None:
    wrote(outside, (1, 5), feed="false")
    project.run("gold.best")
    wrote(outside, (2, 3), feed="false")
    done = project.run("gold.best")
    assert done.plan.strategy == "full"
    assert "the changes since version 0 of shop.gold.ratings can't be read" in done.plan.reason
    assert project.rows("gold.best", "id", "stars") == [(1, 5), (2, 3)]


def test_the_command_looks_at_it_and_runs_it_never(command: Command, outside: str) -> None:
    assert "the job 'nightly ratings' makes it" in command("show", "gold.ratings").out
    wrote(outside, (1, 5))
    said = command("run")
    assert said.code == 0, said
    assert "1 of 1 tables have something to do" in said.out
    assert command.project.rows("gold.best", "id", "stars") == [(1, 5)]
    assert command("show", "gold.ratings").out.split() == ["id", "stars", "1", "5"]
    assert command("sql", "SELECT stars FROM gold.ratings").out.split() == ["stars", "5"]
    assert "which others own and start" in command("plan").out
    assert command("tables").code == 0
    for asked in (["run", "gold.ratings"], ["forget", "gold.ratings", "1.csv"]):
        said = command(*asked)
        assert (said.code, "which others own and start; start it in the workspace" in said.out) == (1, True)
    assert "it can't be computed here" in command("verify", "gold.ratings").out
    assert command("replay", "gold.ratings").code == 1
    for number in range(3):
        wrote(outside, (9, number))
    assert command("maintain", "gold").code == 0
    said = command("maintain", "gold.ratings")
    assert (said.code, "is left to the owners of the job 'nightly ratings'" in said.out) == (1, True)
    commits = DeltaTable(outside).history()
    assert [c["operation"] for c in commits] == ["WRITE"] * 4  # whose files stay
    assert command("history", "gold.ratings").code == 0


def test_doctor_asks_a_workspace_nothing_about_it(project: Project) -> None:
    project.external("gold.ratings", "abfss://theirs@others.dfs.core.windows.net/ratings")
    lake = Lake("abfss://lake@shop.dfs.core.windows.net/lake", "/landing", catalog="main")
    asked = [*looks_at_compute(project.lakehouse), *looks_at_catalog(project.lakehouse, lake)]
    assert [what for what, _ in asked] == ["Databricks rights", "Databricks catalog", "Databricks location"]
