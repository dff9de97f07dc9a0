"""Parquet, ORC and Avro: files whose own footer or header has the same schema are read together, and keep types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from lakehouse_assets.engine.sources.conform import Group, column, simple_type, source_path
from lakehouse_assets.engine.sources.contents import START, Unreadable, other_than
from lakehouse_assets.engine.sources.headers import open_raw
from lakehouse_assets.engine.sources.naming import clean_header
from lakehouse_assets.engine.sources.opening import load

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

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
        pyspark.errors.AnalysisException: Spark can't make sense of the schema, as with names that differ in case only.
    """
    # Of one file, as they're alike: what Spark lists for it is as old as this when the rows are read.
    schema = load(spark.read, source.format, files[:1]).schema
    df = load(spark.read.schema(schema), source.format, files)
    names = clean_header(schema.names)
    kinds = [simple_type(f.dataType) for f in schema.fields]
    renamed = [column(f).alias(n) for f, n in zip(schema.names, names, strict=True)]
    read = df.select(*renamed, source_path(df))
    return Group(read, {n: (column(n), kind) for n, kind in zip(names, kinds, strict=True)})
