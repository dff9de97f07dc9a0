"""The command where one domain file is broken: it says so, does the rest, and fails only for what is broken."""

from __future__ import annotations

import pytest

from lakehouse_assets_tests.cli.command import Command

ERROR = "shop.bronze.broken: can't be loaded (SyntaxError: '(' was never closed)"


@pytest.fixture
def broken(command: Command) -> Command:
    project = command.project
    for name in ("sound", "broken"):
        project.bronze(name)
        project.land(f"{name}/1.csv", "id\n1\n")
    project.table("gold.reader", 'reader = sql_table(o="bronze.broken", sql="SELECT * FROM o")')
    project.table("bronze.broken", "def broken(\n")
    return command


def test_the_others_run_and_what_is_left_out_is_told(broken: Command) -> None:
    done = broken("run")
    assert done.code == 0
    assert broken.project.rows("bronze.sound", "id") == [("1",)]
    assert ERROR in done.err
    assert "Left out until that is mended: shop.bronze.broken, shop.gold.reader" in done.err
    assert broken("run", "bronze.sound").code == 0
    plan = broken("plan")
    assert (plan.code, ERROR in plan.err, "shop.bronze.sound" in plan.out) == (0, True, True)


@pytest.mark.parametrize("name", ["bronze.broken", "gold.reader", "gold", "shop", "shop.bronze"])
def test_asking_for_what_is_left_out_fails_and_says_why(broken: Command, name: str) -> None:
    done = broken("run", name)
    assert done.code == 1
    assert "loaded" in done.out
    assert ERROR in done.err
    if name in ("shop", "shop.bronze"):
        assert broken.project.rows("bronze.sound", "id") == [("1",)]


def test_what_goes_to_another_service_is_not_made_of_half_the_tables(broken: Command) -> None:
    done = broken("generate", "--to", str(broken.project.root / "adf"))
    assert (done.code, ERROR in done.out) == (1, True)
    assert not (broken.project.root / "adf").exists()
