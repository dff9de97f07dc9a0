"""What files are read as, and how their ledger says they ended, for tests to look at."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
from pyarrow import orc, parquet
from pyspark.sql import SparkSession

from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.sources.arrivals.listing import list_arrivals
from lakehouse_assets.engine.sources.formats.reader import Reading, find_unreadable, read_files
from lakehouse_assets.engine.spec.columns import Column
from lakehouse_assets.engine.spec.formats import FormatName
from lakehouse_assets.engine.spec.inputs import Files
from lakehouse_assets_tests.project import Project

Row = dict[str, Any]


FORMATS: tuple[FormatName, ...] = ("csv", "jsonl", "json", "parquet", "orc", "avro")


def encoded(texts: list[str], kind: FormatName) -> bytes:
    """A file of a format, with a row for each text in its column `a`."""
    rows, file = [{"a": text} for text in texts], io.BytesIO()
    match kind:
        case "csv":
            return "\n".join(["a", *texts, ""]).encode()
        case "jsonl":
            return "".join(json.dumps(row) + "\n" for row in rows).encode()
        case "json":
            return json.dumps(rows).encode()
        case "parquet":
            parquet.write_table(pa.Table.from_pylist(rows), file)
        case "orc":
            orc.write_table(pa.Table.from_pylist(rows), file)
        case "avro":
            schema = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "string"}]}
            fastavro.writer(file, schema, rows)
    return file.getvalue()


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(
    spark: SparkSession, folder: Path, source: Files, known: Mapping[str, str] | None = None, *columns: Column
) -> Reading:
    return read_files(spark, source, list_arrivals(source, str(folder)), known or {}, columns)


def rows(reading: Reading) -> list[Row]:
    """The rows as dicts, `_rescued` parsed, `_source` cut to the file's name."""
    assert reading.df is not None
    found = [row.asDict() for row in reading.df.collect()]
    for row in found:
        row["_source"] = Path(row["_source"]).name
        row["_rescued"] = row["_rescued"] and json.loads(row["_rescued"])
    return sorted(found, key=lambda r: (r["_source"], [str(v) for v in r.values()]))


def data(reading: Reading) -> list[Row]:
    return [{k: v for k, v in row.items() if k not in ("_rescued", "_source")} for row in rows(reading)]


def bad(spark: SparkSession, folder: Path, source: Files) -> dict[str, str]:
    found = find_unreadable(spark, source, list_arrivals(source, str(folder)), {}, ())
    return {Path(p).name: why for p, why in found.items()}


def ledger(shop: Project) -> list[tuple[str, str, int | None]]:
    """The files of `bronze.orders` by name: how each version ended, and its rows."""
    entries = Ledger(shop.lake.arrivals("shop.bronze.orders")).entries()
    return sorted((Path(e.path).name, e.status, e.rows) for e in entries)
