"""Entities and rows as the JSON that the online store keeps, and back as values of their types."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

_WHOLE = ("tinyint", "smallint", "int", "bigint")
_REAL = ("float", "double")


def entity_text(values: Sequence[Any], types: Sequence[str]) -> str | None:
    """The key of an entity, the same for all values that are equal as that type; None if one is null, or isn't one.

    A look-up may have `1.0` or numpy's `1` for 1, and a text for a time.
    """
    try:
        found = [_canonical(value, kind) for value, kind in zip(values, types, strict=True)]
    except (TypeError, ValueError, ArithmeticError):
        return None
    return None if None in found else json.dumps(found, ensure_ascii=False)


def row_text(row: Mapping[str, Any]) -> str:
    """A row as JSON."""
    return json.dumps(row, default=_plain, ensure_ascii=False)


def row_of(text: str, types: Mapping[str, str]) -> dict[str, Any]:
    """The row that a JSON text has, with values of these types."""
    return {name: _typed(value, types.get(name, "")) for name, value in json.loads(text).items()}


def _canonical(value: Any, kind: str) -> Any:
    if value is None or value != value:  # NaN and NaT
        return None
    if kind in _WHOLE:
        number = int(value)
        return number if number == value or isinstance(value, str) else None
    if kind in _REAL:
        return float(value)
    if kind == "boolean":
        return bool(value)
    if kind.startswith("decimal"):
        return str(Decimal(str(value)).normalize())
    if kind in ("timestamp", "timestamp_ntz"):
        return _instant(datetime.fromisoformat(value) if isinstance(value, str) else value)
    if kind == "date":
        day = date.fromisoformat(value) if isinstance(value, str) else value
        return (day.date() if isinstance(day, datetime) else day).isoformat()
    return _plain(value) if isinstance(value, bytes) else str(value)


def _instant(time: datetime) -> str:
    return (time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time).isoformat()


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case date():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            return str(value)


def _typed(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind in ("timestamp", "timestamp_ntz"):
        return datetime.fromisoformat(value)
    if kind == "date":
        return date.fromisoformat(value)
    if kind.startswith("decimal"):
        return Decimal(value)
    return base64.b64decode(value) if kind == "binary" else value
