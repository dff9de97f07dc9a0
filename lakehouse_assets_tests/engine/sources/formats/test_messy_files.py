"""Files that others collected because they're hard to read, against what those others say is in them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from lakehouse_assets.engine.sources.arrivals.listing import list_arrivals
from lakehouse_assets.engine.sources.formats.reader import find_unreadable, read_files
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets_tests.engine.sources.formats.test_reader import bad, data, put, read, rows


@pytest.fixture(scope="module")
def messy(shared_data, tmp_path_factory):
    """The archives of `messy`, unpacked, each in a folder of its name."""
    folder = tmp_path_factory.mktemp("messy")
    for archive in sorted((shared_data / "messy").glob("*.tar.gz")):
        with tarfile.open(archive) as tar:
            tar.extractall(folder / archive.name.removesuffix(".tar.gz"), filter="data")
    return folder


SPECTRUM = [
    "comma_in_quotes",
    "empty",
    "empty_crlf",
    "escaped_quotes",
    "json",
    "location_coordinates",
    "newlines",
    "newlines_crlf",
    "quotes_and_newlines",
    "simple",
    "simple_crlf",
    "utf8",
]


@pytest.mark.parametrize("name", SPECTRUM)
def test_the_csv_spectrum_reads_as_its_authors_expect(spark, messy, name):
    folder = messy / "csv_spectrum"
    source = files(f"csvs/{name}.csv", multiline="newlines" in name, nulls=())
    found = [{k: v.replace("\r\n", "\n") for k, v in row.items()} for row in data(read(spark, folder, source))]
    expected = json.loads((folder / "json" / f"{name}.json").read_text())
    expected = expected if isinstance(expected, list) else [expected]
    wanted = [{k.replace(" ", "_"): v.replace("\r\n", "\n") for k, v in row.items()} for row in expected]
    if name == "location_coordinates":  # the authors put another number in one than in the other
        assert [r.pop("Contact_Phone_Number") for r in (*found, *wanted)] == ["2095257564", "1234567890"]
    assert sorted(found, key=str) == sorted(wanted, key=str)


FRICTIONLESS = [
    ("table.csv", {}),
    ("table-delimiter.csv", {"delimiter": ";"}),
    ("Таблица.csv", {}),
    ("[table].csv", {}),
    ("Table With Data.csv", {}),
    ("table-unicode-headers.csv", {}),
    ("bom.csv", {"encoding": "utf-8-sig"}),
    ("latin1.csv", {"encoding": "latin1"}),
    ("table-infer-iso-8859-7.csv", {"encoding": "iso8859-7"}),
    ("doublequote.csv", {}),
    ("transform.csv", {}),
    ("issue-1066-largecellsize.csv", {}),
]


@pytest.mark.parametrize(("name", "options"), FRICTIONLESS)
def test_frictionless_tables_read_as_pythons_csv_reads_them(spark, messy, name, options):
    path = messy / "frictionless_data" / "data" / name
    text = path.read_bytes().decode(options.get("encoding", "utf-8"))
    header, *cells = [
        r for r in csv.reader(io.StringIO(text, newline=""), delimiter=options.get("delimiter", ",")) if r
    ]
    literal = name.replace("[", "[[]")
    reading = read(spark, path.parent, files(literal, nulls=(), multiline=True, **options))
    assert reading.df is not None
    found = sorted(list(row)[: len(header)] for row in reading.df.collect())
    assert found == sorted(cells)
    assert {r["_source"] for r in reading.df.collect()} == {str(path)}


def test_blank_and_duplicate_headers_lose_no_cell(spark, messy):
    folder = messy / "frictionless_data" / "data"
    for name in ("blank-headers.csv", "duplicate-headers.csv"):
        header, *lines = list(csv.reader((folder / name).read_text().splitlines()))
        reading = read(spark, folder, files(name, nulls=()))
        assert reading.df is not None
        assert len(reading.df.columns) == len(header) + 2
        whole = [row for row in reading.df.collect() if row["_rescued"] is None]
        assert sorted(list(r)[: len(header)] for r in whole) == sorted(c for c in lines if len(c) == len(header))


def test_ragged_tables_keep_the_text_of_every_ragged_row(spark, messy):
    folder = messy / "frictionless_data" / "data"
    path = folder / "defective-rows.csv"
    header, *lines = [line for line in path.read_text().splitlines() if line.strip()]
    ragged = {line for line in lines if len(next(csv.reader([line]))) != len(next(csv.reader([header])))}
    assert ragged
    found = [r["_rescued"]["_corrupt"] for r in rows(read(spark, folder, files(path.name))) if r["_rescued"]]
    assert set(found) == ragged


@pytest.mark.parametrize(
    "name",
    [
        "test_utf16_big.csv",
        "test_utf16_little.csv",
        "mac_newlines.csv",
        "test_utf8_bom.csv",
        "test_latin1.csv",
        "dummy.csv.gz",
        "dummy.csv.bz2",
        "realdata/ks_1033_data.csv",
    ],
)
def test_csvkit_examples_read_as_pythons_csv_reads_them(spark, messy, name):
    path = messy / "csvkit_examples" / "examples" / name
    encoding = "utf-16" if "utf16" in name else "latin1" if "latin1" in name else "utf-8-sig"
    content = path.read_bytes()
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    if name.endswith(".bz2"):
        import bz2

        content = bz2.decompress(content)
    _header, *cells = csv.reader(io.StringIO(content.decode(encoding), newline=""))
    reading = read(spark, path.parent, files(path.name, encoding=encoding, multiline=True, nulls=()))
    assert reading.df is not None
    found = [[cell.replace("\n", "\r") for cell in list(r)[:-2]] for r in reading.df.collect()]
    assert sorted(found) == sorted([cell.replace("\n", "\r") for cell in row] for row in cells)


def test_a_table_of_italian_towns_needs_its_encoding(spark, shared_data, tmp_path):
    content = (shared_data / "messy" / "frictionless_issue-811.csv.gz").read_bytes()
    put(tmp_path, "towns.csv.gz", content)
    wrong = files("*.csv.gz", delimiter=";")
    assert "not valid UTF-8" in bad(spark, tmp_path, wrong)["towns.csv.gz"]
    header, *cells = [
        r for r in csv.reader(io.StringIO(gzip.decompress(content).decode("cp1252")), delimiter=";") if any(r)
    ]
    right = files("*.csv.gz", delimiter=";", encoding="cp1252", multiline=True, nulls=())
    reading = read(spark, tmp_path, right)
    assert reading.df is not None
    found = [list(r)[: len(header)] for r in reading.df.collect()]
    assert sorted(f for f in found if any(f)) == sorted(cells)


def test_every_json_document_of_the_suite_is_read_or_fails_as_python_says(spark, messy, tmp_path):
    suite = messy / "JSONTestSuite_parsing" / "test_parsing"
    source = files("*.json", format="json")
    names = [p for p in sorted(suite.iterdir()) if p.name.startswith(("y_", "n_"))]
    chosen = names[::14]
    for path in chosen:
        put(tmp_path, path.name, path.read_bytes())
    arrivals = list_arrivals(source, str(tmp_path))
    reading = read_files(spark, source, arrivals, {}, ())
    failed = {Path(p).name for p in (*reading.failed, *reading.empty)}
    failed |= {Path(p).name for p in find_unreadable(spark, source, arrivals, {}, ())}
    must_fail = {p.name for p in chosen if p.name.startswith("n_")}
    must_pass = {p.name for p in chosen if p.name.startswith("y_")}
    assert not must_fail - failed
    assert not must_pass & failed


def test_sparks_own_hard_files(spark, messy):
    folder = messy / "spark_sql_test-data" / "test-data"
    crazy = data(read(spark, folder, files("cars-multichar-delim-crazy.csv", delimiter="_/-\\_")))
    assert {"year", "make", "model"} <= {k.strip().strip('"') for k in crazy[0]}
    assert "not valid UTF-8" in bad(spark, folder, files("malformed_utf8.json", format="jsonl"))["malformed_utf8.json"]
    utf16 = data(read(spark, folder, files("utf16WithBOM.json", format="json", encoding="UTF-16")))
    assert [r["firstName"] for r in utf16] == ["Chris", "Doug"]
