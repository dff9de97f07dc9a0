"""Files that keep types of which Spark can't read some: converted here, each column exactly or to text.

Spark refuses a file for one such column: times of day, UUIDs, half floats, decimals of more than 38 digits, names that
differ in case only, ORC's timestamps with a zone, Avro's records within themselves.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

from lakehouse_assets.engine.sources.conform import Group, column, simple_type
from lakehouse_assets.engine.sources.contents import Unreadable
from lakehouse_assets.engine.sources.headers import open_raw
from lakehouse_assets.engine.sources.naming import FORBIDDEN, clean_header

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

    from lakehouse_assets.engine.inputs import Files, Format
    from lakehouse_assets.engine.sources.listing import Arrival

# What is held here and in the engine at once, several times over.
MOST = 256 * 1024 * 1024


def read_converted(spark: SparkSession, source: Files, file: Arrival) -> Group:
    """The rows of a file that Spark can't read.

    Raises:
        Unreadable: it can't be converted either, or is too large for that.
    """
    import pyarrow as pa
    from pyspark.sql import functions as F

    try:
        with open_raw(file.path) as opened:
            table = _table(opened, source.format)
        names = clean_header(table.column_names)
        held = pa.Table.from_arrays([_held(values) for values in table.columns], names=list(names))
    except (OSError, ValueError, TypeError, OverflowError, pa.ArrowException) as e:
        raise Unreadable(f"nor can it be converted: {e}; write that column as text") from e
    df = spark.createDataFrame(held)
    local = {field.name for field in held.schema if pa.types.is_timestamp(field.type) and field.type.tz is None}
    columns = [column(n).cast("timestamp_ntz").alias(n) if n in local else column(n) for n in names]
    df = df.select(*columns, F.lit(file.path).alias("_source"))
    kinds = {field.name: simple_type(field.dataType) for field in df.schema.fields}
    return Group(df, {n: (column(n), kinds[n]) for n in names})


def _table(file: IO[bytes], kind: Format) -> pa.Table:
    from pyarrow import orc, parquet

    if kind == "avro":
        return _records(file)
    if kind == "orc":
        _refuse_large(file.seek(0, 2))
        return orc.ORCFile(file).read()
    found = parquet.ParquetFile(file)
    _refuse_large(sum(found.metadata.row_group(n).total_byte_size for n in range(found.num_row_groups)))
    return found.read()


def _refuse_large(size: int) -> None:
    if size > MOST:
        raise ValueError(f"it has {size:,} bytes, and {MOST:,} is the most")


def _records(file: IO[bytes]) -> pa.Table:
    """The records of an Avro file; a column whose values have no one type is text."""
    import fastavro
    import pyarrow as pa

    _refuse_large(file.seek(0, 2))
    file.seek(0)
    reader = fastavro.reader(file)
    schema = reader.writer_schema
    rows: list[Any] = list(reader)
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
        return all(not FORBIDDEN.search(field.name) and _is_sparks(field.type) for field in kind)
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
