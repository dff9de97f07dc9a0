"""Batches of files become one DataFrame: nothing lost, nothing shifted, each bad file by itself."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import orc, parquet
from pyspark.errors import PySparkException

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.sources.arrivals.listing import list_arrivals
from lakehouse_assets.engine.sources.first_look import text_head
from lakehouse_assets.engine.sources.first_look.text_head import Head
from lakehouse_assets.engine.sources.formats.column_names import Target
from lakehouse_assets.engine.sources.formats.columnar import signature
from lakehouse_assets.engine.sources.formats.delimited import read_delimited
from lakehouse_assets.engine.sources.formats.reader import read_files
from lakehouse_assets.engine.sources.formats.rescue import conform
from lakehouse_assets.engine.spec.columns import Column
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets.engine.spec.formats import Csv
from lakehouse_assets_tests.engine.sources.reading import FORMATS, bad, data, encoded, put, read, rows


def test_a_reordered_header_does_not_shift_cells(spark, tmp_path):
    put(tmp_path, "1.csv", "id,name,city\n1,Ann,Oslo\n")
    put(tmp_path, "2.csv", "city,id,name\nRome,2,Bob\n")
    assert data(read(spark, tmp_path, files("*.csv"))) == [
        {"id": "1", "name": "Ann", "city": "Oslo"},
        {"id": "2", "name": "Bob", "city": "Rome"},
    ]


def test_a_ragged_row_keeps_its_cells_and_its_text(spark, tmp_path):
    put(tmp_path, "1.csv", 'a,b,c\n1,2,3\n4,5\n6,7,8,9\n"x,y",2\n')
    found = {r["a"]: r for r in rows(read(spark, tmp_path, files("*.csv")))}
    assert found["1"]["_rescued"] is None
    assert found["4"] == {"a": "4", "b": "5", "c": None, "_rescued": {"_corrupt": "4,5"}, "_source": "1.csv"}
    assert found["6"] == {"a": "6", "b": "7", "c": "8", "_rescued": {"_corrupt": "6,7,8,9"}, "_source": "1.csv"}
    assert found["x,y"]["_rescued"] == {"_corrupt": '"x,y",2'}


def test_names_differ_from_the_tables_in_case_only(spark, tmp_path):
    put(tmp_path, "1.csv", "ID,Name,New\n1,Ann,x\n")
    put(tmp_path, "2.csv", "id,NAME,nEW\n2,Bob,y\n")
    reading = read(spark, tmp_path, files("*.csv"), {"id": "string", "name": "string", "_rescued": "string"})
    assert data(reading) == [{"id": "1", "name": "Ann", "New": "x"}, {"id": "2", "name": "Bob", "New": "y"}]
    assert reading.added == {"New": "string"}


def test_odd_headers_become_names_that_delta_accepts(spark, tmp_path):
    put(tmp_path, "1.csv", 'a b,,a b,"x\ny",_source,_RESCUED,a.b,`t`,A_B\n1,2,3,4,5,6,7,8,9\n')
    reading = read(spark, tmp_path, files("*.csv"))
    names = ["a_b", "_c1", "a_b_2", "x_y", "_source_", "_RESCUED_", "a.b", "`t`", "A_B_3"]
    assert reading.df is not None
    assert reading.df.columns == [*names, "_rescued", "_source"]
    assert [str(v) for v in reading.df.collect()[0][:9]] == list("123456789")


@pytest.mark.parametrize("evolve", ["add", "rescue", "fail"])
def test_a_new_column_is_added_rescued_or_refused(spark, tmp_path, evolve):
    put(tmp_path, "1.csv", "a,extra\n1,x\n2,\n")
    put(tmp_path, "2.csv", "a\n3\n")
    reading = read(spark, tmp_path, files("*.csv", evolve=evolve), {"a": "string"})
    if evolve == "add":
        assert data(reading) == [{"a": "1", "extra": "x"}, {"a": "2", "extra": None}, {"a": "3", "extra": None}]
        assert reading.added == {"extra": "string"}
    elif evolve == "rescue":
        assert [(r["a"], r["_rescued"]) for r in rows(reading)] == [("1", {"extra": "x"}), ("2", None), ("3", None)]
        assert not reading.added
    else:
        assert data(reading) == [{"a": "3"}]
        assert "extra" in reading.failed[str(tmp_path / "1.csv")]


def test_a_column_that_no_file_has_is_null(spark, tmp_path):
    put(tmp_path, "1.csv", "a\n1\n")
    reading = read(spark, tmp_path, files("*.csv"), {"a": "string", "b": "string"}, Column("c", "int"))
    assert data(reading) == [{"a": "1", "b": None, "c": None}]
    assert reading.added == {"c": "int"}


def test_text_that_is_not_of_the_declared_type_is_rescued(spark, tmp_path):
    put(tmp_path, "1.csv", "n,d\n1,2024-01-31\nx,2024-02-31\n,\n")
    reading = read(spark, tmp_path, files("*.csv"), {}, Column("n", "int"), Column("d", "date"))
    assert reading.df is not None
    assert dict(reading.df.dtypes) == {"n": "int", "d": "date", "_rescued": "string", "_source": "string"}
    assert [(r["n"], str(r["d"]), r["_rescued"]) for r in rows(reading)] == [
        (1, "2024-01-31", None),
        (None, "None", None),
        (None, "None", {"n": "x", "d": "2024-02-31"}),
    ]


def test_every_null_marker_is_null_and_no_other_cell(spark, tmp_path):
    put(tmp_path, "1.csv", 'a,b\n,NA\n"",-\nx,na\n')
    assert data(read(spark, tmp_path, files("*.csv", nulls=("", "NA", "-")))) == [
        {"a": None, "b": None},
        {"a": None, "b": None},
        {"a": "x", "b": "na"},
    ]
    assert [r["a"] for r in data(read(spark, tmp_path, files("*.csv", nulls=("NA",))))] == ["", "", "x"]


def test_files_without_rows_are_empty_and_bring_no_columns(spark, tmp_path):
    for name, text in {"zero.csv": "", "header.csv": "a,new\n", "end.csv": "a,new", "blank.csv": "\n \n"}.items():
        put(tmp_path, name, text)
    reading = read(spark, tmp_path, files("*.csv", evolve="fail"), {"a": "string"})
    assert reading.df is None
    assert {Path(p).name for p in reading.empty} == {"zero.csv", "header.csv", "end.csv", "blank.csv"}
    assert (reading.failed, reading.added) == ({}, {})


def test_without_a_header_columns_go_by_position(spark, tmp_path):
    put(tmp_path, "1.csv", "1,2,3\n4,5,6\n")
    declared = (Column("x", "int"), Column("y", "string"))
    assert data(read(spark, tmp_path, files("*.csv", header=False), {}, *declared))[0] == {"x": 1, "y": "2", "_c2": "3"}
    reading = read(spark, tmp_path, files("*.csv", header=False))
    assert reading.df is not None
    assert reading.df.columns[:3] == ["_c0", "_c1", "_c2"]
    assert reading.df.count() == 2


NAMES = [
    "a b.csv",
    "q'uote\".csv",
    "100%.csv",
    "%20.csv",
    "a#b.csv",
    "a+b.csv",
    "naïve-Таблица-表.csv",
    "[x].csv",
    "{y}.csv",
    "st*r.csv",
    "wh?t.csv",
    "back\\slash.csv",
    "c,omma.csv",
    "am&p;=.csv",
    "-rf --.csv",
    "%2F..%2Fa..b.csv",
    "~$HOME`id`.csv",
    "{0}{[!a]}**.csv",
    "x" * 251 + ".csv",
    "\u202evsc.\u200b\u2028\ufeff.csv",
    "e\u0301 \u00e9.csv",
    "tab\t, line\nbreak\r, \x01\x1f\x7f.csv",
]


def test_a_path_is_read_literally_whatever_characters_it_has(spark, tmp_path):
    folder = tmp_path / "day=1" / "[b] {c}*"
    for i, name in enumerate(NAMES):
        put(folder, name, f"i\n{i}\n")
    put(tmp_path, "day=1/b c/x.csv", "i\nwrong\n")
    put(tmp_path, "12::30:00.csv", "i\ntime\n")
    arrivals = [a for a in list_arrivals(files("**/*.csv"), str(tmp_path)) if "/b c/" not in a.path]
    reading = read_files(spark, files("**/*.csv"), arrivals, {}, ())
    assert reading.df is not None
    assert {r["_source"]: r["i"] for r in reading.df.collect()} == {
        str(tmp_path / "12::30:00.csv"): "time",
        **{str(folder / n): str(i) for i, n in enumerate(NAMES)},
    }
    assert reading.df.columns == ["i", "_rescued", "_source"]


def test_a_name_that_hadoop_cannot_open_fails_clearly(spark, tmp_path):
    put(tmp_path, "[a] 12:30.csv", "a\n1\n")
    reading = read(spark, tmp_path, files("*.csv"))
    assert "colon" in reading.failed[str(tmp_path / "[a] 12:30.csv")]


@pytest.mark.parametrize(
    "encoding", ["UTF-8-SIG", "UTF-16", "UTF-16LE", "latin1", "cp1252", "cp1251", "iso8859-7", "big5"]
)
def test_an_encoding_is_honoured_and_gzip_unpacked(spark, tmp_path, encoding):
    words = {"cp1251": "Москва", "iso8859-7": "Αθήνα", "big5": "台北"}.get(encoding, "Zürich")
    content = f"{words},b\n{words} 1,2\n{words} 3,4\n".encode(encoding)
    put(tmp_path, "1.csv", content)
    put(tmp_path, "2.csv.gz", gzip.compress(content))
    wanted = list(csv.DictReader(content.decode(encoding).splitlines()))
    assert data(read(spark, tmp_path, files("*.csv*", encoding=encoding))) == wanted * 2


def test_bytes_of_another_encoding_fail_their_file_only(spark, tmp_path):
    put(tmp_path, "good.csv", "a,b\n1,é\n")
    put(tmp_path, "later.csv", ("a,b\n" + "1,x\n" * 50_000 + "2,é\n").encode("latin1"))
    put(tmp_path, "header.csv", "é,b\n1,x\n".encode("latin1"))
    source = files("*.csv")
    reading = read(spark, tmp_path, source)
    assert "not valid UTF-8" in reading.failed[str(tmp_path / "header.csv")]
    assert data(reading) == [{"a": "1", "b": "é"}]
    found = bad(spark, tmp_path, source)
    assert set(found) == {"later.csv", "header.csv"}
    assert all("not valid UTF-8" in why and "declare encoding=" in why for why in found.values())


def test_bytes_that_only_spark_sees_end_the_query_and_name_the_file(spark, tmp_path):
    put(tmp_path, "1.csv", b"a,b\n1,2\n" * 9 + b"3,\xe9\n")
    group = read_delimited(spark, Csv(), list_arrivals(files("*.csv"), str(tmp_path)), ["a", "b"], Head(()))
    with pytest.raises(PySparkException, match=r"not valid UTF-8: /.*/1\.csv"):
        conform(group, Target({"a": "string", "b": "string"}, "add")).count()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_truncated_gzip_fails_its_file_only(spark, tmp_path, kind):
    text = "a\n" + "1234567\n" * 50_000 if kind == "csv" else '{"a": 1}\n' * 20_000
    put(tmp_path, f"cut.{kind}.gz", gzip.compress(text.encode())[:-200])
    put(tmp_path, f"whole.{kind}.gz", gzip.compress(text.encode()))
    found = bad(spark, tmp_path, files(f"*.{kind}.gz", format=kind))
    assert list(found) == [f"cut.{kind}.gz"]
    assert "truncated" in found[f"cut.{kind}.gz"]


def test_a_delimiter_of_several_characters_and_line_breaks_in_cells(spark, tmp_path):
    put(tmp_path, "1.csv", 'a||"b||\nc"||d\n1||"x\n""y"""||3\n')
    assert data(read(spark, tmp_path, files("*.csv", delimiter="||"))) == [{"a": "1", "b||_c": 'x\n"y"', "d": "3"}]


def test_a_cell_of_ten_megabytes_arrives_whole(spark, tmp_path):
    big = "é" * 5_000_000
    put(tmp_path, "1.csv", f"a,b\n1,{big}\n")
    put(tmp_path, "1.jsonl", json.dumps({"a": big}) + "\n")
    for source, name in ((files("*.csv"), "b"), (files("*.jsonl", format="jsonl"), "a")):
        reading = read(spark, tmp_path, source)
        assert reading.df is not None
        assert reading.df.selectExpr(f"length({name}) n", "_rescued").collect() == [(5_000_000, None)]


def test_types_are_inferred_once_and_rule_afterwards(spark, tmp_path):
    put(tmp_path, "1.csv", "i,f,zip,when,t\n1,1.5,00123,2024-01-31,x\nNA,2,00007,2024-02-01,1\n")
    source = files("*.csv", infer_types=True, nulls=("", "NA"))
    first = read(spark, tmp_path, source)
    assert first.added == {"i": "bigint", "f": "double", "zip": "string", "when": "date", "t": "string"}
    assert all(r["_rescued"] is None for r in rows(first))
    put(tmp_path, "1.csv", "i,f,zip,when,t\nmany,1,1,1,1\n")
    assert rows(read(spark, tmp_path, source, first.added))[0]["_rescued"] == {"i": "many", "when": "1"}


def write_typed(path: Path, kind: str, table: pa.Table) -> None:
    if kind == "parquet":
        parquet.write_table(table, path)
    elif kind == "orc":
        orc.write_table(table, str(path))
    else:
        import fastavro

        types = {"int32": "int", "int64": "long", "double": "double", "string": "string"}
        fields = [{"name": f.name, "type": ["null", types[str(f.type)]]} for f in table.schema]
        with path.open("wb") as file:
            fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, table.to_pylist())


@pytest.mark.parametrize("kind", ["parquet", "orc", "avro"])
def test_typed_files_keep_types_and_a_changed_one_is_fitted_or_rescued(spark, tmp_path, kind):
    write_typed(tmp_path / f"1.{kind}", kind, pa.table({"a": pa.array([1, None], pa.int32()), "s": ["x", "y"]}))
    write_typed(tmp_path / f"2.{kind}", kind, pa.table({"s": ["z"], "A": pa.array([2**40], pa.int64())}))
    write_typed(tmp_path / f"3.{kind}", kind, pa.table({"A": ["7", "seven"]}))
    write_typed(tmp_path / f"4.{kind}", kind, pa.table({"a": [1.0, 1.5]}))
    write_typed(tmp_path / f"5.{kind}", kind, pa.table({"z": pa.array([], pa.int32())}))
    (tmp_path / f"6.{kind}").write_bytes((tmp_path / f"1.{kind}").read_bytes()[:-9])
    reading = read(spark, tmp_path, files(f"*.{kind}", format=kind), {"a": "int", "s": "string"})  # type: ignore[arg-type]
    found = [(r["_source"][0], r["a"], r["_rescued"]) for r in rows(reading)]
    wanted = [
        ("1", 1, None),
        ("1", None, None),
        ("2", None, {"a": str(2**40)}),
        ("3", 7, None),
        ("3", None, {"a": "seven"}),
        ("4", 1, None),
        ("4", None, {"a": "1.5"}),
    ]
    assert sorted(found, key=repr) == sorted(wanted, key=repr)
    assert {Path(p).name[0] for p in reading.empty} == {"5"}
    assert not reading.added
    if kind != "avro":  # the header of a cut Avro file is whole; Spark finds the cut
        assert [Path(p).name[0] for p in reading.failed] == ["6"]


def test_an_unknown_encoding_is_told_before_anything_is_read(spark, tmp_path):
    put(tmp_path, "1.csv", "a\n1\n")
    with pytest.raises(SourceError, match="UTF-9"):
        read(spark, tmp_path, files("*.csv", encoding="UTF-9"))


def test_a_file_that_vanishes_after_it_was_listed_fails_alone(spark, tmp_path):
    put(tmp_path, "1.csv", "a\n1\n")
    put(tmp_path, "2.csv", "a\n2\n")
    arrivals = list_arrivals(files("*.csv"), str(tmp_path))
    (tmp_path / "1.csv").unlink()
    reading = read_files(spark, files("*.csv"), arrivals, {}, ())
    assert data(reading) == [{"a": "2"}]
    assert "gone" in reading.failed[str(tmp_path / "1.csv")]


@pytest.mark.parametrize("kind", ["parquet", "orc", "avro"])
def test_files_that_keep_types_and_have_one_schema_are_read_together(tmp_path, kind):
    paths = [str(put(tmp_path, name, encoded([name], kind))) for name in "12345678"]
    (found,) = set(map(signature, paths, [kind] * 8))
    assert found


@pytest.mark.parametrize("kind", FORMATS)
def test_another_version_than_was_planned_ends_the_query(spark, tmp_path, kind):
    source = files("*", format=kind)
    for name in "123456789abc":
        put(tmp_path, name, encoded([name], kind))
    arrivals = list_arrivals(source, str(tmp_path))
    assert [row["a"] for row in data(read_files(spark, source, arrivals, {}, ()))] == list("123456789abc")
    path = put(tmp_path, "7", encoded(["new"] * 3, kind))
    with pytest.raises(PySparkException, match=f"not the version that was planned: file:{path}"):
        data(read_files(spark, source, arrivals, {}, ()))
    assert len(data(read_files(spark, source, [a for a in arrivals if a.path != str(path)], {}, ()))) == 11


@pytest.mark.parametrize("seconds", [0, 1_700_000_000, -1_500_000_000, 4_600_000_000, 12_000_000_000])
def test_a_file_that_has_not_changed_is_read_whatever_its_time(spark, tmp_path, seconds):
    for number, nanos in enumerate((0, 1, 999_999, 1_000_001, 123_456_789, 999_999_999)):
        path = put(tmp_path, f"{number}.csv", "a\n1\n" * (number + 1))
        os.utime(path, ns=(0, seconds * 1_000_000_000 + nanos))
    assert len(data(read(spark, tmp_path, files("*.csv")))) == 1 + 3 + 5 + 7 + 9 + 11
    arrivals = list_arrivals(files("*.csv"), str(tmp_path))
    os.utime(path, ns=(0, seconds * 1_000_000_000))
    with pytest.raises(PySparkException, match="not the version that was planned"):
        data(read_files(spark, files("*.csv"), arrivals, {}, ()))


def test_a_files_own_corrupt_column_is_not_taken_for_ours(spark, tmp_path):
    put(tmp_path, "1.csv", "a,_corrupt\n1,2\n1,2,3\n")
    found = rows(read(spark, tmp_path, files("*.csv", evolve="rescue"), {"a": "string"}))
    rescued = sorted((r["_rescued"] for r in found), key=len)
    assert rescued == [{"_corrupt_": "2"}, {"_corrupt_": "2", "_corrupt": "1,2,3"}]


def test_utf16_without_a_byte_order_mark_says_which_to_declare(spark, tmp_path):
    put(tmp_path, "1.csv", "a,b\n1,2\n")
    reading = read(spark, tmp_path, files("*.csv", encoding="UTF-16"))
    assert "UTF-16LE" in reading.failed[str(tmp_path / "1.csv")]


def test_a_file_that_unpacks_to_far_more_than_its_size_is_refused_and_stops_no_other(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(text_head, "UNPACKED_ANYWAY", 1 << 20)
    put(tmp_path, "bomb.csv.gz", gzip.compress(b"a\n" + b"1\n" * 20_000_000))
    put(tmp_path, "good.csv.gz", gzip.compress(b"a\n" + b"1\n" * 10))
    reading = read(spark, tmp_path, files("*"))
    assert len(data(reading)) == 10
    ((path, why),) = reading.failed.items()
    assert path.endswith("bomb.csv.gz")
    assert re.fullmatch(r"it unpacks to more than [\d,]+ bytes, 300 times its size; land it unpacked", why)


def test_a_line_without_an_end_is_refused(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(text_head, "LONGEST_LINE", 1 << 20)
    put(tmp_path, "endless.csv", "a\n1\n" + "x" * (2 << 20))
    put(tmp_path, "long.csv", "a\n" + ("x" * (1 << 19) + "\n") * 4)
    reading = read(spark, tmp_path, files("*"))
    assert len(data(reading)) == 4
    assert list(reading.failed.values()) == ["it has a line of more than 1,048,576 characters; break it into records"]


@pytest.mark.parametrize(("kind", "number"), [("csv", 1_000_000), ("jsonl", 20_000), ("json", 20_000)])
def test_a_million_columns_are_refused_and_stop_no_other_file(spark, tmp_path, kind, number):
    names = [f"c{i}" for i in range(number)]
    wide = ",".join(names) + "\n1\n" if kind == "csv" else json.dumps(dict.fromkeys(names, 1))
    put(tmp_path, f"wide.{kind}", wide)
    put(tmp_path, f"good.{kind}", "c0,c1\n1,2\n" if kind == "csv" else '{"c0": "1", "c1": "2"}')
    reading = read(spark, tmp_path, files("*", kind))
    assert data(reading) == [{"c0": "1", "c1": "2"}]
    ((path, why),) = reading.failed.items()
    assert path.endswith(f"wide.{kind}")
    assert why == "it has more than 10,000 columns; land it as records of a name and a value"
