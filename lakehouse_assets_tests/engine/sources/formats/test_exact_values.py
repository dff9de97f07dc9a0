"""A value is stored as it was, or its text is rescued: no number is rounded, no time cut, for want of a type."""

from __future__ import annotations

import pytest

from lakehouse_assets.engine.spec.columns import Column
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets_tests.engine.sources.reading import data, put, read, rows

INFER = files("*.csv", infer_types=True)


def test_ids_of_32_digits_stay_apart(spark, tmp_path):
    ids = ["21602730330000060000000000000001", "21602730330000060000000000000002"]
    put(tmp_path, "1.csv", f"id,x\n{ids[0]},0.12345678901234567891\n{ids[1]},0.5\n")
    reading = read(spark, tmp_path, INFER)
    assert [row["id"] for row in data(reading)] == ids
    assert [row["x"] for row in data(reading)] == ["0.12345678901234567891", "0.5"]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "9223372036854775807"], "bigint"),
        (["1", "9223372036854775808"], "string"),
        (["1", "100000000000000000000"], "string"),
        (["1.5", "12345678901234567"], "string"),
        (["0.1", "1e300", "-2.50", "123456789012345", "0.00000000000000000123456789012345"], "double"),
        (["0.1", "1234567.890123456"], "string"),
        (["1.5", "1e400"], "string"),
        (["1.5", "1e-400"], "string"),
        (["1.5", "NaN"], "string"),
        (["1.5", "1d"], "string"),
        (["2024-01-31"], "date"),
        (["2024-01-31T10:00:00.123456Z"], "timestamp"),
        (["2024-01-31 10:00:00.123456789"], "string"),
        (["2024-01-31T10:00:00+02:00"], "string"),
        (["2024-01-31 10:00 or so"], "string"),
    ],
)
def test_a_type_is_inferred_only_where_it_gives_each_text_back(spark, tmp_path, cells, kind):
    put(tmp_path, "1.csv", "a,b\n" + "".join(f'{cell},"x"\n' for cell in cells))
    assert read(spark, tmp_path, INFER).added["a"] == kind


HELD = {
    "double": ["0.1", "0.30000000000000004", "1e300", "NaN", "Infinity", "-0.00", "1.10", "5."],
    "float": ["0.1", "16777216", "1e30"],
    "decimal(10,2)": ["1.2", "1.20", "1.200", "1e2"],
    "int": ["1", "-7"],
    "date": ["2024-01-31", "2024-01-31T00:00:00"],
    "timestamp": ["2024-01-31", "2024-01-31 10:00:00.123456000", "2024-01-31T10:00:00+02:00"],
    "timestamp_ntz": ["2024-01-31 10:00:00", "2024-01-31T10:00:00Z"],
    "boolean": ["true", "f"],
}
NOT_HELD = {
    "double": ["0.12345678901234567891", "12345678901234567890", "9007199254740993", "1e400", "1e-400", "1d"],
    "float": ["16777217", "0.123456789", "1e39", "1e-50"],
    "decimal(10,2)": ["1.239", "0.004", "123456789012"],
    "int": ["1.5", "1e2", "99999999999"],
    "date": ["2024-01-31 10:00:00", "2024-01-31 or so", "2024-02-30"],
    "timestamp": ["2024-01-31 10:00:00.123456789", "10:00:00", "T10:00"],
    "timestamp_ntz": ["2024-01-31T10:00:00+02:00", "2024-01-31 10:00:00 Europe/Paris", "10:00"],
    "boolean": ["2"],
}


@pytest.mark.parametrize("declared", [False, True])
def test_a_text_that_its_columns_type_cant_give_back_is_rescued(spark, tmp_path, declared):
    names = {kind: f"c{i}" for i, kind in enumerate(HELD)}
    lines = [
        ",".join(text if kind == k else "" for k in names)
        for texts in (HELD, NOT_HELD)
        for kind, some in texts.items()
        for text in some
    ]
    put(tmp_path, "1.csv", "\n".join(["n," + ",".join(names.values()), *(f"{i},{x}" for i, x in enumerate(lines)), ""]))
    columns = [Column(name, kind) for kind, name in names.items()] if declared else []
    known = {} if declared else {"n": "string", **{name: kind for kind, name in names.items()}}
    found = sorted(rows(read(spark, tmp_path, files("*.csv"), known, *columns)), key=lambda r: int(r["n"]))
    held = sum(map(len, HELD.values()))
    assert [row["n"] for row in found[:held] if row["_rescued"]] == []
    assert all(any(row[name] is not None for name in names.values()) for row in found[:held])
    wanted = [{names[kind]: text} for kind, some in NOT_HELD.items() for text in some]
    assert [row["_rescued"] for row in found[held:]] == wanted


def test_a_number_in_json_is_held_to_the_same_rule_as_a_text(spark, tmp_path):
    put(tmp_path, "1.jsonl", '{"n": 1, "x": 0.1, "money": 1.20, "count": 7}\n'
        '{"n": 2, "x": 0.12345678901234567891, "money": 1.239, "count": 1.5}\n'
        '{"n": 3, "x": 1e400, "money": 12345678901, "count": 99999999999}\n')  # fmt: skip
    columns = [Column("x", "double"), Column("money", "decimal(10,2)"), Column("count", "int")]
    found = rows(read(spark, tmp_path, files("*.jsonl", "jsonl"), {}, *columns))
    assert [(row["x"], str(row["money"]), row["count"]) for row in found] == [
        (0.1, "1.20", 7), (None, "None", None), (None, "None", None)]  # fmt: skip
    assert [row["_rescued"] for row in found] == [
        None,
        {"x": "0.12345678901234567891", "money": "1.239", "count": "1.5"},
        {"x": "1e400", "money": "12345678901", "count": "99999999999"},
    ]
