"""Real files, damaged in any way: each is read or fails with a reason, and costs no other file a row.

`make soak` does the same with many more (`SOAK_ROUNDS`), each time with the next seeds.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import os
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from pyarrow import orc, parquet

from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.spec.formats import FormatName
from lakehouse_assets.resources import spark_server
from lakehouse_assets_tests.project import Project

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "1"))
FILES = 24  # damaged ones a round and sample
NUMBERS = (
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"\xff\xff\xff\x7f",
    b"\xff" * 9 + b"\x01",
    b"\0" * 8,
    b"1e999999999",
)
MARKS = (
    b'"',
    b"\\",
    b"\n",
    b"\r",
    b",",
    b"{",
    b"[",
    b"]",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"_change_type",
)


@dataclass(frozen=True)
class Sample:
    """A real file: its format, its options, how its name ends and how many rows it has."""

    kind: FormatName
    content: bytes
    rows: int
    end: str = ""
    options: str = ""


def damaged(content: bytes, random: Random) -> bytes:
    """A file with up to five changes: of a bit, a number, a part that's cut, doubled, moved, or put in."""
    made = bytearray(content)
    for _ in range(random.choice([1, 1, 1, 2, 5])):
        # What matters most is at the ends.
        at = random.choice([random.randrange(len(made) + 1), random.randrange(min(len(made), 300) + 1)])
        at = at if random.random() < 0.7 else len(made) - at
        length = random.choice([1, 4, 50, len(made) // 3])
        part = made[at : at + length]
        match random.randrange(9):
            case 0 | 1:
                made[at : at + 1] = bytes(byte ^ 1 << random.randrange(8) for byte in made[at : at + 1])
            case 2:
                made[at : at + length] = b""
            case 3:
                made[at:at] = part * random.choice([1, 2, 100])
            case 4:
                made[random.randrange(len(made) + 1) :] = part
            case 5:
                made[at:at] = random.randbytes(length % 100)
            case 6:
                number = random.choice(NUMBERS)
                made[at : at + len(number)] = number
            case 7:
                made[at:at] = random.choice(MARKS) * random.choice([1, 1, 3, 5_000])
            case _:
                del made[at:]
    return bytes(made)


def in_csv(path: Path, most: int = 60) -> list[dict[str, str]]:
    """The rows of a table, by Python's own reader."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{re.sub(r"\W+", "_", k): v for k, v in row.items()} for row in list(csv.DictReader(file))[:most]]


def in_avro(rows: list[dict[str, str]], codec: str) -> bytes:
    file, fields = io.BytesIO(), [{"name": name, "type": ["null", "string"]} for name in rows[0]]
    fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, rows, codec=codec, sync_interval=2_000)
    return file.getvalue()


def in_arrow(rows: list[dict[str, str]], write: Callable[..., object], **options: Any) -> bytes:
    """With numbers, days, lists and structs beside the texts."""
    file, table = io.BytesIO(), pa.Table.from_pylist(rows)
    numbers = pa.array(range(len(rows)), pa.int32())
    more = {"n": numbers, "day": numbers.cast(pa.date32()), "at": numbers.cast(pa.int64()).cast(pa.timestamp("us"))}
    more |= {
        "list": pa.array([[n, None] for n in range(len(rows))]),
        "of": pa.array([{"x": str(n)} for n in range(len(rows))]),
    }
    for name, values in more.items():
        table = table.append_column(name, values)
    write(table, file, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def samples(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sample]:
    folder = tmp_path_factory.mktemp("messy")
    for name in ("csvkit_examples", "csv_spectrum", "spark_sql_test-data"):
        with tarfile.open(shared_data / "messy" / f"{name}.tar.gz") as tar:
            tar.extractall(folder / name, filter="data")
    education, irises = folder / "csvkit_examples/examples/realdata/FY09_EDU_Recipients_by_State.csv", in_csv(
        folder / "csvkit_examples/examples/iris.csv"
    )  # fmt: skip
    quoted = (folder / "csv_spectrum/csvs/newlines.csv").read_bytes()
    of_spark = folder / "spark_sql_test-data/test-data"
    lines = "".join(json.dumps(row) + "\n" for row in irises).encode()
    document = json.dumps([{**row, "n": [1.50, {"x": None}]} for row in irises]).encode()
    table = education.read_bytes()
    rows = len(list(csv.reader(table.decode().splitlines()))) - 1
    return {
        "a table": Sample("csv", table, rows),
        "cells with line breaks": Sample("csv", quoted, 3, options="multiline=True"),
        "a packed table": Sample("csv", gzip.compress(table, mtime=0), rows, ".gz"),
        "a table packed by bzip2": Sample("csv", bz2.compress(table), rows, ".bz2"),
        "lines of JSON": Sample("jsonl", lines, len(irises)),
        "packed lines of JSON": Sample("jsonl", gzip.compress(lines, mtime=0), len(irises), ".gz"),
        "a document": Sample("json", document, len(irises)),
        "Parquet": Sample("parquet", in_arrow(irises, parquet.write_table, compression="snappy"), len(irises)),
        "Parquet of Spark": Sample(
            "parquet", (of_spark / "before_1582_timestamp_micros_v3_2_0.snappy.parquet").read_bytes(), 8,
        ),
        "ORC": Sample("orc", in_arrow(irises, orc.write_table, compression="zlib"), len(irises)),
        "ORC of Spark": Sample("orc", (of_spark / "before_1582_date_v2_4.snappy.orc").read_bytes(), 1),
        "Avro": Sample("avro", in_avro(irises, "deflate"), len(irises)),
        "plain Avro": Sample("avro", in_avro(irises, "null"), len(irises)),
    }  # fmt: skip


NAMES = (
    "a table", "cells with line breaks", "a packed table", "a table packed by bzip2", "lines of JSON",
    "packed lines of JSON", "a document", "Parquet", "Parquet of Spark", "ORC", "ORC of Spark", "Avro", "plain Avro",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(ROUNDS))
@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_read_or_fails_and_stops_no_other(
    project: Project, samples: Mapping[str, Sample], name: str, seed: int
) -> None:
    sample, random = samples[name], Random(f"{name} {seed}")
    project.bronze("orders", ", ".join([f"format={sample.kind!r}, evolve='rescue'", *filter(None, [sample.options])]))
    project.land(f"orders/good 0{sample.end}", sample.content)
    project.run("bronze.orders")
    engine = spark_server.running(project.engine.server_settings)
    for number in range(FILES):
        project.land(f"orders/{number:02}{sample.end}", damaged(sample.content, random))
    for number in (1, 2):
        project.land(f"orders/good {number}{sample.end}", sample.content)
    project.run("bronze.orders")
    _assert_ended_well(project, sample)
    assert spark_server.running(project.engine.server_settings) == engine


def _assert_ended_well(project: Project, sample: Sample) -> None:
    entries = Ledger(project.lake.arrivals("shop.bronze.orders")).entries()
    table = project.log("bronze.orders").table.to_pyarrow_table()
    rows = Counter(table["_source"].to_pylist())
    assert len(entries) == FILES + 3
    for entry in entries:
        assert entry.status in ("done", "failed"), entry
        assert (entry.rows or 0) == rows[entry.path], entry
        if entry.status == "failed":
            assert entry.error, entry
            assert not re.search(r"\n|Traceback|\tat |^\S+(Exception|Error)$", entry.error), entry
    good = [_rows_of(table, path) for path in sorted(rows) if "/good " in path]
    assert len(good) == 3
    assert len(good[0]) == sample.rows
    assert good[0] == good[1] == good[2]


def _rows_of(table: pa.Table, path: str) -> list[str]:
    mine = table.filter(pa.compute.equal(table["_source"], path))
    data = mine.drop_columns([n for n in ("_source", "_batch", "_ingested_at") if n in mine.column_names])
    return sorted(map(repr, data.to_pylist()))
