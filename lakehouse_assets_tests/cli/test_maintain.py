"""`lakehouse maintain` tells of each table what became of its files."""

from __future__ import annotations

from pathlib import Path

from lakehouse_assets_tests.cli.command import Command


def test_it_tells_what_became_of_files_and_what_failed(command: Command) -> None:
    project = command.project
    for name in ("orders", "parcels", "torn"):
        project.bronze(name)
    for number in (1, 2):
        project.land(f"orders/{number}.csv", "id\n1\n")
        project.run("bronze.orders")
    said = command("maintain", "bronze.orders", "bronze.parcels")
    assert said.code == 0, said
    assert [line.split()[:4] for line in said.out.splitlines() if "orders" in line] == [
        ["shop.bronze.orders", "2", "→", "1"]
    ]
    assert "Not built yet: shop.bronze.parcels" in said.out
    log = Path(project.lake.table("shop.bronze.torn").path, "_delta_log")
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("no JSON\n")
    said = command("maintain")
    assert said.code == 1
    assert "✗ Reading the log of" in said.out
    assert "shop.bronze.orders  1 → 1" in said.out
    assert [command("maintain", *asked).code for asked in (["nothing"], ["--keep-days", "6"])] == [1, 1]
    project.table("bronze.broken", "1 +\n")
    assert command("maintain", "bronze.parcels").code == 0
    assert command("maintain", "shop").code == 1
