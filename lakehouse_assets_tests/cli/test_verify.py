"""`lakehouse verify` says of each kind of table what it compared, and finds what was changed behind its back."""

from __future__ import annotations

import pytest
from deltalake import DeltaTable

from lakehouse_assets_tests.cli.command import Command

TABLES = {
    "bronze.orders": None,
    "silver.added": "append()",
    "silver.whole": "replace()",
    "silver.merged": 'merge(on="id")',
    "silver.groups": 'refresh(by="id")',
}
DECLARED = """
@table(raw="bronze.orders", write={write}, expect=[drop("id < 9")],
       columns=[Column("id", "int"), Column("x", "double"), Column("m", "map<string,int>")])
def {name}(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "double(x) x", "map('a', int(id)) m")
"""


@pytest.fixture
def shop(command: Command) -> Command:
    project = command.project
    project.bronze("orders")
    for name, write in TABLES.items():
        if write:
            project.table(name, DECLARED.format(name=name.partition(".")[2], write=write))
    project.land("orders/1.csv", "id,x\n1,0.5\n2,1.5\n9,2.5\n")
    assert command("run").code == 0
    return command


def test_each_kind_of_table_is_compared_and_what_was_deleted_behind_its_back_is_found(shop: Command) -> None:
    told = {
        "bronze.orders": "✓ shop.bronze.orders: 3 rows of 1 files = 3 stored + 0 in quarantine",
        "silver.added": "✓ shop.silver.added: 3 rows = 2 stored + 1 in quarantine + 0 superseded",
        "silver.whole": "✓ all 2 rows of shop.silver.whole come out as they are stored.",
        "silver.merged": "✓ 2 groups or keys of shop.silver.merged come out as they are stored.",
        "silver.groups": "✓ 3 groups or keys of shop.silver.groups come out as they are stored.",
    }
    for name, line in told.items():
        said = shop("verify", name)
        assert (said.code, line in said.out.splitlines()) == (0, True), said
    for name, write in TABLES.items():
        path = shop.project.lake.table(f"shop.{name}").path
        DeltaTable(path).delete("id = '2'" if write is None else "id = 2")
        said = shop("verify", name)
        assert said.code == 1, name
        assert "✗" in said.out
        assert f"`lakehouse run shop.{name} --full`" in said.out
    assert "all 1 rows of shop.silver.whole are stored otherwise than they come out: 1 missing, 0 too many." in shop(
        "verify", "silver.whole"
    ).out  # fmt: skip


def test_a_table_that_is_not_built_is_said_to_be_so(command: Command) -> None:
    command.project.bronze("orders")
    said = command("verify", "bronze.orders")
    assert (said.code, "it isn't built; run `lakehouse run shop.bronze.orders` first" in said.out) == (1, True)
