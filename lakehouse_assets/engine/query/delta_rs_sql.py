"""What delta-rs is asked in the place of Spark: only what the types of the columns prove to mean the same in both.

Spark and DataFusion, the engine of delta-rs, differ in casts from numbers and texts to dates and times, in times
outside the years 1677 to 2262 (DataFusion counts them in nanoseconds), in the zeros of floats, and in collations. So a
query is made of columns of plain types, and of the few expressions below, written without nanoseconds. Whatever else a
query has, and any error while it runs or its rows are fetched, means that Spark has to be asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.lake.delta_rs import arrow_of, errors_of_delta_rs, text

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

# Types whose values are equal in one engine if they are in the other.
PLAIN = frozenset({
    "boolean", "tinyint", "smallint", "int", "bigint", "string", "date", "timestamp", "timestamp_ntz",
})  # fmt: skip
_TIME = """arrow_cast({}, 'Timestamp(Microsecond, Some("UTC"))')"""
# From one type to another, where both engines give the same and neither gives up.
_CASTS = {
    ("date", "date"): "{}",
    ("timestamp", "date"): "cast({} as date)",
    ("timestamp_ntz", "date"): "cast({} as date)",
    ("date", "timestamp"): _TIME,
    ("timestamp", "timestamp"): "{}",
    ("timestamp_ntz", "timestamp"): _TIME,
}
# The first day of the period that a day lies in; weeks begin on Monday.
_DAYS = {
    "DAY": "{0}",
    "WEEK": "arrow_cast(cast({0} as int) - (cast(date_part('dow', {0}) as int) + 6) % 7, 'Date32')",
    "MONTH": "make_date(cast(date_part('year', {0}) as int), cast(date_part('month', {0}) as int), 1)",
    "QUARTER": "make_date(cast(date_part('year', {0}) as int), cast(date_part('quarter', {0}) as int) * 3 - 2, 1)",
    "YEAR": "make_date(cast(date_part('year', {0}) as int), 1, 1)",
}
_MICROSECONDS = {"HOUR": 3_600_000_000, "MINUTE": 60_000_000, "SECOND": 1_000_000}


def ask(query: str, tables: Mapping[str, DeltaTable]) -> pa.Table | None:
    """The answer to a query that reads tables by these names; None if delta-rs can't give it."""
    try:
        return arrow_of(query, tables)
    except errors_of_delta_rs():
        return None


def expression(expr: str, kinds: Mapping[str, str]) -> tuple[str, str] | None:
    """An expression of Spark's in the SQL of delta-rs, and its type; None if they may mean different things by it."""
    if found := re.fullmatch(r"`([^`]+)`", expr):
        kind = kinds.get(found[1], "")
        return (expr, kind) if kind in PLAIN else None
    if found := re.fullmatch(r"cast\((.+) as (date|timestamp)\)", expr):
        inner = expression(found[1], kinds)
        template = _CASTS.get((inner[1], found[2])) if inner else None
        return (template.format(inner[0]), found[2]) if inner and template else None
    if found := re.fullmatch(r"date_trunc\('(\w+)', (.+)\)", expr):
        inner = expression(found[2], kinds)
        return _truncated(found[1].upper(), inner[0]) if inner and inner[1] == "timestamp" else None
    return None


def _truncated(unit: str, time: str) -> tuple[str, str] | None:
    if unit in _DAYS:
        return _TIME.format(_DAYS[unit].format(f"cast({time} as date)")), "timestamp"
    if unit not in _MICROSECONDS:
        return None
    since, length = f"cast({time} as bigint)", _MICROSECONDS[unit]
    # The remainder of what lies before 1970 is negative.
    return _TIME.format(f"{since} - ({since} % {length} + {length}) % {length}"), "timestamp"


def literal(value: Any) -> str | None:
    """A value in the SQL of delta-rs; None if it has none that is sure to be the same."""
    match value:
        case bool() | int():
            return str(value).lower()
        case str():
            return text(value)
        case datetime():
            zone = 'Some("UTC")' if value.tzinfo else "None"
            return f"arrow_cast('{value.replace(tzinfo=None).isoformat()}', 'Timestamp(Microsecond, {zone})')"
        case date():
            return f"DATE '{value}'"
        case _:
            return None
