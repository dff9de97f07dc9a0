"""A CSV body with a header. An empty field is null, and every other text is what it says: NA is a text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import Any

from lakehouse_assets.serve.models.input.columns import Columns
from lakehouse_assets.serve.models.refused import Refused, listed
from lakehouse_assets.serve.models.signature import Field

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_BOOLEANS = {"true": True, "false": False}
_NUMBERS = frozenset({"double", "float", "long", "integer"})


def read_csv(text: str, fields: Mapping[str, Field]) -> Columns:
    """The values by column; those of the model's columns are numbers and booleans where its types say so.

    Raises:
        Refused: there is no header, it has a name twice, or a row has another number of fields.
    """
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise Refused(f"The body is no CSV: {error}.") from None
    if len(rows) < 2:
        raise Refused("The body has no rows; send a header and one row at least.")
    header, *rows = rows
    if doubled := [name for name in dict.fromkeys(header) if header.count(name) > 1]:
        raise Refused(f"The header has {listed(doubled)} twice.")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise Refused(f"Row {number} has {len(row)} fields, but the header has {len(header)}.")
    columns = zip(*rows, strict=True)
    return {name: _values(fields.get(name), column) for name, column in zip(header, columns, strict=True)}


def _values(field: Field | None, texts: tuple[str, ...]) -> list[Any]:
    return [_value(field.type if field else "string", text) for text in texts]


def _value(kind: str, text: str) -> Any:
    """The value of a field; a text that isn't of the type stays a text, which is refused later, by its column."""
    if text == "":
        return None
    if kind == "boolean":
        return _BOOLEANS.get(text.lower(), text)
    if kind not in _NUMBERS:
        return text
    plain = text.strip(" ")
    if _WHOLE.fullmatch(plain):
        return int(plain)
    return float(plain) if _NUMBER.fullmatch(plain) else text
