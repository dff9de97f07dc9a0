"""Values as stores take them: as JSON, and as the text that PostgreSQL's COPY reads."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

NULL = r"\N"
_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def as_json(value: Any) -> Any:
    """A value of Arrow as JSON has it. Decimals are texts, as no reader of JSON keeps all their digits; so are times
    (ISO 8601), bytes (Base64), and numbers that are infinite or none.
    """
    match value:
        case bool() | int() | str() | None:
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return f"{value:f}"
        case date() | datetime():
            return value.isoformat()
        case bytes():
            return b64encode(value).decode()
        case Mapping():
            return {name: as_json(it) for name, it in value.items()}
        case tuple() | list():
            return [as_json(it) for it in value]
        case _:
            raise TypeError(f"a {type(value).__name__} has no form in JSON")


def json_text(value: Any) -> str:
    """A value as one line of JSON, written alike wherever it's written."""
    return json.dumps(as_json(value), ensure_ascii=False, separators=(",", ":"))


def copied(kind: str) -> Callable[[Any], str]:
    """What writes a value of a Spark type, never null, as COPY reads it."""
    if kind == "string":
        return lambda value: str(value).translate(_ESCAPED)
    if kind == "binary":
        return lambda value: r"\\x" + value.hex()
    if kind == "boolean":
        return lambda value: "t" if value else "f"
    if kind in ("date", "timestamp", "timestamp_ntz"):
        return lambda value: str(value.isoformat())
    if "<" in kind or kind == "variant":
        return lambda value: json_text(value).translate(_ESCAPED)
    return str
