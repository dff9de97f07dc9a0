"""CSV and its kin: files of one header are read together, by position, every cell a string."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING

from lakehouse_assets.engine.sources.first_look.text_head import Head
from lakehouse_assets.engine.sources.formats.column_names import Target, clean_header
from lakehouse_assets.engine.sources.formats.open_version import allow_encoding, load
from lakehouse_assets.engine.sources.formats.rescue import Group, given_back, source_path
from lakehouse_assets.engine.spec.encodings import is_wide, java_encoding

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from lakehouse_assets.engine.sources.arrivals.listing import Arrival
    from lakehouse_assets.engine.spec.formats import Csv

LOST = "\ufffd"  # what decoding puts in place of bytes that aren't valid in the encoding
# A scalar type that a column of text is read as, and what all its cells look like. Leading zeros stay text: they are
# codes, and a number would lose them. So do more than the 15 digits that a double always gives back, more than the six
# of a fraction of a second, and hours of another zone.
PATTERNS = {
    "bigint": r"^[+-]?(0|[1-9]\d{0,18})$",
    "double": r"^(?![+-]?[0.]*+(\.?\d){16})[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?$",
    "boolean": r"^(?i:true|false)$",
    "date": r"^\d{4}-\d{2}-\d{2}$",
    "timestamp": r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6}0*)?)?(Z|[+]00:?00)?$",
}


def header_of(head: Head, dialect: Csv, declared: Sequence[str]) -> tuple[str, ...]:
    """The names of a file's columns; without a header, the declared ones by position, then `_c<position>`."""
    if dialect.header:
        return clean_header(head.cells)
    return tuple(declared[i] if i < len(declared) else f"_c{i}" for i in range(len(head.cells)))


def other_delimiter(head: Head, dialect: Csv) -> str:
    """The end of a message about a header of one cell, where that looks like several."""
    one = head.cells[0] if len(head.cells) == 1 else ""
    found = next((d for d in ";\t|," if d in one and d != dialect.delimiter), None)
    return f"; its header is one cell {one[:60]!r}: declare delimiter={found!r}" if found else ""


def read_delimited(
    spark: SparkSession, dialect: Csv, files: Sequence[Arrival], names: Sequence[str], head: Head
) -> Group:
    """The rows of files with the same header; `names` are the table's names of their columns, by position."""
    from pyspark.sql import functions as F

    allow_encoding(spark, dialect.encoding)
    schema = ", ".join([*(f"c{i} string" for i in range(len(names))), "_corrupt string"])
    df = load(spark.read.schema(schema).options(**_options(dialect, head, len(names))), "csv", files)
    cells = [F.col(f"c{i}") for i in range(len(names))]
    df = df.select(*cells, "_corrupt", source_path(df))
    df = df if head.verified else df.where(decoded([*cells, F.col("_corrupt")], dialect.encoding))
    values = {name: (_null(cell, dialect.nulls), "string") for name, cell in zip(names, cells, strict=True)}
    return Group(df, values, rescued=[("_corrupt", F.col("_corrupt"))])


def _options(dialect: Csv, head: Head, width: int) -> dict[str, str]:
    multiline = dialect.multiline or head.several_lines or is_wide(dialect.encoding)
    # Left to itself, the parser takes the first line break it sees, which may be inside a quoted cell.
    line_break = {"lineSep": head.line_break} if multiline else {}
    return {
        **line_break,
        "sep": dialect.delimiter.replace("\\", "\\\\"),
        "quote": dialect.quote,
        "escape": dialect.escape,
        "encoding": java_encoding(dialect.encoding),
        "header": str(dialect.header).lower(),
        "multiLine": str(multiline).lower(),
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": "_corrupt",
        "maxColumns": str(max(20_480, 2 * width)),
    }


def decoded(cells: Sequence[Column], encoding: str) -> Column:
    """A condition that is always true, or else ends the query: no cell has a trace of bytes that were not text."""
    from pyspark.sql import functions as F

    message = F.concat(F.lit("not valid " + encoding + ": "), F.col("_source"))
    broken = F.instr(F.concat_ws("", *cells), LOST) > 0
    return F.when(broken, F.raise_error(message).cast("boolean")).otherwise(F.lit(True))


def _null(cell: Column, nulls: Sequence[str]) -> Column:
    """A cell, null if it's one of the markers. Spark has read an empty one as null already."""
    from pyspark.sql import functions as F

    others = [n for n in nulls if n]
    value = F.when(~cell.isin(others), cell) if others else cell
    if "" in nulls:
        return value
    return F.when(cell.isNull() & F.col("_corrupt").isNull(), F.lit("")).otherwise(value)


def inferred(groups: Sequence[Group], target: Target) -> dict[str, str]:
    """The narrowest type that every cell of a column fits, for each column that has none yet; a job for each group."""
    found: dict[str, list[dict[str, bool | None]]] = {}
    for group in groups:
        names = target.new(group.columns)
        row = group.df.agg(*_fits(names, group.columns)).first()
        for name, fits in (row.asDict(recursive=True) if row else {}).items():
            found.setdefault(name, []).append(fits)
    return {name: _narrowest(fits) for name, fits in found.items()}


def _narrowest(fits: Sequence[Mapping[str, bool | None]]) -> str:
    """The first type that fits in some group of files (null means it had no value) and fails in none."""
    for kind in PATTERNS:
        seen = {fit[kind] for fit in fits}
        if True in seen and False not in seen:
            return kind
    return "string"


def _fits(names: Sequence[str], columns: Mapping[str, tuple[Column, str]]) -> list[Column]:
    from pyspark.sql import functions as F

    return [F.struct(*[_fit(columns[n][0], k, p).alias(k) for k, p in PATTERNS.items()]).alias(n) for n in names]


def _fit(cell: Column, kind: str, pattern: str) -> Column:
    from pyspark.sql import functions as F

    fitted = cell.try_cast(kind)
    holds = fitted.isNotNull() & F.coalesce(given_back(cell, fitted, kind), F.lit(False))
    return F.bool_and(F.when(cell.isNotNull(), cell.rlike(pattern) & holds))


def union(frames: Sequence[DataFrame]) -> DataFrame:
    """All rows of all frames, columns matched by name, null where one has none."""
    return reduce(lambda a, b: a.unionByName(b, allowMissingColumns=True), frames)
