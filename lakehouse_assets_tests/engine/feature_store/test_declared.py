"""`features(…)`: a table like any other, whose rows can be found as of a time."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from lakehouse_assets.engine.errors import DeclarationError, FeatureError
from lakehouse_assets.engine.feature_store.lookups import Lookup, with_features
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.spec.features.key import FeatureKey
from lakehouse_assets.engine.spec.modes import Merge, Refresh
from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.project import Project

if TYPE_CHECKING:
    pass

COLUMNS = """[Column("shop", "string"), Column("hour", "timestamp"), Column("known_at", "timestamp"),
              Column("sold", "bigint")]"""
SALES = f"""
@features(on="shop", event_time="hour", known_time="known_at", online=True, landed="bronze.sales",
          columns={COLUMNS})
def sales(landed: DataFrame) -> DataFrame:
    return landed.selectExpr("shop", "timestamp(hour) hour", "timestamp(known) known_at", "bigint(sold) sold")
"""
LANDED = """shop,hour,known,sold
a,2024-01-01 08:00,2024-01-01 08:10,1
a,2024-01-01 09:00,2024-01-01 09:10,2
a,2024-01-01 08:00,2024-01-01 12:00,3
b,2024-01-01 08:00,2024-01-01 07:00,4
b,2024-01-01 08:00,,5
b,,2024-01-01 07:00,6
"""


def declared(project: Project, text: str, name: str = "features.sales") -> list[str]:
    project.bronze("sales")
    project.table(name, text)
    with pytest.raises(DeclarationError) as refused:
        _ = project.lakehouse
    assert all(f"{name.split('.')[1]}.py:" in problem for problem in refused.value.problems)
    return [problem.split(": ", 2)[-1] for problem in refused.value.problems]


def test_its_key_is_of_entity_and_times_and_it_refreshes_by_it(project: Project) -> None:
    project.bronze("sales")
    project.table("features.sales", SALES)
    table = project.lakehouse.tables["shop.features.sales"]
    assert table.feature == FeatureKey(("shop",), "hour", "known_at", online=True)
    assert table.keys == ("shop", "hour", "known_at")
    assert table.write == Refresh(("shop", "hour"))


def test_what_has_no_time_or_is_known_before_it_happens_is_quarantined(project: Project) -> None:
    project.bronze("sales")
    project.table("features.sales", SALES)
    project.land("sales/1.csv", LANDED)
    project.run("bronze.sales")
    project.run("features.sales")
    assert sorted(row[0] for row in project.rows("features.sales", "sold")) == [1, 2, 3]
    broken = {tuple(row[0]) for row in project.rejected("features.sales", "broken")}
    assert broken == {("known_afterwards",), ("known_at_not_null",), ("hour_not_null",)}


def test_it_takes_in_new_rows_as_any_table_does(project: Project) -> None:
    project.bronze("sales")
    project.table("features.sales", SALES.replace("landed=", 'write=merge(on=["shop", "hour", "known_at"]), landed='))
    for n, line in enumerate(LANDED.splitlines()[1:4]):
        project.land(f"sales/{n}.csv", f"{LANDED.splitlines()[0]}\n{line}\n")
        project.run("bronze.sales")
        assert project.run("features.sales").plan.strategy == ("merge" if n else "full")
    assert isinstance(project.lakehouse.tables["shop.features.sales"].write, Merge)
    assert sorted(row[0] for row in project.rows("features.sales", "sold")) == [1, 2, 3]


def test_features_in_sql(project: Project) -> None:
    project.bronze("sales")
    query = "SELECT shop, timestamp(hour) hour, timestamp(known) known_at, bigint(sold) sold FROM landed"
    project.table(
        "features.sales",
        f'sales = sql_features(on="shop", event_time="hour", known_time="known_at", columns={COLUMNS},'
        f' landed="bronze.sales", sql="{query}")',
    )
    project.land("sales/1.csv", LANDED)
    project.run("bronze.sales")
    project.run("features.sales")
    table = project.lakehouse.tables["shop.features.sales"]
    assert (table.file.name, table.line, table.doc) == ("sales.py", 7, "The sales.")
    assert sorted(row[0] for row in project.rows("features.sales", "sold")) == [1, 2, 3]


def test_what_is_wrong_with_features_is_told_with_file_line_and_remedy(project: Project) -> None:
    assert set(declared(project, SALES.replace('event_time="hour"', 'event_time="hours"'))) == {
        "its features are found by 'hours', which isn't among its columns; did you mean 'hour'?",
        "refreshes by 'hours', which isn't among its columns; declare it",
    }
    assert declared(project, SALES.replace('"known_at", "timestamp"', '"known_at", "string"')) == [
        "its features are placed in time by 'known_at', a string; make it a timestamp or a date"
    ]
    assert declared(project, SALES.replace('on="shop"', "on=[]")) == [
        "its features are about no entity; name the columns of its key, as in features(on=…)"
    ]
    assert declared(project, SALES.replace('on="shop"', 'on=["shop", "hour"]')) == [
        "its features are about 'hour', which is a time of theirs; name the columns of an entity"
    ]
    assert declared(project, SALES.replace('"sold", "bigint"', '"sold", "bigint", key=True')) == [
        "sold is declared as key, by which no feature is found; add it to on=…, or remove key=True"
    ]
    assert declared(project, SALES.replace('Column("sold", "bigint")', "")) == [
        "has no values beside its key and times; declare a column for each"
    ]


def test_features_and_their_folder_go_together(project: Project) -> None:
    plain = '@table(landed="bronze.sales")\ndef sales(landed: DataFrame) -> DataFrame:\n    return landed'
    assert declared(project, plain) == [
        "is in the folder of features, and declares none; use features(…), or move the file to gold"
    ]
    (project.root / project.package / "shop" / "features" / "sales.py").unlink()
    assert declared(project, SALES, "gold.sales") == [
        "declares features in the folder 'gold'; move the file to features"
    ]


def test_several_lookups_find_what_was_known(project: Project) -> None:
    project.bronze("sales")
    project.table("features.sales", SALES)
    project.land("sales/1.csv", LANDED)
    project.run("bronze.sales")
    project.run("features.sales")
    table, spark = project.lakehouse.tables["shop.features.sales"], project.engine.session()
    stored = read_rows(spark, project.lake.table(table.key))
    rows = spark.sql(
        "SELECT 'a' shop, 'b' rival, explode(array(timestamp'2024-01-01 09:05', timestamp'2024-01-01 13:00')) at"
    )
    sold = Lookup(table, stored)
    fresh = Lookup(table, stored, {"sold": "sold_lately"}, timedelta(hours=2))
    rivals = Lookup(table, stored, {"sold": "rival_sold"}, on={"shop": "rival"})
    found = with_features(rows, "at", [sold, fresh, rivals]).orderBy("at").collect()
    assert [(row["sold"], row["sold_lately"], row["rival_sold"]) for row in found] == [(1, 1, None), (2, None, None)]
    with pytest.raises(FeatureError, match="two columns 'sold'"):
        with_features(rows, "at", [sold, sold])
    with pytest.raises(FeatureError, match=r"shop\.bronze\.sales: it isn't a table of features"):
        with_features(rows, "at", [Lookup(project.lakehouse.tables["shop.bronze.sales"], stored)])
    with pytest.raises(FeatureError, match="'city' isn't of its key"):
        with_features(rows, "at", [Lookup(table, stored, on={"city": "rival"})])


def test_the_words_load_no_spark() -> None:
    code = "import sys, lakehouse_assets.engine; assert not {'pyspark', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT)
