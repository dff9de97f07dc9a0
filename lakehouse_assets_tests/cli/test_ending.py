"""How `lakehouse run` ends: by which exit code, with which word for each table, and what Dagster has of it."""

from __future__ import annotations

import signal

import dagster as dg
import pytest

from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.servers.waiting import wait_until

SILVER = """
@table(raw="bronze.{upstream}", expect=[{rules}], write={write})
def {name}(raw: DataFrame) -> DataFrame:
    return raw
"""
# A table that says when it's being made, and sleeps on until the test interrupts it.
SLOW = """
import time
from pathlib import Path
@table(landed=files("slow/*"))
def slow(landed: DataFrame) -> DataFrame:
    Path("{mark}").touch()
    time.sleep(600)
    return landed
"""


def declare(command: Command, name: str, upstream: str, rules: str = "", write: str = "append()") -> None:
    stem = name.partition(".")[2]
    command.project.table(name, SILVER.format(name=stem, upstream=upstream, rules=rules, write=write))


def test_tables_behind_one_that_failed_are_called_skipped_and_the_cause_is_named(command: Command) -> None:
    project = command.project
    project.bronze("orders")
    project.bronze("parcels")
    declare(command, "silver.orders", "orders", rules='fail("int(id) > 1")')
    declare(command, "silver.parcels", "parcels")
    for number, upstream in enumerate(("silver.orders", "gold.g0", "silver.parcels")):
        project.table(f"gold.g{number}", f'g{number} = sql_table(o="{upstream}", sql="SELECT * FROM o")')
    project.land("orders/1.csv", "id\n1\n")
    said = command("run")
    assert said.code == 1
    words = {line.split()[0]: " ".join(line.split()[1:]) for line in said.out.splitlines() if line.startswith("shop.")}
    assert words["shop.silver.orders"] == "failed"
    assert words["shop.gold.g0"] == words["shop.gold.g1"] == "skipped: shop.silver.orders failed"
    assert words["shop.bronze.parcels"] == "not built"
    assert words["shop.silver.parcels"] == words["shop.gold.g2"] == "skipped: shop.bronze.parcels isn't built"
    assert "– shop.gold.g1  skipped: shop.silver.orders failed" in said.out


def test_a_run_that_finds_nothing_is_well_only_if_something_is_there(command: Command) -> None:
    project = command.project
    project.bronze("orders")
    declare(command, "silver.orders", "orders")
    empty = command("run")
    assert (empty.code, command.runs()) == (1, [])
    assert "2 were never built" in empty.out
    assert "Nothing could run" in empty.out
    project.land("orders/1.csv.gz", b"\x1f\x8bno more")
    broken = command("run")
    assert broken.code == 1
    project.land("orders/2.csv", "id\n1\n")
    assert command("run").code == 0
    again = command("run")
    assert (again.code, again.out[:11]) == (0, "Nothing new")
    project.bronze("parcels")
    assert command("run").code == 0  # the others are there
    assert command("run", "bronze.parcels").code == 1


def test_what_does_not_apply_is_refused_before_a_run_begins(command: Command) -> None:
    project = command.project
    project.bronze("orders")
    declare(command, "silver.orders", "orders", rules='drop("int(id) > 1")')
    declare(command, "silver.plain", "orders")
    declare(command, "silver.whole", "orders", write="replace()")
    project.land("orders/1.csv", "id\n2\n")
    for name in ("bronze.orders", "silver.plain", "silver.whole"):
        project.run(name)
    for arguments, expected in {
        ("replay", "silver.whole"): "its rows are computed from other tables",
        ("replay", "silver.orders"): "isn't built yet",
        ("replay", "silver.plain"): "no expectation of it sets rows aside",
        ("run", "--accept-loss"): "add --full",
    }.items():
        said = command(*arguments)
        assert (said.code, expected in said.out) == (1, True), said
    project.run("silver.orders")
    said = command("replay", "silver.orders")
    assert (said.code, "No row of shop.silver.orders is in quarantine" in said.out) == (0, True), said
    assert command.runs() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_cancelled_and_said_to_be_in_one_line(command: Command, number: signal.Signals) -> None:
    project, mark = command.project, command.project.root / "begun"
    project.table("bronze.slow", SLOW.format(mark=mark))
    project.land("slow/1.csv", "id\n1\n")
    with command.started("run") as process:
        wait_until(mark.exists, 120)  # 5 s, more beside other work
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert out.splitlines()[-1].startswith("Interrupted.")
    assert "✗" not in out
    assert err == ""
    (run,) = command.runs()
    assert run.status is dg.DagsterRunStatus.CANCELED
