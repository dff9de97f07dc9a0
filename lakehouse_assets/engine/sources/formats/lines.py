"""Finds the lines of a text file that a row was read from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lakehouse_assets.engine.sources.first_look.contents import Unreadable
from lakehouse_assets.engine.sources.first_look.text_head import text_of
from lakehouse_assets.engine.sources.formats.column_names import SYSTEM, clean_header
from lakehouse_assets.engine.spec.formats import Csv, Format, JsonLines

# A longer file isn't searched: the run has failed, and somebody waits to be told.
LONGEST = 100_000_000
# The first and the last line of a record, counted from 1, with its cells by column.
Record = tuple[int, int, Mapping[str, Any]]


def lines_of(path: str, kind: Format, row: Mapping[str, Any]) -> tuple[int, int] | None:
    """The first and the last line, counted from 1, of the first record in a file that gives a row.

    None where that can't be told: in formats that have no lines, in files that are gone or long, or where the row isn't
    as it was read.
    """
    if not isinstance(kind, Csv | JsonLines) or (isinstance(kind, Csv) and len(kind.delimiter) != 1):
        return None
    wanted = {name.lower(): value for name, value in row.items() if name.lower() not in SYSTEM}
    try:
        text = _whole(path, kind.encoding)
        records = _delimited(text, kind, list(wanted)) if isinstance(kind, Csv) else _documents(text)
        return next(((first, last) for first, last, cells in records if _same(cells, wanted)), None)
    except (Unreadable, csv.Error):
        return None


def _whole(path: str, encoding: str) -> str:
    text = ""
    for piece in text_of(path, encoding):
        text += piece
        if len(text) > LONGEST:
            raise Unreadable("it's too long to be searched")
    return text


def _delimited(text: str, dialect: Csv, columns: Sequence[str]) -> Iterator[Record]:
    names: Sequence[str] | None = None if dialect.header else columns
    for first, last, cells in _records(text, dialect):
        if names is None:
            names = [name.lower() for name in clean_header(cells)]
            continue
        found = [None if cell in dialect.nulls else cell for cell in cells]
        yield first, last, dict(zip(names, found + [None] * len(names), strict=False))


def _records(text: str, dialect: Csv) -> Iterator[tuple[int, int, list[str]]]:
    """Records as Spark parts them: at each line break, unless the source says that cells have some."""
    how: dict[str, Any] = {"delimiter": dialect.delimiter, "quotechar": dialect.quote or None}
    how |= {"quoting": csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE}
    how |= {} if dialect.escape == dialect.quote else {"doublequote": False, "escapechar": dialect.escape or None}
    if not dialect.multiline:
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield number, number, next(csv.reader([line], **how))
        return
    reader, before = csv.reader(io.StringIO(text, newline=""), **how), 0
    for cells in reader:
        if cells:
            yield before + 1, reader.line_num, cells
        before = reader.line_num


def _documents(text: str) -> Iterator[Record]:
    for number, line in enumerate(text.splitlines(), 1):
        try:
            found = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(found, dict):
            yield number, number, {name.lower(): value for name, value in found.items()}


def _same(cells: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return any(wanted.get(name) is not None for name in cells) and all(
        _text(cells.get(name)) == _text(value) for name, value in wanted.items() if not isinstance(value, dict | list)
    )


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, default=str)
