"""One truncated line in one file breaks a `fail`: the way from there back to green, and what the run tells about it."""

from __future__ import annotations

import dagster as dg
import pytest

from lakehouse_assets.engine.errors import ExpectationFailed
from lakehouse_assets.engine.sources.formats.lines import lines_of
from lakehouse_assets.engine.spec.formats import Csv, Json, JsonLines
from lakehouse_assets_tests.project import Project

SILVER = """
@table(raw="bronze.flights", columns=[Column("flight", "int", key=True), Column("origin", "string"),
       Column("destination", "string"), Column("delay", "int")],
       expect=[fail("origin <> destination", name="goes_somewhere")], write=merge(on="flight", newest="flight"))
def flights(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(flight) flight", "origin", "destination", "int(delay) delay"{source})
"""
DELAYS = """
delays = sql_table(flights="silver.flights", columns=[Column("origin", "string", key=True), Column("delay", "bigint")],
                   sql="SELECT origin, sum(delay) AS delay FROM flights GROUP BY origin", write=refresh(by="origin"))
"""
OTHER = 'places = sql_table(raw="bronze.airports", sql="SELECT count(*) AS n FROM raw")'
HEADER = "flight,origin,destination,delay\n"
TRUNCATED = HEADER + "4,EWR,LAX,7\n5,JFK\n6,LGA,ORD,9\n"


@pytest.fixture
def shop(project: Project) -> Project:
    project.bronze("flights")
    project.bronze("airports")
    project.table("silver.flights", SILVER.format(source=', "_source"'))
    project.table("gold.delays", DELAYS)
    project.table("gold.places", OTHER)
    project.land("flights/1.csv", HEADER + "1,JFK,LAX,10\n2,JFK,ORD,-3\n3,EWR,ORD,5\n")
    project.land("airports/1.csv", "faa\nJFK\n")
    return project


def everything(shop: Project, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """A run of all tables, as by schedule or by click."""
    job = shop.definitions().resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, raise_on_error=False)


def test_the_way_from_a_truncated_line_back_to_green(shop: Project, instance: dg.DagsterInstance) -> None:
    assert everything(shop, instance).success
    assert shop.rows("gold.delays") == [("EWR", 5), ("JFK", 7)]

    bad = shop.land("flights/2.csv", TRUNCATED)
    shop.land("airports/2.csv", "faa\nEWR\n")
    for _ in range(2):
        result = everything(shop, instance)
        assert result.get_failed_step_keys() == {"shop__silver__flights"}
    (failure,) = result.get_step_failure_events()
    assert failure.step_failure_data.user_failure_data is not None
    told = failure.step_failure_data.user_failure_data.description or ""
    assert (
        "expectation 'goes_somewhere' is broken, nothing was written. The row: origin='JFK', destination=null of {"
        in told
    )
    assert f", from {bad} line 3. " in told
    assert (
        f"`lakehouse forget shop.bronze.flights {bad}` takes the rows of that file out, or declare the expectation with"
        in told
    )
    assert "silver/flights.py:" in told
    assert shop.rows("gold.places") == [(2,)]  # what doesn't read it went on
    assert shop.rows("gold.delays") == [("EWR", 5), ("JFK", 7)]

    assert shop.by_dagster("bronze.flights", forget=bad, reason="a truncated line").success
    assert everything(shop, instance).success
    assert shop.rows("gold.delays") == [("EWR", 5), ("JFK", 7)]

    shop.land("flights/2.csv", TRUNCATED.replace("5,JFK\n", "5,JFK,SFO,20\n"))
    assert everything(shop, instance).success
    assert shop.rows("gold.delays") == [("EWR", 12), ("JFK", 27), ("LGA", 9)]
    assert shop.rows("silver.flights", "flight") == [(n,) for n in range(1, 7)]


def test_the_file_is_found_where_the_row_does_not_keep_it(shop: Project) -> None:
    shop.table("silver.flights", SILVER.format(source=""))
    for number in range(4):
        shop.land(f"flights/more {number}.csv", HEADER + f"1{number},JFK,LAX,1\n")
    bad = shop.land("flights/a truncated.csv", TRUNCATED)
    shop.run("bronze.flights")
    with pytest.raises(
        ExpectationFailed, match=rf"destination=null .*, from {bad} line 3\. .*`lakehouse forget .* '{bad}'`"
    ):
        shop.run("silver.flights")


def test_a_row_made_of_many_is_traced_to_the_tables_that_were_read(shop: Project) -> None:
    shop.table("gold.delays", DELAYS.replace("sql=", 'expect=[fail("delay < 8")], sql='))
    shop.land("flights/2.csv", HEADER + "4,JFK,LAX,1\n")
    for name in ("bronze.flights", "silver.flights"):
        shop.run(name)
    row = r"The row: delay=8 of .*, from shop\.silver\.flights up to version 0\."
    told = rf"{row} The expectation: delay < 8\. Mend what .*drop"
    with pytest.raises(ExpectationFailed, match=told):
        shop.run("gold.delays")


def test_of_a_row_that_is_too_long_to_be_told_the_beginning_is(shop: Project) -> None:
    shop.table("silver.flights", SILVER.format(source=""))
    shop.land("flights/2.csv", HEADER + f"4,{'x' * 120_000},{'x' * 120_000},7\n")
    shop.run("bronze.flights")
    with pytest.raises(
        ExpectationFailed, match=r'expectation \'goes_somewhere\' is broken.* of \{"flight":4,"origin":"xxx'
    ) as told:
        shop.run("silver.flights")
    assert "flights/2.csv line 2" in str(told.value)
    assert len(str(told.value)) < 2_000


ROW = {"a": "2", "b": None, "_source": "x", "_batch": 1}
TEXTS = {
    "a short record": (Csv(header=True), "a,b\n1,x\n2\n", (3, 3)),
    "a null by name": (Csv(nulls=("", "NA")), "a,b\n\n2,NA\n", (3, 3)),
    "cells with line breaks": (Csv(multiline=True, quote='"'), 'a,b\n"1\n1",x\n"2","",\n', (4, 4)),
    "no header": (Csv(header=False), "1,x\n2,\n", (2, 2)),
    "another delimiter": (Csv(delimiter=";"), "A;b\r\n2;\r\n", (2, 2)),
    "JSON lines": (JsonLines(), '{"a": "1"}\nbroken\n{"a": 2, "b": null}\n', (3, 3)),
    "a record that isn't there": (Csv(), "a,b\n2,x\n", None),
    "one document": (Json(), '[{"a": "2"}]', None),
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_lines_of_a_row_are_those_of_the_record_that_gives_it(name: str, tmp_path) -> None:
    source, text, lines = TEXTS[name]
    (tmp_path / "1").write_text(text, newline="")
    assert lines_of(str(tmp_path / "1"), source, ROW) == lines


def test_a_record_of_several_lines_is_told_with_all_of_them(tmp_path) -> None:
    (tmp_path / "1").write_text('a,b\n1,x\n"2\n3",\n', newline="")
    assert lines_of(str(tmp_path / "1"), Csv(multiline=True), {"a": "2\n3", "b": None}) == (3, 4)
    assert lines_of(str(tmp_path / "gone"), Csv(), ROW) is None
