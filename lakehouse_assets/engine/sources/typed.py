"""Parquet, ORC and Avro: files whose own footer or header has the same schema are read together, and keep types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from lakehouse_assets.engine.sources.conform import Group, column, simple_type, source_path
from lakehouse_assets.engine.sources.contents import START, Unreadable, other_than
from lakehouse_assets.engine.sources.headers import open_raw
from lakehouse_assets.engine.sources.naming import FORBIDDEN, clean_header
from lakehouse_assets.engine.sources.opening import load

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession
    from pyspark.sql.types import DataType, StructField

    from lakehouse_assets.engine.inputs import Files, Format
    from lakehouse_assets.engine.sources.listing import Arrival


def signature(path: str, kind: Format) -> str | None:
    """What two files have in common that may be read together: their schema; None for a file without rows.

    Raises:
        Unreadable: the file is gone, or isn't whole, or isn't of this kind.
    """
    import pyarrow as pa

    try:
        with open_raw(path) as file:
            if why := other_than(kind, file.read(START)):
                raise Unreadable(why)
            file.seek(0)
            return {"parquet": _parquet, "orc": _orc, "avro": _avro}[kind](file)
    except FileNotFoundError as e:
        raise Unreadable("it's gone: removed or renamed after it was listed, or its name isn't valid UTF-8") from e
    except (OSError, EOFError, ValueError, pa.ArrowException) as e:
        raise Unreadable(f"not a whole {kind} file: {str(e).splitlines()[0] if str(e) else 'it ends too early'}") from e


def _parquet(file: IO[bytes]) -> str | None:
    from pyarrow import parquet

    found = parquet.ParquetFile(file)
    # The Parquet schema, not Arrow's view of it: Spark goes by its annotations, such as the unit of a timestamp.
    # Its first line names the Python object.
    return str(found.schema).partition("\n")[2] if found.metadata.num_rows else None


def _orc(file: IO[bytes]) -> str | None:
    from pyarrow import orc

    found = orc.ORCFile(file)
    return str(found.schema) if found.nrows else None


def _avro(file: IO[bytes]) -> str | None:
    import json

    import fastavro

    found = fastavro.block_reader(file)
    return json.dumps(found.writer_schema, sort_keys=True) if next(found, None) else None


def read_typed(spark: SparkSession, source: Files, files: Sequence[Arrival]) -> Group:
    """The rows of files with the same schema; the names are cleaned, the spelling is the files'.

    Raises:
        PySparkException: Spark can't make sense of the schema, as with names that differ in case only.
    """
    # A timestamp of nanoseconds, as pandas writes it, is then a number; else Spark refuses the file.
    spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    # Of one file, as they're alike: what Spark lists for it is as old as this when the rows are read.
    schema = load(spark.read, source.format, files[:1]).schema
    df = load(spark.read.schema(schema), source.format, files)
    names = clean_header(schema.names)
    renamed = [column(f).alias(n) for f, n in zip(schema.names, names, strict=True)]
    columns = {n: _value(n, field) for n, field in zip(names, schema.fields, strict=True)}
    nanos = _nanoseconds(files[0].path) if source.format == "parquet" else {}
    found = {n: nanos[f] for f, n in zip(schema.names, names, strict=True) if f in nanos}
    columns |= {n: (_microseconds(column(n), kind), kind) for n, kind in found.items()}
    return Group(df.select(*renamed, source_path(df)), columns, [(n, _finer(column(n))) for n in found])


def _value(name: str, field: StructField) -> tuple[Column, str]:
    from pyspark.sql import functions as F

    if _has_forbidden_names(field.dataType):  # which Delta would refuse all of the rows for
        return F.to_json(column(name)), "string"
    return column(name), simple_type(field.dataType)


def _has_forbidden_names(kind: DataType) -> bool:
    from pyspark.sql.types import ArrayType, MapType, StructType

    match kind:
        case StructType():
            return any(FORBIDDEN.search(f.name) or _has_forbidden_names(f.dataType) for f in kind.fields)
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
