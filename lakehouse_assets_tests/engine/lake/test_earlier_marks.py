"""A lake whose commits were marked by an earlier version of this project goes on as it was left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets_tests.crash import run_and_die
from lakehouse_assets_tests.project import Project

SILVER = """
@table(raw="bronze.orders", write=merge(on="id", newest="at"), expect=[drop("amount < {most}")],
       columns=[Column("id", "int", key=True), Column("at", "int"), Column("amount", "int")])
def orders(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "int(at) at", "int(amount) amount")
"""
TABLES = ("bronze.orders", "silver.orders")


@pytest.fixture
def shop(project: Project) -> Project:
    project.bronze("orders")
    project.table("silver.orders", SILVER.format(most=50))
    return project


def deliver(shop: Project, number: int, *lines: str) -> None:
    shop.land(f"orders/{number}.csv", "\n".join(["id,at,amount", *lines]) + "\n")
    for name in TABLES:
        shop.run(name)


def mark_as_earlier(shop: Project) -> None:
    """Write the marks of all commits as they were until October 2026, which Delta's engines never read."""
    for file in Path(shop.lake.root).rglob("_delta_log/*.json"):
        lines = [json.dumps(_as_earlier(json.loads(line))) for line in file.read_text().splitlines()]
        file.write_text("\n".join(lines) + "\n")
        file.with_name(f".{file.name}.crc").unlink(missing_ok=True)  # Hadoop's checksum of the file as it was


def _as_earlier(action: dict[str, Any]) -> dict[str, Any]:
    told = json.loads(action.get("commitInfo", {}).get("userMetadata") or "{}").get("lakehouse")
    if told:
        kind, run, _ = told.pop("kind"), told.pop("run"), told.pop("app")
        number = "run" if kind in ("update", "replay") else "number"
        name = "lakehouse" if kind == "update" else f"lakehouse_{kind}"
        action["commitInfo"]["userMetadata"] = json.dumps({name: {number: run, **told}})
    return action


def marks(shop: Project) -> Iterator[str]:
    """How the commits of all tables are marked."""
    for file in Path(shop.lake.root).rglob("_delta_log/*.json"):
        told = [json.loads(line).get("commitInfo", {}).get("userMetadata") for line in file.read_text().splitlines()]
        yield from (name for text in told if text for name in json.loads(text))


def test_what_was_run_replayed_and_forgotten_is_still_known(shop: Project) -> None:
    deliver(shop, 1, "1,1,10", "2,1,70", "3,1,99")
    deliver(shop, 2, "4,1,40")
    shop.table("silver.orders", SILVER.format(most=90))
    assert shop.replay("silver.orders").plan.strategy == "replay"
    shop.forget("bronze.orders", f"{shop.lake.landing}/shop/orders/2.csv", "sent by mistake")
    mark_as_earlier(shop)
    assert set(marks(shop)) == {"lakehouse", "lakehouse_replay", "lakehouse_forget", "lakehouse_part"}
    assert shop.plan("bronze.orders").strategy == "nothing"
    assert shop.plan("silver.orders").forgot == (f"{shop.lake.landing}/shop/orders/2.csv",)
    deliver(shop, 3, "1,2,11", "5,1,60")
    assert shop.rows("silver.orders", "id", "amount") == [(1, 11), (2, 70), (5, 60)]
    assert [shop.plan(name).strategy for name in TABLES] == ["nothing", "nothing"]


def test_a_table_that_nobody_touched_is_not_taken_for_changed_by_hand(shop: Project) -> None:
    deliver(shop, 1, "1,1,10", "2,1,70")
    mark_as_earlier(shop)
    for kept in (shop.lake.table("shop.silver.orders"), shop.lake.quarantine("shop.silver.orders")):
        log = read_log(kept)
        assert log is not None
        assert log.by_hand is None
    shop.land("orders/2.csv", "id,at,amount\n3,1,20\n")
    assert [shop.run(name).plan.strategy for name in TABLES] == ["append", "merge"]


def test_a_replay_that_ended_early_is_completed(shop: Project) -> None:
    deliver(shop, 1, "1,1,10", "2,1,70")
    shop.table("silver.orders", SILVER.format(most=90))
    where = "before lakehouse_assets.engine.quality.quarantine:add"
    assert run_and_die(shop, "silver.orders", where, "replay") == -9
    mark_as_earlier(shop)
    assert not any(accepted for (accepted,) in shop.rejected("silver.orders", "accepted"))
    shop.run("silver.orders")
    assert shop.rows("silver.orders", "id") == [(1,), (2,)]
    assert sum(accepted for (accepted,) in shop.rejected("silver.orders", "accepted")) == 1
