"""Columns by names that Delta, Spark or we have taken come in under others, and stop no file beside theirs."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Sequence

import fastavro
import pyarrow as pa
import pytest
from pyarrow import orc, parquet

from lakehouse_assets.engine.sources.formats.column_names import clean_header, folded
from lakehouse_assets.engine.spec.formats import FormatName
from lakehouse_assets_tests.engine.sources.reading import ledger
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.soak import some

OF_DELTA = ["_change_type", "_Commit_Version", "_commit_timestamp", "__is_cdc"]
OF_RUNS = ["_source", "_batch", "_ingested_at", "_rescued", "__raw", "__broken_0", "__broken_12"]
FREE = ["_metadata", "_problem", "_changed_at", "_row_id", "__op", "a.b", "`q", "x" * 300, "e\u0301", "\u00e9", "表"]
# Names that Java takes for one, whatever their lower case: the long s, the Kelvin sign, i with a dot and without.
ALIKE = ["s", "\u017f", "k", "\u212a", "i", "\u0130", "\u0131"]
BESIDE_A_RULE = """
@table(landed=files("orders/*", format="{}"), expect=[drop("id <> 'bad'")])
def orders(landed: DataFrame) -> DataFrame:
    return landed
"""
READER = """
@table(raw="bronze.orders", columns=[Column("id", "string", key=True)], write=merge(on="id"))
def orders(raw: DataFrame) -> DataFrame:
    return raw.select("id")
"""


def encoded(names: Sequence[str], row: Sequence[str], kind: FormatName) -> bytes:
    """A file of one row of texts."""
    file, table = io.BytesIO(), pa.table([pa.array([text]) for text in row], names=list(names))
    match kind:
        case "csv":
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows([names, row])
            return text.getvalue().encode()
        case "jsonl" | "json":
            return (json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n").encode()
        case "parquet":
            parquet.write_table(table, file)
        case "orc":
            orc.write_table(table, file)
        case _:
            fields = [{"name": name, "type": "string"} for name in names]
            schema = {"type": "record", "name": "r", "fields": fields}
            fastavro.writer(file, schema, [dict(zip(names, row, strict=True))])
    return file.getvalue()


@pytest.mark.parametrize("kind", some(["csv", "jsonl", "json", "parquet", "orc", "avro"], 3))
def test_a_reserved_name_is_read_under_another_and_no_value_is_lost(project: Project, kind: FormatName) -> None:
    project.table("bronze.orders", BESIDE_A_RULE.format(kind))
    project.table("silver.orders", READER)
    names = [*OF_DELTA, *OF_RUNS, *([] if kind == "avro" else [*FREE, *ALIKE])]
    values = [f"value {n}" for n in range(len(names))]
    project.land("orders/1", encoded(["id"], ["good"], kind))
    project.land("orders/2", encoded(["id", *names], ["odd", *values], kind))
    project.run("bronze.orders")
    assert ledger(project) == [("1", "done", 1), ("2", "done", 1)]
    project.land("orders/3", encoded(["id", *names], ["later", *values], kind))
    if kind == "csv":
        project.run("silver.orders")
    project.run("bronze.orders")
    if kind == "csv":  # by the change feed
        project.run("silver.orders")
        assert project.rows("silver.orders", "id") == [("good",), ("later",), ("odd",)]
    table = project.log("bronze.orders").table.to_pandas()
    for id_ in ("odd", "later"):
        row = table[table["id"] == id_].dropna(axis=1).iloc[0].to_dict()
        kept = {*map(str, row.values()), *json.loads(row.get("_rescued", "{}")).values()}
        assert set(values) <= kept
        assert {name: row[f"{name}_"] for name in OF_DELTA} == dict(zip(OF_DELTA, values, strict=False))
    assert {n for n in FREE if kind != "avro"} <= set(table.columns)


NESTED = [["a", "A"], ["s", "\u017f"], [""], ["_change_type"], ["x" * 300], ["a\nb"], ["a-b", "a.b"], ["a:b"], ["`q"],
          ["a<b>"], ["1"], ["é"]]  # fmt: skip


@pytest.mark.parametrize("kind", ["parquet", "orc"])
def test_nested_names_that_delta_or_sparks_parser_refuses_stop_no_file(project: Project, tmp_path, kind) -> None:
    project.bronze("orders", f"format='{kind}'")
    project.land("orders/good", encoded(["id"], ["good"], kind))
    write = parquet.write_table if kind == "parquet" else orc.write_table
    for number, fields in enumerate(NESTED):
        nested = pa.StructArray.from_arrays([pa.array([n]) for n in range(len(fields))], names=fields)
        write(pa.table({"id": ["odd"], f"s{number}": nested}), str(tmp_path / "made"))
        project.land(f"orders/{number}", (tmp_path / "made").read_bytes())
    project.run("bronze.orders")
    assert {status for _, status, _ in ledger(project)} == {"done"}
    table = project.log("bronze.orders").table.to_pandas()
    for number, fields in enumerate(NESTED):
        (found,) = table[f"s{number}"].dropna()
        found = json.loads(found) if isinstance(found, str) else found
        assert list(found.values()) == list(range(len(fields)))


def test_names_are_taken_for_one_as_java_takes_them() -> None:
    assert len({*map(folded, ALIKE)}) == 3
    assert clean_header(["s", "\u017f", "S_2", "S"]) == ("s", "\u017f_3", "S_2", "S_4")


def test_ten_thousand_columns_of_one_name_are_told_apart_at_once() -> None:
    began = time.perf_counter()
    assert len(set(clean_header(["a"] * 10_000))) == 10_000
    assert time.perf_counter() - began < 2  # 7 s by looking for each number from 2 on
