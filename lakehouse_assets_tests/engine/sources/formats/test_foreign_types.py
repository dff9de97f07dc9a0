"""Types that Parquet, ORC and Avro have and Spark hasn't: converted exactly, or text, and no file fails for one."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import fastavro
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import orc, parquet

from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.sources.formats import converted
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets_tests.engine.sources.reading import data, put, read, rows

PARQUET = files("*.parquet", "parquet")
AT = datetime(2024, 1, 31, 10, 0, 0, 123456)


def test_timestamps_as_pandas_writes_them_are_timestamps(spark, tmp_path):
    frame = pd.DataFrame({"at": pd.to_datetime([AT, None, "1677-09-21 00:12:44"]), "n": [1, 2, 3]})
    frame["utc"] = frame["at"].dt.tz_localize("UTC")
    frame.to_parquet(tmp_path / "1.parquet")
    reading = read(spark, tmp_path, PARQUET)
    assert reading.added == {"at": "timestamp_ntz", "n": "bigint", "utc": "timestamp"}
    wanted = {1: AT, 2: None, 3: datetime(1677, 9, 21, 0, 12, 44)}
    assert {row["n"]: row["at"] for row in data(reading)} == wanted
    utc = {row["n"]: row["utc"] and row["utc"].astimezone(UTC).replace(tzinfo=None) for row in data(reading)}
    assert utc == wanted
    assert [row["_rescued"] for row in rows(reading)] == [None, None, None]


def test_a_nanosecond_that_isnt_a_whole_microsecond_is_rescued(spark, tmp_path):
    stamps = pa.array([1_000, 1_234, -1, None], pa.timestamp("ns"))
    parquet.write_table(pa.table({"n": [1, 2, 3, 4], "at": stamps}), tmp_path / "1.parquet")
    found = [(row["at"], row["_rescued"]) for row in rows(read(spark, tmp_path, PARQUET))]
    assert found == [
        (datetime(1970, 1, 1, 0, 0, 0, 1), None),
        (None, {"at": "1970-01-01 00:00:00.000001234"}),
        (None, {"at": "1969-12-31 23:59:59.999999999"}),
        (None, None),
    ]


def test_a_column_that_spark_refuses_is_converted_and_the_others_keep_their_types(spark, tmp_path):
    one = uuid.UUID(int=7)
    big = Decimal("1234567890123456789012345678901234567890.5")
    table = pa.table({
        "n": pa.array([1], pa.int32()), "id": pa.array([one.bytes], pa.uuid()), "half": pa.array(np.array([1.5], "f2")),
        "big": pa.array([big], pa.decimal256(50, 1)), "time": pa.array([36_000_000_000_123], pa.time64("ns")),
        "u": pa.array([2**64 - 1], pa.uint64()), "us": pa.array([AT], pa.timestamp("us")),
        "nested": pa.array([{"t": 36_000_000_000, "x": "é"}], pa.struct({"t": pa.time64("us"), "x": pa.string()})),
        "ns": pa.array([1_234], pa.timestamp("ns")), "list": pa.array([[1, 2]]),
        "code": pa.array(["x"]).dictionary_encode(),
    })  # fmt: skip
    parquet.write_table(table, tmp_path / "1.parquet")
    parquet.write_table(pa.table({"n": pa.array([2], pa.int32()), "id": [str(one)]}), tmp_path / "2.parquet")
    reading = read(spark, tmp_path, PARQUET)
    assert reading.failed == {}
    first, second = data(reading)
    assert first == {
        "n": 1, "id": str(one), "half": 1.5, "big": str(big), "time": "10:00:00.000000123", "u": Decimal(2**64 - 1),
        "us": AT, "nested": '{"t": "10:00:00", "x": "é"}', "ns": "1970-01-01 00:00:00.000001234", "list": [1, 2],
        "code": "x",
    }  # fmt: skip
    assert (second["n"], second["id"]) == (2, str(one))
    assert {k: reading.added[k] for k in ("n", "half", "us", "list")} == {
        "n": "int", "half": "float", "us": "timestamp_ntz", "list": "array<bigint>",
    }  # fmt: skip


def test_names_that_differ_in_case_or_not_at_all_are_told_apart(spark, tmp_path):
    for kind, write in (("parquet", parquet.write_table), ("orc", orc.write_table)):
        write(
            pa.table([pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "A", "b c"]),
            str(tmp_path / f"1.{kind}"),
        )
        assert data(read(spark, tmp_path, files(f"*.{kind}", kind))) == [{"a": 1, "A_2": 2, "b_c": 3}]  # type: ignore[arg-type]


def test_avro_that_spark_refuses_is_converted(spark, tmp_path):
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 2}
    fields = [{"name": "d", "type": decimal}, {"name": "n", "type": ["null", "r"]}, {"name": "v", "type": "int"}]
    rows_ = [{"d": Decimal("1.50"), "n": {"d": Decimal(2), "n": None, "v": 3}, "v": 4}]
    with (tmp_path / "1.avro").open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, rows_)
    (row,) = data(read(spark, tmp_path, files("*.avro", "avro")))
    assert (row["d"], row["v"]) == (Decimal("1.50"), 4)


def test_orc_timestamps_with_a_zone_are_timestamps(spark, tmp_path):
    orc.write_table(pa.table({"at": pa.array([AT], pa.timestamp("us", "UTC"))}), str(tmp_path / "1.orc"))
    reading = read(spark, tmp_path, files("*.orc", "orc"))
    assert reading.added == {"at": "timestamp"}
    assert data(reading)[0]["at"].astimezone(UTC).replace(tzinfo=None) == AT


def test_a_nested_name_that_delta_refuses_makes_its_column_text(spark, project, tmp_path):
    project.bronze("orders", "format='parquet'")
    for name, columns in {"1": {"n": [1], "s": [{"a b": 2}]}, "2": {"n": [2], "s": [None]}}.items():
        parquet.write_table(pa.table(columns), tmp_path / "made")
        project.land(f"orders/{name}", (tmp_path / "made").read_bytes())
    project.run("bronze.orders")
    assert project.rows("bronze.orders", "n", "s") == [(1, '{"a b":2}'), (2, None)]


def test_what_is_too_large_to_be_converted_fails_with_the_remedy(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(converted, "MOST", 10)
    parquet.write_table(pa.table({"t": pa.array([1], pa.time64("us"))}), tmp_path / "1.parquet")
    parquet.write_table(pa.table({"t": ["x"]}), tmp_path / "2.parquet")
    put(tmp_path, "3.parquet", (tmp_path / "2.parquet").read_bytes())
    reading = read(spark, tmp_path, PARQUET)
    assert [row["t"] for row in data(reading)] == ["x", "x"]
    ((path, why),) = reading.failed.items()
    assert Path(path).name == "1.parquet"
    assert "TIME(MICROS" in why
    assert "write that column as text" in why


def of_bytes(content: bytes) -> pa.Array:
    """One text of any bytes, as it may stand in a file."""
    ends = pa.array([0, len(content)], pa.int32())
    return pa.StringArray.from_buffers(1, ends.buffers()[1], pa.py_buffer(content))


def write(path: Path, kind: str, table: pa.Table) -> None:
    if kind == "parquet":
        parquet.write_table(table, path)
    else:
        orc.write_table(table, str(path))


@pytest.mark.parametrize("kind", ["parquet", "orc"])
def test_text_that_isnt_utf8_fails_its_file_and_the_table_can_be_read_by_others(project, tmp_path, kind):
    project.bronze("orders", f"format='{kind}'")
    odd = of_bytes(b"\xff\xfe")
    tables = {
        "plain": odd, "listed": pa.ListArray.from_arrays([0, 1], odd), "deep": pa.StructArray.from_arrays([odd], ["x"]),
        "keyed": pa.MapArray.from_arrays([0, 1], odd, odd), "fine": of_bytes("é".encode()),
    }  # fmt: skip
    for name, values in tables.items():
        write(tmp_path / "made", kind, pa.table({"id": [name], name: values}))
        project.land(f"orders/{name}", (tmp_path / "made").read_bytes())
    project.run("bronze.orders")
    assert project.rows("bronze.orders", "id", "fine") == [("fine", "é")]
    entries = Ledger(project.lake.arrivals("shop.bronze.orders")).entries()
    failed = {Path(e.path).name: e.error for e in entries if e.status == "failed"}
    assert failed.keys() == tables.keys() - {"fine"}
    assert all("not valid UTF-8" in str(why) and f"column {name}: " in str(why) for name, why in failed.items())


@pytest.mark.parametrize("kind", ["parquet", "orc", "csv"])
def test_a_day_that_other_readers_cant_hold_is_rescued_and_nested_it_fails_its_file(project, tmp_path, kind):
    declared = "columns=[Column('id', 'string'), Column('day', 'date')]" if kind == "csv" else ""
    project.table("bronze.orders", f"""
        @table(landed=files("orders/*", format='{kind}'), {declared})
        def orders(landed): return landed
        """)  # fmt: skip
    far = pa.Array.from_buffers(pa.date32(), 2, pa.array([2**31 - 1, 0], pa.int32()).buffers())
    if kind == "csv":
        project.land("orders/1", "id,day\n1,+5881580-07-11\n2,1970-01-01\n")
    else:
        write(tmp_path / "made", kind, pa.table({"id": ["1", "2"], "day": far}))
        project.land("orders/1", (tmp_path / "made").read_bytes())
        write(tmp_path / "made", kind, pa.table({"id": ["3", "4"], "s": pa.StructArray.from_arrays([far], ["day"])}))
        project.land("orders/2", (tmp_path / "made").read_bytes())
    project.run("bronze.orders")
    found = {
        id_: (day and str(day)[:10], rescued)
        for id_, day, rescued in project.rows("bronze.orders", "id", "day", "_rescued")
    }
    assert found == {"1": (None, '{"day":"+5881580-07-11"}'), "2": ("1970-01-01", None)}
