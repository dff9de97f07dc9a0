"""A text that isn't of its column's type is in quarantine as it arrived; nothing is made null, rounded or cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lakehouse_assets.engine import Column, typed
from lakehouse_assets.engine.errors import DeclarationError
from lakehouse_assets.engine.quality import judge
from lakehouse_assets.engine.quality.typed_columns import typed_texts
from lakehouse_assets.engine.spec.expectations import Expectation
from lakehouse_assets.engine.spec.texts import can_be_typed, check_name, parses
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.soak import some

# Texts that a type holds exactly, and those that it doesn't.
TEXTS = {
    "tinyint": (["127", "-128"], ["128", "1.0"]),
    "int": (["5", " +5 ", "-2147483648"], ["abc", "1.5", "1.0", "99999999999", "1e3", "0x1", "1_0", "5 5"]),
    "bigint": (["9223372036854775807"], ["9223372036854775808"]),
    "decimal(5,2)": (
        ["1.23", " 1.230 ", "-999.99", ".5", "1.", "1e2", "12e-1", "1000e-1"],
        ["1.239", "1000", "1e-3", "-0.001", "1.2.3", "0.0001e1", "1,5"],
    ),
    "decimal(38,0)": (["9" * 38], ["9" * 39, "0.5"]),
    "double": (
        ["1.5", "1e300", "-0.0", "NaN", "Infinity", "0e5", "0.1"], ["1e400", "1d", "1.5f", "0x1p3", "1e-400", "1,5"]
    ),
    "float": (["1.5", "-inf"], ["1e39", "1f"]),
    "boolean": (["true", "F", "1", "no"], ["2", "on", "ja"]),
    "date": (
        ["2013-01-05", " 2013-1-5 ", "2013-01-05 00:00:00", "2013-01-05T00:00:00.000Z"],
        ["2013", "2013-05", "2013-01-05 10:00:00", "2013-01-05 garbage", "2013-02-30", "1/5/2013", "20130105"],
    ),
    "timestamp": (
        ["2013-01-01T06:00:00Z", "2013-01-05", "2013-01-01 06:00:00.123456000", "2013-01-01 06:00:00 America/New_York"],
        ["2013", "2013-05", "10:30", "T10:30", "2013-01-01 25:00:00", "2013-01-01 06:00:00.1234567", "now"],
    ),
    "timestamp_ntz": (
        ["2013-01-01 06:00:00", "2013-01-01T6:00"], ["2013-01-01T06:00:00Z", "2013-01-01 06:00+02:00", "2013"]
    ),
}  # fmt: skip


def test_a_text_parses_if_its_type_holds_it_exactly(spark) -> None:
    columns = {kind: f"c{i}" for i, kind in enumerate(TEXTS)}
    rows = [(kind, text) for kind, both in TEXTS.items() for texts in both for text in texts]
    rows += [(kind, text) for kind in TEXTS for text in (None, "", "  ")]
    made = spark.createDataFrame(rows, "kind string, text string")
    made = made.selectExpr("*", *(f"if(kind = '{kind}', text, null) AS {name}" for kind, name in columns.items()))
    types = {name: kind for kind, name in columns.items()}
    rules = [Expectation(check_name(n, kind), parses(n, kind), "drop") for n, kind in types.items()]
    kept = judge.accepted(judge.judge(typed_texts(made, types), rules), rules)
    accepted = {(row["kind"], row["text"]) for row in kept.select("kind", "text").collect()}
    wanted = {(kind, text) for kind, (good, _) in TEXTS.items() for text in (*good, None, "", "  ")}
    assert accepted == wanted
    assert [f.dataType.simpleString() for f in kept.schema.fields if f.name in types] == list(types.values())


SILVER = """
@table(raw="bronze.orders", columns=[Column("id", "int", key=True), Column("amount", "{kind}"), Column("at", "date"),
       Column("name", "string")], write={write},
       expect=[typed(), fail("amount > 0", name="paid"), warn(not_null("name"))])
def orders(raw: DataFrame) -> DataFrame:
    return raw.select("id", F.col("amount"), "at", F.upper("name").alias("name"), "_source")
"""
MODES = {"append": "append()", "merge": 'merge(on="id", newest="at")', "history": 'history(on="id", newest="at")',
         "replace": "replace()", "refresh": 'refresh(by="id")'}  # fmt: skip
LINES = [
    "id,amount,at,name\n1,5,2024-01-01,ann\n2,abc,2024-01-02,bob\nx, 7,2024,\n",
    "id,amount,at,name\n3,1.5,2024-01-03,cid\n",
]


def broken(project: Project) -> dict[str, list[str]]:
    return {row: sorted(names) for row, names in project.rejected("silver.orders", "row", "broken")}


def rejected(project: Project) -> list[dict[str, Any]]:
    rows = [json.loads(row) for (row,) in project.rejected("silver.orders", "row")]
    return sorted(({n: v for n, v in row.items() if n != "_source"} for row in rows), key=str)


ABC = {"id": "2", "amount": "abc", "at": "2024-01-02", "name": "BOB"}
X = {"id": "x", "amount": " 7", "at": "2024", "name": None}
CID = {"id": "3", "amount": "1.5", "at": "2024-01-03", "name": "CID"}


@pytest.mark.parametrize("mode", some([*MODES], 3))
def test_what_does_not_parse_is_in_quarantine_as_it_arrived_in_every_write_mode(project: Project, mode: str) -> None:
    project.bronze("orders")
    project.table("silver.orders", SILVER.format(kind="int", write=MODES[mode]))
    for number, lines in enumerate(LINES):
        project.land(f"orders/{number}.csv", lines)
        project.run("bronze.orders")
        outcome = project.run("silver.orders")
        assert "__raw" not in outcome.lineage
    assert project.rows("silver.orders", "id", "amount", "name") == [(1, 5, "ANN")]
    assert project.log("silver.orders").columns["amount"] == "int"
    assert "__raw" not in project.log("silver.orders").columns
    assert rejected(project) == [ABC, CID, X]
    names = {row["name"]: names for text, names in broken(project).items() for row in [json.loads(text)]}
    assert names == {"BOB": ["amount_is_int"], "CID": ["amount_is_int"],
                     None: ["at_is_date", "id_is_int", "id_not_null", "name_not_null"]}  # fmt: skip
    checks = {e.check_name: e.passed for e in project.by_dagster("silver.orders", full_refresh=True)
              .get_asset_check_evaluations()}  # fmt: skip
    assert not checks["amount_is_int"]
    assert checks["paid"]


def test_texts_that_pass_now_come_in_by_replay_exactly_as_typed_columns_do(project: Project) -> None:
    project.bronze("orders")
    rule = SILVER.format(kind="int", write="append()").replace("typed()", 'typed(), drop("id <> 2", name="held")')
    project.table("silver.orders", rule)
    project.land("orders/1.csv", "id,amount,at,name\n1,5,2024-01-01,ann\n2, 6,2024-1-2,bob\n2,b,2024-01-02,bob\n")
    project.run("bronze.orders")
    project.run("silver.orders")
    assert len(rejected(project)) == 2
    project.table("silver.orders", SILVER.format(kind="int", write="append()"))
    outcome = project.replay("silver.orders")
    assert (outcome.counts.judged, outcome.counts.rejected) == (2, 1)
    assert {"2", 2} == {row["id"] for row in rejected(project)}
    assert [(i, n, str(at)) for i, n, at in project.rows("silver.orders", "id", "amount", "at")] == [
        (1, 5, "2024-01-01"), (2, 6, "2024-01-02")]  # fmt: skip


def test_a_column_of_a_wrong_name_or_type_is_refused_when_it_is_declared(project: Project) -> None:
    project.bronze("orders")
    expect = '[typed("amont"), typed("at", "timestamp"), typed("tags"), typed("name")]'
    text = SILVER.format(kind="int", write="append()").replace("[typed(),", f"[*{expect},")
    project.table("silver.orders", text.replace('Column("name"', 'Column("tags", "array<string>"), Column("name"'))
    with pytest.raises(DeclarationError) as found:
        project.plan("silver.orders")
    told = "\n".join(found.value.problems)
    assert "typed('amont') is about no column of it; did you mean 'amount'?" in told
    assert "typed('at') has the type timestamp, declared as date; make them agree" in told
    assert "typed('tags') has the type array<string>, which no text is cast to" in told
    assert "typed('name') has the type string, which no text is cast to" in told
    assert typed("a", "int") == typed(type="int", column="a")
    assert Column("a", "int").name == "a"
    assert not can_be_typed("map<string,int>")
