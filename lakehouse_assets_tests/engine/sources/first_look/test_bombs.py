"""Files that take far more memory or time than their size lets expect: each fails by itself, and the engine lives."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import orc, parquet

from lakehouse_assets.engine.sources.arrivals.listing import list_arrivals
from lakehouse_assets.engine.sources.first_look import text_head
from lakehouse_assets.engine.sources.first_look.contents import Unreadable
from lakehouse_assets.engine.sources.first_look.text_head import is_blank, read_head
from lakehouse_assets.engine.sources.formats import converted
from lakehouse_assets.engine.sources.formats.columnar import signature
from lakehouse_assets.engine.sources.formats.converted import convert, find_damaged
from lakehouse_assets.engine.sources.formats.not_lines import DOCUMENT, TOO_LONG, not_lines
from lakehouse_assets.engine.sources.formats.reader import find_unreadable
from lakehouse_assets.engine.spec.declare import files
from lakehouse_assets.engine.spec.formats import Csv, JsonLines
from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.engine.sources.reading import data, encoded, put, read
from lakehouse_assets_tests.project import Project

MB = 1 << 20


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(Unreadable) as told:
        action()
    return str(told.value)


def of_text(text: str, number: int = 1) -> pa.Table:
    return pa.table({"a": pa.array([text] * number)})


def in_parquet(table: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    parquet.write_table(table, file, compression="zstd", **options)
    return file.getvalue()


def in_orc(table: pa.Table, compression: str = "zstd") -> bytes:
    file = io.BytesIO()
    orc.write_table(table, file, compression=compression)
    return file.getvalue()


def one_list(number: int) -> pa.Table:
    """A row whose list has so many numbers, all alike."""
    return pa.table({"a": pa.ListArray.from_arrays([0, number], pa.array(np.zeros(number, "i8")))})


LONG = of_text("x" * (9 * MB))
MANY = of_text("x" * (MB // 10), 91)
TOO_LARGE = {
    "a value": ("parquet", lambda: in_parquet(LONG, use_dictionary=False, write_statistics=False)),
    "values of one row group": ("parquet", lambda: in_parquet(MANY, use_dictionary=False)),
    "a list": ("parquet", lambda: in_parquet(one_list(1_200_000))),
    "a value of ORC": ("orc", lambda: in_orc(LONG)),
    "values of ORC": ("orc", lambda: in_orc(MANY, "zlib")),
    "a list of ORC": ("orc", lambda: in_orc(one_list(1_200_000), "snappy")),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_few_kilobytes_that_unpack_to_more_than_the_engine_holds_are_refused(tmp_path: Path, name: str) -> None:
    kind, made = TOO_LARGE[name]
    content = made()
    assert len(content) < 60_000
    why = refused(lambda: signature(str(put(tmp_path, "1", content)), kind, 8 * MB))  # type: ignore[arg-type]
    assert "and the Spark engine has room for 8,388,608; " in why
    assert "or give the engine more memory" in why


def test_files_that_unpack_to_many_times_their_size_as_honest_ones_do_are_not_refused(tmp_path: Path) -> None:
    zeros = pa.table({"a": pa.array(np.zeros(5_000_000, "i8")), "b": pa.array(["Norway"] * 5_000_000)})
    for kind, content in (("parquet", in_parquet(zeros)), ("orc", in_orc(zeros))):
        assert len(content) < 100_000
        assert signature(str(put(tmp_path, "1", content)), kind)  # type: ignore[arg-type]


def test_a_footer_that_says_two_things_of_its_rows_is_refused(tmp_path: Path) -> None:
    content = in_parquet(of_text("x", 300), use_dictionary=False)
    # The field num_rows of the whole comes before those of its row groups, as 300 in zigzag.
    at = content.rindex(b"PAR1", 0, -4) if b"PAR1" in content[4:-4] else content.index(b"\x16\xd8\x04")
    lied = content[:at] + b"\x16\xd6\x04" + content[at + 3 :]
    assert "rows, and 300 in its parts" in refused(lambda: signature(str(put(tmp_path, "1", lied)), "parquet"))


def number(value: int) -> bytes:
    """As Avro writes it."""
    value, parts = (value << 1) ^ (value >> 63), bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


MARK = b"0123456789abcdef"
STRING = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "string"}]}
NULLS = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "null"}]}


def in_avro(block: bytes, rows: int = 1, codec: str = "null", schema: object = STRING, mark: bytes = MARK) -> bytes:
    """A file of one block, which says that it has so many rows."""
    text = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    told = {b"avro.schema": text, b"avro.codec": codec.encode()}
    pairs = b"".join(number(len(part)) + part for pair in told.items() for part in pair)
    return b"Obj\x01" + number(len(told)) + pairs + b"\0" + MARK + number(rows) + number(len(block)) + block + mark


def packed(content: bytes, codec: str) -> bytes:
    match codec:
        case "deflate":
            return zlib.compress(content)[2:-4]
        case "snappy":
            return bytes(pa.compress(content, "snappy", asbytes=True)) + struct.pack(">I", zlib.crc32(content))
        case "zstandard":
            return bytes(pa.compress(content, "zstd", asbytes=True))
        case _:
            return {"bzip2": bz2.compress, "xz": lzma.compress}[codec](content)


CODECS = ("deflate", "snappy", "zstandard", "bzip2", "xz")
VALUE = number(9 * MB) + b"x" * (9 * MB)


@pytest.mark.parametrize("codec", CODECS)
def test_a_block_of_avro_that_unpacks_to_more_than_the_engine_holds_is_refused(tmp_path: Path, codec: str) -> None:
    path = put(tmp_path, "1", in_avro(packed(VALUE, codec), codec=codec))
    assert "write smaller blocks, or give the engine more memory" in refused(
        lambda: signature(str(path), "avro", 32 * MB)
    )
    put(tmp_path, "1", in_avro(packed(VALUE, codec)[:-9], codec=codec))
    refused(lambda: signature(str(path), "avro", 32 * MB))


DAMAGED_ORC = "truncated or damaged orc: bad read in RleDecoderV2::readByte; ask for it once more"
DAMAGED = {
    "no JSON": in_avro(number(1) + b"x", schema=b"{"),
    "nothing": in_avro(number(1) + b"x", schema=b""),
    "deep": in_avro(number(1) + b"x", schema=b"[" * 100_000),
    "long number": in_avro(number(1) + b"x", schema=b"9" * 100_000),
    "no schema": in_avro(number(1) + b"x", schema={"type": "record"}),
    "unknown type": in_avro(number(1) + b"x", schema={"type": "recrod", "name": "r"}),
    "itself": in_avro(number(1) + b"x", schema={**STRING, "fields": [{"name": "a", "type": "r"}]}),
    "unknown codec": in_avro(number(1) + b"x", codec="rar"),
    "another mark": in_avro(number(1) + b"x", mark=b"x" * 16),
    "cut": in_avro(number(1) + b"x")[:-3],
    "negative rows": in_avro(number(1) + b"x", rows=-5),
    "endless rows": in_avro(b"", rows=1 << 60, schema=NULLS),
    "long text": in_avro(number(1 << 40) + b"x"),
    "negative text": in_avro(number(-9) + b"x"),
    "more rows than there are": in_avro(number(1) + b"x", rows=9),
    "no text": in_avro(number(2) + b"\xff\xfe"),
    "number without an end": b"Obj\x01" + b"\xff" * 30,
    "negative pair": b"Obj\x01" + number(1) + number(-9),
    "pair of a terabyte": b"Obj\x01" + number(1) + number(1 << 40),
    "header alone": b"Obj\x01",
    "deep type": in_avro(b"\0", schema=b'{"type":"record","name":"r","fields":[{"name":"a","type":'
                         + b'{"type":"array","items":' * 900 + b'"int"' + b"}" * 901 + b"]}"),
    "odd decimal": in_avro(number(1) + b"x", schema={**STRING, "fields": [{"name": "a", "type": {
        "type": "bytes", "logicalType": "decimal", "precision": -1, "scale": 900}}]}),
}  # fmt: skip
READ_AS_IT_IS = {"odd decimal", "deep type"}  # an unknown logical type is ignored, by the specification


def test_damaged_avro_fails_each_file_with_a_reason_and_those_beside_it_are_read(project: Project) -> None:
    project.bronze("orders", "format='avro'")
    for name, content in DAMAGED.items():
        project.land(f"orders/{name}", content)
    project.land("orders/good", encoded(["good"], "avro"))
    for codec in CODECS:
        project.land(f"orders/{codec}", in_avro(packed(number(len(codec)) + codec.encode(), codec), codec=codec))
    project.run("bronze.orders")
    ended = outcomes(project)
    assert {name for name, (status, _) in ended.items() if status == "done"} - READ_AS_IT_IS == {"good", *CODECS}
    assert all(why and "\n" not in why for status, why in ended.values() if status == "failed")
    assert {row[0] for row in project.rows("bronze.orders", "a")} >= {"good", *CODECS}


def outcomes(project: Project) -> dict[str, tuple[str, str | None]]:
    from lakehouse_assets.engine.sources.arrivals.ledger import Ledger

    entries = Ledger(project.lake.arrivals("shop.bronze.orders")).entries()
    return {Path(e.path).name: (e.status, e.error) for e in entries}


def test_what_ends_the_reader_of_a_file_fails_that_file_alone(monkeypatch, tmp_path: Path) -> None:
    dying = "from lakehouse_assets.engine.sources.formats import converted as c; import os; whole = c._table; "
    dying += "c._table = lambda file, *of: os.abort() if 'bad' in str(file.name) else whole(file, *of); c.main()"
    monkeypatch.setattr(converted, "_CHILD", dying)
    for name in ("1", "2 bad", "3", "4 bad", "5"):
        put(tmp_path, name, encoded([name], "orc"))
    ended = {Path(f.path).name: found for f, found in convert(list_arrivals(files("*"), str(tmp_path)), "orc")}
    assert {name: found if isinstance(found, str) else found.to_pylist() for name, found in ended.items()} == {
        **{name: [{"a": name}] for name in "135"}, "2 bad": converted._CRASHED, "4 bad": converted._CRASHED,
    }  # fmt: skip


def test_orc_over_which_sparks_reader_goes_on_for_hours_fails_and_stops_no_other(
    project: Project, shared_data: Path
) -> None:
    with tarfile.open(shared_data / "messy" / "spark_sql_test-data.tar.gz") as tar:
        taken = tar.extractfile("test-data/before_1582_date_v2_4.snappy.orc")
        assert taken is not None
        content = taken.read()
    bad = project.land("orders/bad", content[:44] + b"\xff" * 4 + content[48:])  # a run of more days than there are
    project.land("orders/good", content)
    listed = list_arrivals(files("*"), str(Path(bad).parent))
    assert find_damaged(listed) == {bad: DAMAGED_ORC}
    project.bronze("orders", "format='orc'")
    project.run("bronze.orders")
    assert outcomes(project) == {"good": ("done", None), "bad": ("failed", DAMAGED_ORC)}


def test_a_file_that_spark_alone_refuses_leaves_those_with_its_schema_to_spark(project: Project, monkeypatch) -> None:
    monkeypatch.setattr(converted, "MOST", 0)  # so that what isn't read by Spark fails
    content = encoded(["x"], "orc")
    later = content.replace(b"\x22\x02\x00\x0c", b"\x22\x02\x00\x2c")  # version 0.12 becomes 0.44
    assert later != content
    project.bronze("orders", "format='orc'")
    for name, body in {"1 later": later, "2 good": content, "3 later": later, "4 good": content}.items():
        project.land(f"orders/{name}", body)
    project.run("bronze.orders")
    ended = outcomes(project)
    assert {name: status for name, (status, _) in ended.items()} == {
        "1 later": "failed", "2 good": "done", "3 later": "failed", "4 good": "done",
    }  # fmt: skip
    assert "future ORC version" in str(ended["1 later"][1])
    assert "future ORC version" in str(ended["3 later"][1])


def test_orc_that_arrow_alone_doesnt_read_is_left_to_spark(tmp_path: Path, monkeypatch) -> None:
    path = put(tmp_path, "1", encoded(["x"], "orc"))
    for error in (OSError("Can't open /usr/share/zoneinfo/Mars"), pa.ArrowNotImplementedError("LZX"), MemoryError()):
        monkeypatch.setattr(orc, "ORCFile", lambda _, error=error: raised(error))
        converted._check(str(path), tmp_path / "part")
        assert (tmp_path / "part").read_bytes() == b""


def raised(error: Exception) -> None:
    raise error


def test_a_document_among_lines_that_is_too_long_to_be_read_is_told_by_its_first_line(
    tmp_path: Path, monkeypatch
) -> None:
    path = str(put(tmp_path, "1", b"{\n" + b' "a": [1],\n' * 50 + b' "b": 2\n}'))
    assert not_lines(path, "UTF-8", none=True) == DOCUMENT
    monkeypatch.setattr("lakehouse_assets.engine.sources.formats.not_lines.LONGEST_LINE", 100)
    assert not_lines(path, "UTF-8", none=True) == TOO_LONG


PACKS = {"gz": gzip.compress, "bz2": bz2.compress}


@pytest.mark.parametrize("end", PACKS)
@pytest.mark.parametrize("kind", ["csv", "jsonl", "json"])
def test_the_limits_on_what_is_packed_and_on_endless_lines_hold_for_each_text(
    spark, tmp_path: Path, monkeypatch, kind, end
) -> None:
    monkeypatch.setattr(text_head, "UNPACKED_ANYWAY", 1 << 20)
    monkeypatch.setattr(text_head, "LONGEST_LINE", 1 << 21)
    row = {"csv": b"1\n", "jsonl": b'{"a": "1"}\n', "json": b" \n"}[kind]
    whole = {"csv": b"a\n1\n", "jsonl": row, "json": b'{"a": "1"}'}[kind]
    put(tmp_path, f"bomb.{end}", PACKS[end](whole + row * (3 * MB // len(row))))
    put(tmp_path, "endless", whole.strip().removesuffix(b"}") + (b"\n" if kind == "json" else b"\t") * (3 << 20))
    put(tmp_path, "good", whole)
    reading = read(spark, tmp_path, files("*", kind))
    assert data(reading) == [{"a": "1"}]
    failed = {Path(path).name: why for path, why in reading.failed.items()}
    assert "times its size; land it unpacked" in failed[f"bomb.{end}"]
    assert "2,097,152 characters" in failed["endless"]


def test_json_that_python_or_spark_gives_up_on_is_kept_as_text_or_fails_its_file(project: Project) -> None:
    project.bronze("orders", "format='jsonl'")
    lines = {
        "deep": '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "open": '{"a": ' + "[" * 100_000,
        "digits": '{"a": ' + "9" * 5_000 + "}", "exponent": '{"a": 1e999999999}', "key": '{"' + "k" * 100_000 + '": 1}',
        "twice": '{"a": 1, "a": 2}', "half": '{"a": "\\ud800", "\\udfff": 1}', 
        "fraction": '{"a": 0.' + "1" * 9_000 + "}",
    }  # fmt: skip
    for name, line in lines.items():
        project.land(f"orders/{name}", f'{{"a": "good"}}\n{line}\n')
        project.land(f"orders/{name} alone", f"{line}\n")
    project.run("bronze.orders")
    ended = outcomes(project)
    assert {status for name, (status, _) in ended.items() if "alone" not in name} == {"done"}
    assert all(why and "\n" not in why for status, why in ended.values() if status == "failed")
    found = project.log("bronze.orders").table.to_pandas()
    assert (found["a"] == "good").sum() == len(lines)
    assert (found["a"] == "1e999999999").any()
    for name in ("deep", "open", "digits", "fraction"):
        (row,) = found[found["_source"].str.endswith(f"/{name}") & (found["a"] != "good")].to_dict("records")
        kept = json.loads(row["_rescued"])["_unparsed"] if row["_rescued"] else f'{{"a": {row["a"]}}}'
        assert kept == lines[name]


@pytest.mark.parametrize("size", ["whole", "cut"])
@pytest.mark.parametrize("options", [{}, {"escape": "\\"}, {"multiline": True}])
def test_a_header_of_doubled_quotes_takes_time_by_its_length(tmp_path: Path, options, size) -> None:
    pair = options.get("escape", '"') + '"'

    def look(number: int) -> None:
        end = '",b\n1,2\n' if size == "whole" else ""
        (file,) = list_arrivals(files("*"), str(put(tmp_path, "1", '"' + pair * number + end).parent))
        if size == "whole":
            read_head(file, Csv(**options))
        else:
            refused(lambda: read_head(file, Csv(**options)))

    look(1000)
    once, four_times = seconds(lambda: look(1 << 18)), seconds(lambda: look(1 << 20))
    assert four_times < 8 * max(once, 0.05)  # by the square it takes 16 times as long


@pytest.mark.parametrize("text", ["a" * 8_000_000, "\n" * 8_000_000 + "a,b", " " * 8_000_000 + "\na,b\n1,2\n"])
def test_no_beginning_of_a_file_takes_time_by_its_square(tmp_path: Path, text: str) -> None:
    (file,) = list_arrivals(files("*"), str(put(tmp_path, "1", text).parent))
    assert seconds(lambda: read_head(file, Csv())) < 4
    assert seconds(lambda: is_blank(file, JsonLines())) < 4
    assert seconds(lambda: not_lines(file.path, "UTF-8", none=True)) < 4


@pytest.fixture(scope="module")
def small_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkResource]:
    """An engine of 1 GB, which a value of 128 MB is too much for."""
    cache = tmp_path_factory.mktemp("engine")
    (cache / "jars").symlink_to(read_settings().cache / "jars")
    engine = SparkResource(memory="1g", cores=2, idle_minutes=5, cache=str(cache))
    yield engine
    spark_server.release(engine.server_settings)
    spark_server.stop(engine.server_settings)


def test_a_value_that_no_footer_tells_of_fails_its_file_and_the_engine_lives(
    small_engine: SparkResource, tmp_path: Path
) -> None:
    spark, source = small_engine.session(), files("*", "parquet")
    before = spark_server.running(small_engine.server_settings)
    rows = pa.table({"a": pa.array(["x" * (160 * MB), *[""] * 200_000])})
    put(tmp_path, "bomb", in_parquet(rows, use_dictionary=False, write_statistics=False))
    put(tmp_path, "good", in_parquet(of_text("x")))
    found = find_unreadable(spark, source, list_arrivals(source, str(tmp_path)), {}, ())
    assert {Path(path).name for path in found} == {"bomb"}
    assert "it takes more memory than the engine has" in found[str(tmp_path / "bomb")]
    assert spark.range(3).count() == 3
    assert spark_server.running(small_engine.server_settings) == before
