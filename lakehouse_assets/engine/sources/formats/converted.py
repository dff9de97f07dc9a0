"""Files that keep types, read without Spark by a process of their own: converted, or looked at to their ends.

Converted is what Spark can't read some types of, each column exactly or to text.
Spark refuses a file for one such column: times of day, UUIDs, half floats, decimals of more than 38 digits, names that
differ in case only, ORC's timestamps with a zone, Avro's records within themselves.
"""

from __future__ import annotations

import base64
import json
import lzma
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any

from lakehouse_assets.engine.sources.first_look.text_head import open_raw
from lakehouse_assets.engine.sources.formats.column_names import clean_header, fit
from lakehouse_assets.engine.sources.formats.rescue import Group, column, simple_type

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

    from lakehouse_assets.engine.sources.arrivals.listing import Arrival
    from lakehouse_assets.engine.spec.formats import FormatName

# What is held here and in the engine at once, several times over.
MOST = 256 * 1024 * 1024
_LEAST = 8  # bytes that a row of Avro takes here, even one of nulls alone
_SHOWN = 300
_CHILD = "from lakehouse_assets.engine.sources.formats.converted import main; main()"
_MEMORY = 16 * 1024 * 1024 * 1024  # of addresses, of which Arrow reserves more than it uses
_SECONDS = 300
_CRASHED = "its reader crashed, or wasn't done with it in five minutes, as it's damaged; ask for it once more"


def convert(files: Sequence[Arrival], kind: FormatName) -> Iterator[tuple[Arrival, pa.Table | str]]:
    """Each of the files as a table of what Spark has types for, or the reason why it can't be one."""
    for file, content in _apart("convert", files, kind):
        yield file, _CRASHED if content is None else _found(content)


def find_damaged(files: Sequence[Arrival]) -> dict[str, str]:
    """Path → reason, for the ORC files that can't be read to their ends.

    Spark's reader of ORC goes on for hours where a run of numbers ends too early, and can't be interrupted. Arrow's,
    which reads 300 MB a second, stops there.
    """
    ended = {file.path: content for file, content in _apart("check", files, "orc") if content != b""}
    return {path: _CRASHED if content is None else content[1:].decode() for path, content in ended.items()}


def _apart(task: str, files: Sequence[Arrival], kind: FormatName) -> Iterator[tuple[Arrival, bytes | None]]:
    """What a process of its own makes of each of the files; None where it ended over it.

    The readers of ORC and Avro end their process over some damaged files.
    """
    with TemporaryDirectory() as folder:
        left = {f"{folder}/{n}": file for n, file in enumerate(files)}
        while left:
            asked = json.dumps([task, kind, MOST, {out: file.path for out, file in left.items()}])
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            subprocess.run([sys.executable, "-c", _CHILD], input=asked, text=True, env=environment, capture_output=True)
            for out in [out for out in left if Path(out).exists()]:
                content = Path(out).read_bytes()
                Path(out).unlink()
                yield left.pop(out), content
            if left:
                yield left.pop(next(iter(left))), None


def _found(content: bytes) -> pa.Table | str:
    import pyarrow as pa

    return content[1:].decode() if content.startswith(b"!") else pa.ipc.open_file(content).read_all()


def main() -> None:
    """Convert or check the files that stdin names, one after the other, until one ends the process."""
    import resource
    import signal

    task, kind, most, paths = json.load(sys.stdin)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    for out, path in paths.items():
        signal.alarm(_SECONDS)
        part = Path(f"{out}.part")
        if task == "check":
            _check(path, part)
        else:
            _convert(path, kind, most, part)
        part.rename(out)


def _check(path: str, part: Path) -> None:
    """Read an ORC file to its end, and say what is wrong with it; what Arrow only doesn't know is for Spark to read."""
    import pyarrow as pa
    from pyarrow import orc

    part.touch()
    try:
        with open_raw(path) as opened:
            found = orc.ORCFile(opened)
            for stripe in range(found.nstripes):
                found.read_stripe(stripe)
    except (pa.ArrowException, MemoryError):
        return
    except OSError as e:
        if "zoneinfo" not in str(e):  # of a machine without the table of time zones
            why = str(e).partition("\n")[0][:_SHOWN]
            part.write_bytes(f"!truncated or damaged orc: {why}; ask for it once more".encode(errors="replace"))


def _convert(path: str, kind: FormatName, most: int, part: Path) -> None:
    import pyarrow as pa

    try:
        with open_raw(path) as opened:
            table = _table(opened, kind, most)
        table.validate(full=True)
        held = pa.Table.from_arrays([_held(v) for v in table.columns], names=list(clean_header(table.column_names)))
        with pa.OSFile(str(part), "wb") as file, pa.ipc.new_file(file, held.schema) as writer:
            writer.write_table(held)
    except (*_raised(), pa.ArrowException) as e:
        why = str(e).partition("\n")[0][:_SHOWN] or type(e).__name__
        part.write_bytes(f"!nor can it be converted: {why}; write that column as text".encode(errors="replace"))


def read_converted(spark: SparkSession, file: Arrival, table: pa.Table) -> Group:
    """The rows of a file that Spark can't read."""
    import pyarrow as pa
    from pyspark.sql import functions as F

    df, names = spark.createDataFrame(table), table.column_names
    local = {field.name for field in table.schema if pa.types.is_timestamp(field.type) and field.type.tz is None}
    columns = [column(n).cast("timestamp_ntz").alias(n) if n in local else column(n) for n in names]
    df = df.select(*columns, F.lit(file.path).alias("_source"))
    kinds = {field.name: simple_type(field.dataType) for field in df.schema.fields}
    return Group(df, {n: (column(n), kinds[n]) for n in names})


def _raised() -> tuple[type[Exception], ...]:
    """What fastavro raises of a damaged file or an odd schema: its own errors, and those of what it's made of."""
    from fastavro.read import SchemaResolutionError
    from fastavro.schema import SchemaParseException

    of_python = (ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError,
                 RuntimeError, TypeError, ValueError, struct.error, zlib.error, lzma.LZMAError)  # fmt: skip
    return (*of_python, SchemaParseException, SchemaResolutionError)


def _table(file: IO[bytes], kind: FormatName, most: int) -> pa.Table:
    from pyarrow import orc, parquet

    if kind == "avro":
        return _records(file, most)
    if kind == "orc":
        _refuse_large(file.seek(0, 2), most)
        return orc.ORCFile(file).read()
    found = parquet.ParquetFile(file)
    _refuse_large(sum(found.metadata.row_group(n).total_byte_size for n in range(found.num_row_groups)), most)
    return found.read()


def _refuse_large(size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"it has {size:,} bytes, and {most:,} is the most")


def _records(file: IO[bytes], most: int) -> pa.Table:
    """The records of an Avro file; a column whose values have no one type is text."""
    import fastavro
    import pyarrow as pa

    file.seek(0)
    blocks: Any = fastavro.block_reader(file)
    schema = blocks.writer_schema
    rows: list[Any] = []
    size = 0
    for block in blocks:
        size += len(block.bytes_.getbuffer()) + _LEAST * block.num_records
        _refuse_large(size, most)
        rows += block
    names = [field["name"] for field in schema["fields"]] if isinstance(schema, dict) else []
    columns = []
    for name in names:
        values = [row[name] for row in rows]
        try:
            columns.append(pa.chunked_array([pa.array(values)]))
        except (pa.ArrowException, OverflowError):
            columns.append(_texts(values))
    return pa.Table.from_arrays(columns, names=names)


def _held(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values in a type that Spark has and that says all of them, or else as text."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        return _held(values.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        try:
            return values.cast(pa.timestamp("us", kind.tz))
        except pa.ArrowInvalid:
            return values.cast(pa.string())
    nearest = {
        pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.uint64(): pa.decimal128(20),
        pa.float16(): pa.float32(), pa.null(): pa.string(), pa.date64(): pa.date32(), pa.large_string(): pa.string(),
        pa.large_binary(): pa.binary(),
    }.get(kind, pa.binary() if pa.types.is_fixed_size_binary(kind) else kind)  # fmt: skip
    if pa.types.is_duration(kind):
        nearest = pa.int64()
    if _is_sparks(nearest):
        return values.cast(nearest)
    nested = pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType) or pa.types.is_union(kind)
    return _texts(values.to_pylist()) if nested else values.cast(pa.string())


def _is_sparks(kind: pa.DataType) -> bool:
    import pyarrow as pa

    of = pa.types
    if of.is_struct(kind):
        return fit([field.name for field in kind]) and all(_is_sparks(field.type) for field in kind)
    if of.is_map(kind):
        return _is_sparks(kind.key_type) and _is_sparks(kind.item_type)
    if of.is_list(kind):
        return _is_sparks(kind.value_type)
    plain = (of.is_boolean, of.is_signed_integer, of.is_float32, of.is_float64, of.is_string, of.is_binary,
             of.is_date32, of.is_decimal128)  # fmt: skip
    return any(is_one(kind) for is_one in plain) or (of.is_timestamp(kind) and kind.unit == "us")


def _texts(values: Sequence[Any]) -> pa.ChunkedArray:
    import pyarrow as pa

    return pa.chunked_array([pa.array([None if v is None else _text(v) for v in values], pa.string())])


def _text(value: Any) -> str:
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=_text)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
