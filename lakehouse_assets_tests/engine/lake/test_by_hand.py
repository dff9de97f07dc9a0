"""What somebody does to our tables by hand is noticed by the next run: lost rows come again, or it says what to do."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.modes.refresh.small_refresh import planned
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.soak import some

TABLES = {
    "added": "write=append(), columns=[Column('id', 'int')]",
    "newest": "write=merge(on='id', newest='seq'), columns=[Column('id', 'int', key=True), Column('seq', 'int')]",
    "versions": "write=history(on='id', newest='seq'), columns=[Column('id', 'int', key=True), Column('seq', 'int')]",
}


@pytest.fixture
def shop(project: Project) -> Project:
    project.bronze("o")
    for name, options in TABLES.items():
        project.table(
            f"silver.{name}",
            f"""
            @table(raw="bronze.o", {options}, expect=[drop("id < 100")])
            def {name}(raw: DataFrame) -> DataFrame:
                return raw.selectExpr("int(id) id"{"" if name == "added" else ', "1 seq"'})
            """,
        )
    project.table(
        "gold.counts",
        "counts = sql_table(added='silver.added', columns=[Column('id', 'int'), Column('n', 'bigint')],"
        " write=refresh(by='id'), sql='SELECT id, count(*) AS n FROM added GROUP BY 1')",
    )
    return project


ALL = ["bronze.o", *(f"silver.{name}" for name in TABLES), "gold.counts"]


def deliver(shop: Project, number: int, *ids: int) -> None:
    shop.land(f"o/{number}.csv", "\n".join(["id", *map(str, ids)]) + "\n")
    for name in ALL:
        shop.run(name)


def by_hand(shop: Project, name: str, statement: str) -> None:
    path = shop.lake.table(f"shop.{name}").path
    shop.engine.session().sql(statement.replace("{}", f"delta.`{path}`")).collect()


def ids(shop: Project, name: str) -> list[int]:
    return sorted(int(row[0]) for row in shop.rows(name, "id"))


def test_what_a_restore_took_back_comes_in_again(shop: Project) -> None:
    deliver(shop, 1, 1)
    deliver(shop, 2, 2, 200)
    deliver(shop, 3, 3, 300)
    for name in ALL:
        by_hand(shop, name, f"RESTORE TABLE {{}} TO VERSION AS OF {shop.log(name).version - 1}")
    assert ids(shop, "silver.added") == [1, 2]
    for name in ALL:
        foreseen = planned(shop.plan(name), shop.lake)
        assert foreseen.strategy != "nothing", name
        shop.run(name)
    for name in ALL[1:]:
        assert ids(shop, name) == [1, 2, 3], name
        assert shop.plan(name).strategy == "nothing", name
    assert ids(shop, "bronze.o") == [1, 2, 3, 200, 300]
    assert [len(shop.rejected(f"silver.{name}")) for name in TABLES] == [2, 2, 2]


def test_a_restore_to_what_the_last_run_made_undoes_what_was_done_by_hand(shop: Project) -> None:
    deliver(shop, 1, 1, 2)
    for name in ALL:
        made = shop.log(name).version
        by_hand(shop, name, "DELETE FROM {} WHERE id = 1")
        assert "changed by hand (delete" in shop.plan(name).reason, name
        by_hand(shop, name, f"RESTORE TABLE {{}} TO VERSION AS OF {made}")
    deliver(shop, 2, 3)
    for name in ALL:
        assert ids(shop, name) == [1, 2, 3], name


def test_a_restore_to_a_time_is_one_to_the_version_of_that_time(shop: Project) -> None:
    deliver(shop, 1, 1, 2)
    by_hand(shop, "silver.newest", "DELETE FROM {} WHERE id = 1")
    before = shop.log("silver.newest").commits[0].at - timedelta(milliseconds=1)
    by_hand(shop, "silver.newest", f"RESTORE TABLE {{}} TO TIMESTAMP AS OF '{before:%Y-%m-%d %H:%M:%S.%f}'")
    assert ids(shop, "silver.newest") == [1, 2]
    assert shop.plan("silver.newest").strategy == "nothing"


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM {} WHERE id = 1", "UPDATE {} SET id = 7", "INSERT OVERWRITE {} SELECT * FROM {} WHERE id = 2"],
    ids=["delete", "update", "overwrite"],
)
def test_a_table_that_was_changed_by_hand_is_made_anew(shop: Project, statement: str) -> None:
    deliver(shop, 1, 1, 2, 200)
    for name in ALL[1:]:
        by_hand(shop, name, statement)
    for name in ALL[1:]:
        assert "by hand" in shop.plan(name).reason, name
        shop.run(name)
        assert ids(shop, name) == [1, 2], name
    assert [len(shop.rejected(f"silver.{name}")) for name in TABLES] == [1, 1, 1]


def test_a_quarantine_or_a_state_that_was_changed_or_lost_is_made_anew_with_its_table(shop: Project) -> None:
    deliver(shop, 1, 1, 200)
    deliver(shop, 2, 2, 300)
    session = shop.engine.session()
    kept = {name: shop.lake.quarantine(f"shop.silver.{name}").path for name in TABLES}
    session.sql(f"DELETE FROM delta.`{kept['added']}` WHERE row LIKE '%200%'").collect()
    shutil.rmtree(kept["newest"])
    session.sql(f"RESTORE TABLE delta.`{shop.lake.state('shop.silver.versions').path}` TO VERSION AS OF 0").collect()
    for name, reason in {
        "added": "its quarantine was changed by hand (delete at",
        "newest": "its quarantine is gone",
        "versions": "its state was changed by hand (restore at",
    }.items():
        outcome = shop.run(f"silver.{name}")
        assert (outcome.plan.strategy, outcome.plan.reason[: len(reason)]) == ("full", reason)
        assert ids(shop, f"silver.{name}") == [1, 2]
        assert len(shop.rejected(f"silver.{name}")) == 2
        assert shop.run(f"silver.{name}").plan.strategy == "nothing"


@pytest.mark.parametrize("mode", ["OVERWRITE", "INTO"])
def test_rows_that_someone_wrote_into_a_quarantine_or_a_state_are_noticed(shop: Project, mode: str) -> None:
    deliver(shop, 1, 1, 200)
    for kept in (shop.lake.quarantine("shop.silver.newest").path, shop.lake.state("shop.silver.versions").path):
        shop.engine.session().sql(f"INSERT {mode} delta.`{kept}` SELECT * FROM delta.`{kept}`").collect()
    for name in ("newest", "versions"):
        assert shop.run(f"silver.{name}").plan.strategy == "full", name
        assert len(shop.rejected(f"silver.{name}")) == 1
        assert ids(shop, f"silver.{name}") == [1]
        assert shop.run(f"silver.{name}").plan.strategy == "nothing"


REJECTS = """
@table(landed=files("o/*"), expect=[drop("id <> '9'")])
def o(landed: DataFrame) -> DataFrame:
    return landed
"""
# By the name of a harm, what someone does to the quarantine of files; with nothing, it's removed.
HARMS = {
    "deleted": "DELETE FROM {} WHERE run = 1",
    "overwritten": "INSERT OVERWRITE {} SELECT * FROM {} WHERE run = 1",
    "restored": "RESTORE TABLE {} TO VERSION AS OF 1",
    "removed": "",
}


@pytest.mark.parametrize(
    ("harm", "way"), some([(harm, way) for way in ("undo", "--full", "--accept-loss") for harm in HARMS], 5)
)
def test_a_quarantine_of_files_that_was_changed_or_lost_is_refused_and_each_way_that_is_named_works(
    project: Project, harm: str, way: str
) -> None:
    project.table("bronze.o", REJECTS)
    for number in (1, 2, 3):
        project.land(f"o/{number}.csv", f"id\n{number}\n9\n")
        project.run("bronze.o")
    path, session = project.lake.quarantine("shop.bronze.o").path, project.engine.session()
    if harm == "removed":
        Path(path).rename(f"{path}_away")
    else:
        session.sql(HARMS[harm].replace("{}", f"delta.`{path}`")).collect()
    left = len(project.rejected("bronze.o"))
    assert project.plan("bronze.o").strategy == "refused"
    project.land("o/4.csv", "id\n4\n9\n")
    with pytest.raises(SourceError, match=r"its quarantine (was changed by hand|is gone)") as refused:
        project.run("bronze.o")
    assert ids(project, "bronze.o") == [1, 2, 3]
    assert way == "undo" or f"`lakehouse run shop.bronze.o {way}`" in str(refused.value)
    restore = re.search(r"RESTORE TABLE delta.`[^`]+` TO VERSION AS OF \d+", str(refused.value))
    if way == "undo" and restore:
        session.sql(restore[0]).collect()
    elif way == "undo":
        Path(f"{path}_away").rename(path)
    project.run("bronze.o", full=way == "--full", accept_loss=way == "--accept-loss")
    assert ids(project, "bronze.o") == [1, 2, 3, 4]
    assert len(project.rejected("bronze.o")) == (left + 1 if way == "--accept-loss" else 4)
    assert project.run("bronze.o").plan.strategy == "nothing"


def bronze_run(shop: Project) -> str:
    """Run bronze, as foreseen; why it did what it did."""
    foreseen, outcome = shop.plan("bronze.o"), shop.run("bronze.o")
    assert foreseen.strategy == outcome.plan.strategy
    return outcome.plan.reason


def test_files_whose_rows_were_deleted_or_whose_table_is_gone_are_read_again(project: Project) -> None:
    project.bronze("o")
    for number in (1, 2):
        project.land(f"o/{number}.csv", f"id\n{number}\n{number}0\n")
        project.run("bronze.o")
    by_hand(project, "bronze.o", "DELETE FROM {} WHERE _batch = 2")
    assert "1 files whose rows it lacks are read again" in bronze_run(project)
    assert ids(project, "bronze.o") == [1, 2, 10, 20]
    shutil.rmtree(project.lake.table("shop.bronze.o").path)
    project.land("o/3.csv", "id\n3\n")
    assert "its table is gone; 2 files" in bronze_run(project)
    assert ids(project, "bronze.o") == [1, 2, 3, 10, 20]
    assert project.run("bronze.o").plan.strategy == "nothing"


def test_rows_of_a_forgotten_file_that_somebody_brought_back_go_out_again(project: Project) -> None:
    project.bronze("o")
    project.land("o/1.csv", "id\n1\n")
    path = project.land("o/2.csv", "id\n2\n20\n")
    project.run("bronze.o")
    project.forget("bronze.o", path)
    by_hand(project, "bronze.o", f"RESTORE TABLE {{}} TO VERSION AS OF {project.log('bronze.o').version - 1}")
    assert ids(project, "bronze.o") == [1, 2, 20]
    assert project.plan("bronze.o").reason == "forgotten rows are back"
    project.run("bronze.o")
    assert ids(project, "bronze.o") == [1]
    assert project.run("bronze.o").plan.strategy == "nothing"


def test_what_can_t_be_brought_in_again_is_refused_and_each_way_that_is_named_works(project: Project) -> None:
    project.bronze("o")
    for number in (1, 2):
        project.land(f"o/{number}.csv", f"id\n{number}\n{number}0\n")
        project.run("bronze.o")
    for statement in ("UPDATE {} SET id = 'x'", "DELETE FROM {} WHERE id = '10'", "DELETE FROM {} WHERE _batch = 1"):
        file = Path(project.lake.landing, "shop/o/1.csv")
        if "_batch" in statement:
            file.rename(file.with_name("_1.csv"))
        by_hand(project, "bronze.o", statement)
        assert project.plan("bronze.o").strategy == "refused"
        with pytest.raises(SourceError, match="changed by hand") as refused:
            project.run("bronze.o")
        way = re.search(r"RESTORE TABLE delta.`[^`]+` TO VERSION AS OF \d+", str(refused.value))
        assert way is not None
        project.engine.session().sql(way[0]).collect()
        assert ids(project, "bronze.o") == [1, 2, 10, 20], statement
        assert project.run("bronze.o").plan.strategy == "nothing"
    by_hand(project, "bronze.o", "DELETE FROM {} WHERE _batch = 1")
    project.run("bronze.o", full=True, accept_loss=True)
    assert ids(project, "bronze.o") == [2, 20]
    assert project.run("bronze.o").plan.strategy == "nothing"


@pytest.mark.parametrize("lose", ["remove", "restore"])
def test_a_ledger_that_was_removed_or_restored_is_noticed_before_a_file_is_read_twice(
    project: Project, lose: str
) -> None:
    project.bronze("o")
    for number in (1, 2):
        project.land(f"o/{number}.csv", f"id\n{number}\n{number}0\n")
        project.run("bronze.o")
    ledger = project.lake.arrivals("shop.bronze.o")
    if lose == "remove":
        shutil.rmtree(ledger)
    else:
        project.engine.session().sql(f"RESTORE TABLE delta.`{ledger}` TO VERSION AS OF 2").collect()
    project.land("o/3.csv", "id\n3\n")
    with pytest.raises(SourceError, match="someone removed or restored that"):
        project.run("bronze.o")
    project.run("bronze.o", full=True)
    assert ids(project, "bronze.o") == [1, 2, 3, 10, 20]
    assert project.run("bronze.o").plan.strategy == "nothing"
