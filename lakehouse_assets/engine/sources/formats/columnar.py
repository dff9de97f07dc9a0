"""Parquet, ORC and Avro: files whose own footer or header has the same schema are read together, and keep types."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import partial, reduce
from operator import and_
from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake.capabilities import capabilities
from lakehouse_assets.engine.sources.first_look.avro_blocks import avro_schema
from lakehouse_assets.engine.sources.first_look.contents import START, Unreadable, other_than
from lakehouse_assets.engine.sources.first_look.footers import MOST, orc_schema, parquet_schema
from lakehouse_assets.engine.sources.first_look.text_head import open_raw
from lakehouse_assets.engine.sources.formats.column_names import clean_header, fit
from lakehouse_assets.engine.sources.formats.open_version import load
from lakehouse_assets.engine.sources.formats.rescue import (
    DAYS,
    LAST_YEAR,
    Group,
    column,
    is_bounded,
    simple_type,
    source_path,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession
    from pyspark.sql.types import DataType, StructField

    from lakehouse_assets.engine.sources.arrivals.listing import Arrival
    from lakehouse_assets.engine.spec.formats import FormatName


def signature(path: str, kind: FormatName, most: int = MOST, *, whole: bool = True) -> str | None:
    """What two files have in common that may be read together: their schema; None for a file without rows.

    What is looked at is whether a batch of rows fits into `most` bytes of memory; of Avro, unless `whole`, that is told
    of the beginning alone.

    Raises:
        Unreadable: the file is gone, or isn't whole, or isn't of this kind, or takes more memory or time than there is.
    """
    import pyarrow as pa

    avro = partial(avro_schema, whole=whole)
    look = parquet_schema if kind == "parquet" else orc_schema if kind == "orc" else avro
    try:
        with open_raw(path) as file:
            if why := other_than(kind, file.read(START)):
                raise Unreadable(why)
            file.seek(0)
            return look(file, most)
    except FileNotFoundError as e:
        raise Unreadable("it's gone: removed or renamed after it was listed, or its name isn't valid UTF-8") from e
    except (OSError, EOFError, ValueError, zlib.error, pa.ArrowException) as e:
        raise Unreadable(f"not a whole {kind} file: {str(e).splitlines()[0] if str(e) else 'it ends too early'}") from e


def read_typed(spark: SparkSession, kind: FormatName, files: Sequence[Arrival]) -> Group:
    """The rows of files with the same schema; the names are cleaned, the spelling is the files'.

    Raises:
        PySparkException: Spark can't make sense of the schema, as with names that differ in case only.
    """
    # A timestamp of nanoseconds, as pandas writes it, is then a number; else Spark refuses the file.
    if capabilities(spark).settings:
        spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    # Of one file, as they're alike: what Spark lists for it is as old as this when the rows are read.
    schema = load(spark.read, kind, files[:1]).schema
    df = load(spark.read.schema(schema), kind, files)
    names = clean_header(schema.names)
    renamed = [column(f).alias(n) for f, n in zip(schema.names, names, strict=True)]
    columns = {n: _value(n, field) for n, field in zip(names, schema.fields, strict=True)}
    nanos = _nanoseconds(files[0].path) if kind == "parquet" else {}
    found = {n: nanos[f] for f, n in zip(schema.names, names, strict=True) if f in nanos}
    columns |= {n: (_microseconds(column(n), kind), kind) for n, kind in found.items()}
    read = df.select(*renamed, source_path(df)).where(_all_sound(dict(zip(names, schema.fields, strict=True))))
    return Group(read, columns, [(n, _finer(column(n))) for n in found])


def _all_sound(fields: Mapping[str, StructField]) -> Column:
    """A condition that is always true, or else ends the query: each text is UTF-8, each nested day one that is held.

    Spark reads and writes any bytes and any day, and most other readers then refuse all of the table. Days that aren't
    nested are rescued (see `conform`).
    """
    from pyspark.sql import functions as F

    nested = {name: field for name, field in fields.items() if simple_type(field.dataType) not in DAYS}
    found = {name: _sound(column(name), field.dataType) for name, field in nested.items()}
    told = {name: _surely(sound) for name, sound in found.items() if sound is not None}
    if not told:
        return F.lit(True)
    # In an array, as an expression a thousand levels deep is more than Spark's planner takes.
    at = F.array_position(F.array(*told.values()), F.lit(False)).cast("int")
    name = F.element_at(F.array(*[F.lit(name[:60]) for name in told]), at)
    why = F.lit(f"text that is not valid UTF-8, or a day beyond the year {LAST_YEAR:,}, in column ")
    stop = F.raise_error(F.concat(why, name, F.lit(": "), F.col("_source"))).cast("boolean")
    return F.when(at == 0, F.lit(True)).otherwise(stop)


def _sound(value: Column, kind: DataType) -> Column | None:
    """Whether other readers can hold all of a value; None if its type has nothing that they might not."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import ArrayType, MapType, StringType, StructType

    parts: list[Column | None] = []
    match kind:
        case StringType():
            parts = [F.is_valid_utf8(value)]
        case ArrayType():
            if _sound(value, kind.elementType) is not None:
                parts = [F.forall(value, lambda item: _surely(_sound(item, kind.elementType)))]
        case MapType():
            inside = ((F.map_keys(value), kind.keyType), (F.map_values(value), kind.valueType))
            parts = [_sound(items, ArrayType(of)) for items, of in inside]
        case StructType():
            parts = [_sound(value.getField(field.name), field.dataType) for field in kind.fields]
        case _ if simple_type(kind) in DAYS:
            parts = [is_bounded(value)]
    found = [_surely(part) for part in parts if part is not None]
    return reduce(and_, found) if found else None


def _surely(sound: Column | None) -> Column:
    """What is null has nothing wrong."""
    from pyspark.sql import functions as F

    return F.lit(True) if sound is None else F.coalesce(sound, F.lit(True))


def _value(name: str, field: StructField) -> tuple[Column, str]:
    from pyspark.sql import functions as F

    if _has_forbidden_names(field.dataType):  # which Delta would refuse all of the rows for
        return F.to_json(column(name)), "string"
    return column(name), simple_type(field.dataType)


def _has_forbidden_names(kind: DataType) -> bool:
    from pyspark.sql.types import ArrayType, MapType, StructType

    match kind:
        case StructType():
            return not fit(kind.fieldNames()) or any(_has_forbidden_names(f.dataType) for f in kind.fields)
        case ArrayType():
            return _has_forbidden_names(kind.elementType)
        case MapType():
            return _has_forbidden_names(kind.keyType) or _has_forbidden_names(kind.valueType)
    return False


def _nanoseconds(path: str) -> dict[str, str]:
    """The columns of a Parquet file that are timestamps of nanoseconds, with the type of Spark's that's nearest."""
    import json

    import pyarrow as pa
    from pyarrow import parquet

    try:
        with open_raw(path) as file:
            schema = parquet.ParquetFile(file).schema
            leaves = [schema.column(n) for n in range(len(schema))]
    except (OSError, pa.ArrowException):  # it was whole a moment ago: the query ends as for any file that has changed
        return {}
    told = {leaf.path: json.loads(leaf.logical_type.to_json()) for leaf in leaves}
    finest = {name: kind for name, kind in told.items() if kind.get("timeUnit") == "nanoseconds"}
    stamps = {name: kind for name, kind in finest.items() if kind["Type"] == "Timestamp"}
    return {name: "timestamp" if kind["isAdjustedToUTC"] else "timestamp_ntz" for name, kind in stamps.items()}


def _microseconds(nanos: Column, kind: str) -> Column:
    """A number of nanoseconds as a timestamp; null where that isn't a whole microsecond."""
    from pyspark.sql import functions as F

    whole = F.when(nanos % 1000 == 0, F.call_function("div", nanos, F.lit(1000)))
    if kind == "timestamp":
        return F.timestamp_micros(whole)
    return F.timestamp_add("MICROSECOND", whole, F.lit("1970-01-01").cast("timestamp_ntz"))


def _finer(nanos: Column) -> Column:
    """The text, in UTC, of a number of nanoseconds that isn't a whole microsecond."""
    from pyspark.sql import functions as F

    rest = F.pmod(nanos, F.lit(1_000_000_000))
    second = F.call_function("div", nanos - rest, F.lit(1_000_000_000))
    time = F.timestamp_add("SECOND", second, F.lit("1970-01-01").cast("timestamp_ntz")).cast("string")
    return F.when(nanos % 1000 != 0, F.concat(time, F.lit("."), F.lpad(rest.cast("string"), 9, "0")))
