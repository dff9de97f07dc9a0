"""Files whose structure or bytes can't be trusted: each fails with what it is and what to do, or is read as it is."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import random
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import fastavro
import pyarrow as pa
import pytest
from pyarrow import orc, parquet

from lakehouse_assets.engine.sources.arrivals.listing import list_arrivals
from lakehouse_assets.engine.sources.first_look import text_head
from lakehouse_assets.engine.sources.first_look.text_head import read_head
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets.engine.spec.inputs import Files
from lakehouse_assets_tests.engine.sources.reading import FORMATS, data, encoded, ledger, put, read, rows

TEXT = b"a,b\n1,x\n"


def reasons(folder: Path, source: Files) -> dict[str, str]:
    """The reason for each file of which Python sees that it can't be read, by name."""
    found = {}
    for file in list_arrivals(source, str(folder)):
        try:
            read_head(file, source.format)
        except text_head.Unreadable as e:
            found[Path(file.path).name] = str(e)
    return found


def test_a_line_break_in_a_cell_fails_the_file_that_isnt_declared_to_have_one(spark, tmp_path):
    put(tmp_path, "1.csv", 'a,b\n1,"x\n2,y"\n3,z\n')
    put(tmp_path, "2.csv", "a,b\n4,w\n")
    reading = read(spark, tmp_path, files("*.csv"))
    assert data(reading) == [{"a": "4", "b": "w"}]
    assert "declare multiline=True" in reading.failed[str(tmp_path / "1.csv")]
    wanted = [{"a": "1", "b": "x\n2,y"}, {"a": "3", "b": "z"}, {"a": "4", "b": "w"}]
    assert data(read(spark, tmp_path, files("*.csv", multiline=True))) == wanted


@pytest.mark.parametrize(
    ("text", "options", "remedy"),
    [
        ('a,b\n1,"x\n', {}, "multiline=True"),
        ('a,b\n1,"x', {}, "multiline=True"),
        ('a,b\n1,"x\n2,y\n', {"multiline": True}, "never closed"),
        ('a,b\n1,5" pipe\n2,"x\n3,y\n', {"multiline": True}, "never closed"),
        ('a,b\n1,"x\n2,"y"\n', {"multiline": True}, "in the middle of a cell"),
        ('a,b\n5" pipe,"x\ny",2\n', {}, "multiline=True"),
        ('a,b\n5" pipe,"a ""b""\n",2\n', {}, "multiline=True"),
        ('a,b\n5" x,"y ""z"" w\n5" v",2\n', {}, "multiline=True"),
        ("a;b\n1;'x\n2';y\n", {"delimiter": ";", "quote": "'"}, "multiline=True"),
        ('a||b\n1||"x\n2||y"\n', {"delimiter": "||"}, "multiline=True"),
        ('a,b\n1,"x\\"\n2,y"\n', {"escape": "\\"}, "multiline=True"),
        ('é,b\n1,"ж\n2,y"\n', {}, "multiline=True"),
        ("a,b\r1,«x\r2,y«\r", {"quote": "«"}, "multiline=True"),
        ("a,b\n" + '1,"x"\n' * 60_000 + '2,"y\n3,z"\n', {}, "'2,\"y'"),
        ('a,b\n1,"x\n2,y"\n', {"header": False}, "multiline=True"),
        ('a,b\n1,"x\n2,y\n'.encode("utf-16"), {"encoding": "UTF-16"}, "never closed"),
    ],
)  # fmt: skip
def test_a_quote_that_is_left_open_fails_its_file_and_names_the_remedy(tmp_path, text, options, remedy):
    put(tmp_path, "1.csv", text)
    assert remedy in reasons(tmp_path, files("*.csv", **options))["1.csv"]


@pytest.mark.parametrize(
    ("text", "options", "wanted"),
    [
        ('a,b\n1,5" pipe\n2,6" pipe\n', {}, [("1", '5" pipe'), ("2", '6" pipe')]),
        ('a,b\n5" pipe,"x"\n', {}, [('5" pipe', "x")]),
        ('a,b\n"x, ","y"\n"","z,"\n', {}, [(None, "z,"), ("x, ", "y")]),
        ('a,b\n"""x""","y"""\n', {}, [('"x"', 'y"')]),
        ('a,b\n1,"x\n2,y\n', {"quote": ""}, [("1", '"x'), ("2", "y")]),
        ('a,b\n"x\\"y",z\n"x\\\\",z\n', {"escape": "\\"}, [('x"y', "z"), ("x\\", "z")]),
        ('"a\\\\",b\n1,2\n', {"escape": "\\"}, [("1", "2")]),
        ('a,b\n1, "x\n', {}, [("1", ' "x')]),
        ('a,b\r\n1,"x"\r\n2,y\r\n', {}, [("1", "x"), ("2", "y")]),
        ('a,b\n1,"x\n\n"\n2,"y""\n,"\n', {"multiline": True}, [("1", "x\n\n"), ("2", 'y"\n,')]),
    ],
)
def test_quotes_that_spark_reads_rightly_are_no_alarm(spark, tmp_path, text, options, wanted):
    put(tmp_path, "1.csv", text)
    reading = read(spark, tmp_path, files("*.csv", **options))
    assert [tuple(row.values()) for row in data(reading)] == wanted
    assert not reading.failed


def test_random_tables_are_told_apart_as_pythons_csv_tells_them(tmp_path, monkeypatch):
    """Whether a line of a table ends within a quoted cell, by Python's own reader, in blocks of any size."""
    rng = random.Random(7)
    for number in range(400):
        monkeypatch.setattr(text_head, "CHUNK", rng.choice([7, 64, 1000]))
        alphabet = rng.choice(['a"', 'a",', 'a",é\n', 'a"\n', "a,"])
        table = [["".join(rng.choices(alphabet, k=rng.randrange(6))) for _ in "ab"] for _ in range(rng.randrange(1, 9))]
        text = io.StringIO(newline="")
        csv.writer(text, quoting=rng.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]), lineterminator="\n").writerows(table)
        put(tmp_path, "1.csv", f"h,i\n{text.getvalue()}")
        several = any("\n" in cell for row in table for cell in row)
        assert bool(reasons(tmp_path, files("*.csv"))) == several, (number, text.getvalue())
        assert not reasons(tmp_path, files("*.csv", multiline=True)), (number, text.getvalue())


@pytest.mark.parametrize("options", [{}, {"multiline": True}, {"encoding": "UTF-16"}])
def test_records_of_another_width_are_rescued_whole(spark, tmp_path, options):
    text = 'a,b\n1,x\n2\n3,y,z,,w\n"4","v","u"\n,,\n'
    put(tmp_path, "1.csv", text.encode(options.get("encoding", "utf-8")))
    found = [
        (r["a"], r["b"], r["_rescued"] and r["_rescued"]["_corrupt"])
        for r in rows(read(spark, tmp_path, files("*.csv", **options)))
    ]
    wanted = [("1", "x", None), ("2", None, "2"), ("3", "y", "3,y,z,,w"), ("4", "v", '"4","v","u"'), (None, None, ",,")]
    assert sorted(found, key=str) == sorted(wanted, key=str)


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr(name, TEXT)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        made.addfile(tarfile.TarInfo("1.csv"), io.BytesIO())
    return file.getvalue()


def packed(codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as out:
        out.write(TEXT)
    return bytes(sink.getvalue())


def database(folder: Path) -> bytes:
    with sqlite3.connect(folder / "made.db") as made:
        made.execute("create table t (a)")
    return (folder / "made.db").read_bytes()


PACKED = {
    "1.csv.zip": (zipped("1.csv"), "a zip archive; unpack it"),
    "1.csv": (zipped("1.csv"), "a zip archive; unpack it"),
    "1.xlsx": (zipped("[Content_Types].xml"), "Excel"),
    "2.csv": (gzip.compress(TEXT), "packed by gzip, and its name doesn't end in .gz"),
    "2.csv.GZ": (gzip.compress(TEXT), "packed by gzip, and its name doesn't end in .gz"),
    "3.csv.gz": (TEXT, "isn't packed by gzip, but like text"),
    "4.csv.gz": (gzip.compress(gzip.compress(TEXT)), "packed by gzip once more"),
    "5.csv.gz": (bz2.compress(TEXT), "isn't packed by gzip: it's packed by bzip2"),
    "6.csv": (bz2.compress(TEXT), "packed by bzip2, and its name doesn't end in .bz2"),
    "7.csv.bz2": (TEXT, "isn't packed by bzip2"),
    "8.csv.xz": (lzma.compress(TEXT), "packed by xz"),
    "9.csv.zst": (packed("zstd"), "packed by zstd"),
    "10.csv.lz4": (packed("lz4"), "packed by lz4"),
    "11.csv.lz4": (TEXT, "its name ends in .lz4"),
    "12.csv.snappy": (TEXT, "its name ends in .snappy"),
    "13.csv.deflate": (TEXT, "its name ends in .deflate"),
    "14.csv.zst": (TEXT, "its name ends in .zst"),
    "15.tar.gz": (gzip.compress(tarred()), "a tar archive"),
    "16.csv": (b"%PDF-1.7\n...", "a PDF document"),
    "17.csv": (b"<!DOCTYPE html>\n<html><body>Sign in, please</body></html>\n", "a page of HTML"),
    "18.csv": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML"),
    "19.csv": (encoded(["x"], "parquet"), "it's Parquet, not text; declare format='parquet'"),
    "20.csv": (encoded(["x"], "orc"), "declare format='orc'"),
    "21.csv": (encoded(["x"], "avro"), "declare format='avro'"),
    "22.csv": (b'{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n', "it's JSON; declare format='jsonl'"),
    "23.csv": (b'[\n  {"a": 1}\n]\n', "it's JSON; declare format='json'"),
    "24.csv": (b'[{"a": 1},{"a": 2}]\n', "it's JSON; declare format='json'"),
    "25.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an .xls"),
    "26.csv.7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive"),
}  # fmt: skip


def test_a_file_that_isnt_what_its_name_says_fails_with_what_it_is(tmp_path):
    for name, (content, _) in PACKED.items():
        put(tmp_path, name, content)
    put(tmp_path, "27.csv", database(tmp_path))
    put(tmp_path, "good.csv.gz", gzip.compress(TEXT))
    put(tmp_path, "good.csv.bz2", bz2.compress(TEXT))
    put(tmp_path, "orc.csv", "ORC,PAR,Obj\n1,2,3\n")
    put(tmp_path, "PKs.csv", "PK,BZh9\n1,2\n")
    put(tmp_path, "made.db", b"")
    found = reasons(tmp_path, files("*", encoding="cp1252"))
    for name, (_, what) in {**PACKED, "27.csv": (b"", "an SQLite database")}.items():
        assert what in found.pop(name, ""), name
    assert found == {}


@pytest.mark.parametrize("kind", ["parquet", "orc", "avro", "jsonl", "json"])
def test_other_bytes_than_the_formats_fail_their_file_only(spark, tmp_path, kind):
    other = "orc" if kind == "parquet" else "parquet"
    put(tmp_path, "other", encoded(["x"], other))
    put(tmp_path, "page", "<html>\n")
    put(tmp_path, "packed", gzip.compress(encoded(["x"], kind)))
    put(tmp_path, "good", encoded(["x"], kind))
    reading = read(spark, tmp_path, files("*", kind))
    assert data(reading) == [{"a": "x"}]
    failed = {Path(path).name: why for path, why in reading.failed.items()}
    assert f"declare format='{other}'" in failed.pop("other")
    assert "gzip" in failed.pop("packed")
    assert ("HTML" if kind.startswith("json") else f"not a whole {kind} file") in failed.pop("page")
    assert not failed


@pytest.mark.parametrize("evolve", ["add", "rescue", "fail"])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_shares_no_column_with_the_table_fails(spark, tmp_path, kind, evolve):
    put(tmp_path, "good", encoded(["x"], kind))
    source = files("*", kind, evolve=evolve)
    put(tmp_path, "other", {
        "csv": b"b,c\n1,2\n", "jsonl": b'{"b": 1, "c": 2}\n', "json": b'[{"b": 1, "c": 2}]',
    }.get(kind) or encoded_as({"b": [1], "c": [2]}, kind))  # fmt: skip
    reading = read(spark, tmp_path, source, {"A": "string", "z": "string"})
    assert [row["A"] for row in data(reading)] == ["x"]
    assert reading.added == {}
    assert "it has columns b, c; none of the table's A, z" in reading.failed[str(tmp_path / "other")]


def encoded_as(columns: dict[str, list[int]], kind: str) -> bytes:
    file = io.BytesIO()
    match kind:
        case "parquet":
            parquet.write_table(pa.table(columns), file)
        case "orc":
            orc.write_table(pa.table(columns), file)
        case _:
            fields = [{"name": name, "type": "int"} for name in columns]
            fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, pa.table(columns).to_pylist())
    return file.getvalue()


@pytest.mark.parametrize(("delimiter", "declared"), [(";", ","), ("\t", ","), ("|", ";"), (",", ";")])
def test_a_file_with_another_delimiter_fails_and_says_which(spark, tmp_path, delimiter, declared):
    put(tmp_path, "1.csv", f"a{delimiter}b\n1{delimiter}2\n")
    reading = read(spark, tmp_path, files("*.csv", delimiter=declared), {"a": "string", "b": "string"})
    assert f"declare delimiter={delimiter!r}" in reading.failed[str(tmp_path / "1.csv")]


def test_an_object_without_keys_is_a_row_and_its_file_no_stranger(spark, tmp_path):
    put(tmp_path, "1.jsonl", '{}\n{"new": 1, "a": 2}\n')
    put(tmp_path, "2.jsonl", "{}\n")
    reading = read(spark, tmp_path, files("*.jsonl", "jsonl"), {"a": "string"})
    found = sorted(((row["a"], row["new"]) for row in data(reading)), key=str)
    assert found == [("2", "1"), (None, None), (None, None)]


def test_a_file_packed_otherwise_stays_where_it_is_though_files_are_deleted(project):
    project.bronze("orders", "afterwards='delete'")
    zip_, lz4 = project.land("orders/1.csv.zip", zipped("1.csv")), project.land("orders/2.csv.lz4", "a\n1\n2\n")
    good = project.land("orders/3.csv", "a\n3\n")
    project.run("bronze.orders")
    assert ledger(project) == [("1.csv.zip", "failed", None), ("2.csv.lz4", "failed", None), ("3.csv", "done", 1)]
    assert [Path(path).exists() for path in (zip_, lz4, good)] == [True, True, False]
