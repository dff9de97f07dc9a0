"""JSON lines and documents become rows: nothing lost, no number rounded, no key dropped."""

from __future__ import annotations

import pytest

from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets_tests.engine.sources.reading import bad, data, put, read, rows

LINES = r"""
{"a": 1, "n": {"x": [1, 2.50, null]}, "s": "é\n\"q\""}
{"A": "two", "b": null}
[1, 2]
{"a": 1, "A": 2, "a": 3}
{"a": 1}{"a": 2}
{"a": 1
"text"
{"a": 1}] }
{}
"""


def test_lines_of_json_lose_nothing(spark, tmp_path):
    put(tmp_path, "1.jsonl", "\ufeff" + LINES.strip() + "\n\n")
    found = rows(read(spark, tmp_path, files("*.jsonl", format="jsonl")))
    unparsed = sorted(r["_rescued"]["_unparsed"] for r in found if r["_rescued"] and "_unparsed" in r["_rescued"])
    assert unparsed == sorted(["[1, 2]", '{"a": 1}{"a": 2}', '{"a": 1', '"text"', '{"a": 1}] }'])
    assert all(r["a"] is None for r in found if r["_rescued"] and "_unparsed" in r["_rescued"])
    first = next(r for r in found if r["n"])
    assert (first["a"], first["s"], first["n"].replace("2.50", "2.5")) == ("1", 'é\n"q"', '{"x":[1,2.5,null]}')
    twice = next(r for r in found if r["_rescued"] and "A" in r["_rescued"])
    assert twice["a"] == "1"
    assert sorted(twice["_rescued"].values()) == ["2", "3"]
    assert {r["a"] for r in found} == {"1", "two", None}
    assert len(found) == 9


@pytest.mark.parametrize("evolve", ["add", "rescue", "fail"])
def test_a_new_key_is_added_rescued_or_refused(spark, tmp_path, evolve):
    put(tmp_path, "1.jsonl", '{"a": 1, "new": {"x": 1}}\n')
    put(tmp_path, "2.jsonl", '{"A": 2}\n')
    reading = read(spark, tmp_path, files("*.jsonl", format="jsonl", evolve=evolve), {"a": "int"})
    if evolve == "add":
        assert data(reading) == [{"a": 1, "new": '{"x":1}'}, {"a": 2, "new": None}]
    elif evolve == "rescue":
        assert [(r["a"], r["_rescued"]) for r in rows(reading)] == [(1, {"new": '{"x":1}'}), (2, None)]
    else:
        assert (data(reading), list(reading.failed)) == ([{"a": 2}], [str(tmp_path / "1.jsonl")])


@pytest.mark.parametrize("encoding", ["latin1", "UTF-16"])
def test_json_lines_in_another_encoding(spark, tmp_path, encoding):
    put(tmp_path, "1.jsonl", '{"a": "Zürich, \\"x\\""}\n{"a": "ß"}\n'.encode(encoding))
    found = data(read(spark, tmp_path, files("*.jsonl", format="jsonl", encoding=encoding)))
    assert found == [{"a": 'Zürich, "x"'}, {"a": "ß"}]


def test_json_lines_that_are_not_utf8_fail_their_file_but_a_true_replacement_character_does_not(spark, tmp_path):
    put(tmp_path, "bad.jsonl", '{"a": "é"}\n'.encode("latin1"))
    put(tmp_path, "fine.jsonl", '{"a": "\ufffd"}\n')
    found = bad(spark, tmp_path, files("*.jsonl", format="jsonl"))
    assert list(found) == ["bad.jsonl"]
    assert data(read(spark, tmp_path, files("*.jsonl", format="jsonl"))) == [{"a": "\ufffd"}]


def test_whole_documents_are_arrays_or_one_object(spark, tmp_path):
    put(tmp_path, "1.json", '\ufeff[\n {"a": 1,\n "b": [1, {"c": 2}]},\n {"a": "x"}, 7 ]\n')
    put(tmp_path, "2.json", '{"a":\n 5}')
    put(tmp_path, "3.json", '[{"a": 1}')
    put(tmp_path, "4.json", "[]")
    source = files("*.json", format="json")
    reading = read(spark, tmp_path, source)
    assert "not a JSON document" in reading.failed[str(tmp_path / "3.json")]
    found = rows(reading)
    assert [(r["a"], r["_source"]) for r in found if not r["_rescued"]] == [
        ("1", "1.json"),
        ("x", "1.json"),
        ("5", "2.json"),
    ]
    assert [r["_rescued"] for r in found if r["_rescued"]] == [{"_unparsed": "7"}]


NUMBERS = [
    "0.12345678901234567890", "1738703622.619", "1.10", "-1.5e-3", "1E400", "2e5", "-0", "12345678901234567890123",
]  # fmt: skip
NOT_JSON = ['{"a": 01.5}', "{ 1.5 : 2}", '{"a": 1.5f}', '{"a": +1.5}', '{"a": .5}', '{"a": 1.5.2}', '{"a": "1.5, 2.5']


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_each_number_stands_as_it_stood_in_the_text_and_nothing_is_copied(spark, tmp_path, kind):
    lines = [f'{{"a": {n}, "n": {{"x":[{n}, "1.5, \\"2.5"]}}, "s": "{n}"}}' for n in NUMBERS]
    put(tmp_path, f"1.{kind}", "\n".join(lines) if kind == "jsonl" else f"[{', '.join(lines)}]")
    found = rows(read(spark, tmp_path, files(f"*.{kind}", format=kind)))
    wanted = [(n, f'{{"x":[{n},"1.5, \\"2.5"]}}', n, None) for n in NUMBERS]
    assert sorted((r["a"], r["n"], r["s"], r["_rescued"]) for r in found) == sorted(wanted)


def test_what_is_no_json_stays_unparsed_and_what_no_text_holds_is_kept_whole(spark, tmp_path):
    odd = ['{"a": "\\ud83d"}', '{"a": "\\ude00"}', '{"a": 1.10, "b": "\ufdd0"}', '{"a": 1.10, "b": "\\uFDD0"}']
    fine = ['{"a": "\\ud83d\\ude00 \\\\ud83d"}', '{"a": 1, "b": "\ufdd0"}']
    put(tmp_path, "1.jsonl", "\n".join([*NOT_JSON, *odd, *fine]))
    found = [r["_rescued"] for r in rows(read(spark, tmp_path, files("*.jsonl", format="jsonl")))]
    assert sorted(r["_unparsed"] for r in found if r and "_unparsed" in r) == sorted(NOT_JSON)
    assert sorted(r["_raw"] for r in found if r and "_raw" in r) == sorted(odd)
    assert found.count(None) == len(fine)


def test_a_file_that_has_no_object_a_line_fails_with_the_remedy_and_one_bad_line_does_not(spark, tmp_path):
    put(tmp_path, "pretty.jsonl", '{\n "a": {\n "x": 1\n },\n "b":\n {}\n}\n')
    put(tmp_path, "array.jsonl", '[{"a": 1}, {"a": 2}]\n')
    put(tmp_path, "a line an element.jsonl", '[\n{"a": 1},\n{"a": 2}\n]\n')
    put(tmp_path, "joined.jsonl", '[{"a": 1},\n{"a": 2}]')
    put(tmp_path, "cut.jsonl", '\n[\n{"a": 1},\n{"z": 2}\n')
    put(tmp_path, "csv.jsonl", "a,b\n1,2\n")
    put(tmp_path, "fine.jsonl", '{"a": 1\n{"a": 2}\n[1, 2]\n')
    reading = read(spark, tmp_path, files("*.jsonl", format="jsonl"))
    failed = {path.rpartition("/")[2].removesuffix(".jsonl"): why for path, why in reading.failed.items()}
    assert sorted(failed) == ["a line an element", "array", "csv", "cut", "joined", "pretty"]
    assert all("format='json'" in failed[name] for name in failed if name != "csv")
    assert "'a,b'" in failed["csv"]
    assert "format='csv'" in failed["csv"]
    assert [(r["a"], r["_rescued"]) for r in rows(reading)] == [
        ("2", None),
        (None, {"_unparsed": "[1, 2]"}),
        (None, {"_unparsed": '{"a": 1'}),
    ]
    assert "z" not in reading.df.columns


def test_nested_json_that_the_tables_type_would_cut_is_rescued_whole(spark, tmp_path):
    put(tmp_path, "1.jsonl", '{"a":{"x":1}}\n{"a":{"x":"q"}}\n{"a":{"x":1,"y":2}}\n')
    found = rows(read(spark, tmp_path, files("*.jsonl", format="jsonl"), {"a": "struct<x:int>"}))
    assert sorted((str(r["a"]), str(r["_rescued"])) for r in found) == [
        ("None", str({"a": '{"x":"q"}'})),
        ("None", str({"a": '{"x":1,"y":2}'})),
        ("Row(x=1)", "None"),
    ]


def test_keys_that_mean_one_column_meet_in_it_and_odd_keys_keep_their_values(spark, tmp_path):
    lines = ['{"a b": 1, "": 2}', '{"A_B": 3, "\\tx\\u00a0": 4}', '{"A b": 5, "a_b": 6, "_source": 7}']
    put(tmp_path, "1.jsonl", "\n".join(lines))
    found = rows(read(spark, tmp_path, files("*.jsonl", format="jsonl")))
    assert {r["A_b"]: (r["_blank"], r["x"], r["_source_"]) for r in found} == {
        "1": ("2", None, None),
        "3": (None, "4", None),
        "5": (None, None, "7"),
    }
    assert [r["_rescued"] for r in found if r["_rescued"]] == [{"a_b": "6"}]
