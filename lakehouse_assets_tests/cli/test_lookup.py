"""`lakehouse lookup` shows the latest features of an entity, also of a run that ended before it brought them online."""

from __future__ import annotations

from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.project import Project

SALES = """
@features(on=["shop", "till"], event_time="hour", online=True, landed="bronze.sales",
          columns=[Column("shop", "string"), Column("till", "int"), Column("hour", "timestamp"),
                   Column("sold", "bigint")])
def sales(landed: DataFrame) -> DataFrame:
    return landed.selectExpr("shop", "int(till) till", "timestamp(hour) hour", "bigint(sold) sold")
"""


def test_the_latest_features_of_an_entity_are_shown(project: Project, command: Command) -> None:
    project.bronze("sales")
    project.table("features.sales", SALES)
    project.land("sales/1.csv", "shop,till,hour,sold\na,1,2024-01-02 08:00,31\na,1,2024-01-01 08:00,40\n")
    project.run("bronze.sales")
    project.run("features.sales")
    early = command("lookup", "features.sales", "shop=a", "till=1")
    assert (early.code, "isn't in the online store yet" in early.out + early.err) == (1, True)
    assert command("run", "features.sales").out.startswith("Nothing new")
    shown = command("lookup", "features.sales", "shop=a", "till=1")
    assert shown.code == 0, shown
    assert "sold  31" in shown.out
    assert "version 0 of shop.features.sales" in shown.out
    other = command("lookup", "features.sales", "shop=b", "till=1")
    assert (other.code, "has no shop=b till=1, of 1 entities" in other.out + other.err) == (1, True)
    part = command("lookup", "features.sales", "shop=a")
    assert (part.code, "no 'till' is given" in part.out + part.err) == (1, True)
