"""Columns that arrive as text and are cast to their declared type: what a text has to be, so that nothing is lost.

Spark's `try_cast` makes a null of what isn't a number; and in silence it rounds what a decimal can't hold, makes
infinity of what is too large for a double, takes `2013` for a date, and `10:30` for a time of today.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

Literal = str | int | float | date
# The column beside the others that has the texts of a row as they came, for as long as the row is judged.
RAW = "__raw"
_DECIMAL = re.compile(r"decimal\((\d+), ?(\d+)\)")
_STRING = re.compile(r"'(?:[^'\\]|\\.|'')*'")
_NAME = re.compile(r"`([^`]+)`|([^\W\d]\w*)")
_MIDNIGHT = r"([T ]0{1,2}:00(:00(\.0*)?)?Z?)?"
_CLOCK = r"([T ]\d{1,2}:\d{1,2}(:\d{1,2}(\.\d*)?)?)?"
_DAY = r"[+-]?\d{4,6}-\d{1,2}-\d{1,2}"
# More digits of a second than a timestamp has.
_FINER = r"\.\d{6}\d*[1-9]"


@dataclass(frozen=True)
class Typed:
    """A column that may come as text; without a name all of the contract, without a type the declared one."""

    column: str = ""
    type: str = ""


def can_be_typed(kind: str) -> bool:
    """Whether a text may fail to be one of a type; there is nothing to tell of text, bytes and nested types."""
    return "<" not in kind and kind not in ("string", "binary", "variant")


def check_name(column: str, kind: str) -> str:
    """The name of the expectation that a column's texts are of a type."""
    return f"{column}_is_{re.sub(r'[^a-z0-9]+', '_', kind).strip('_')}"


def parses(column: str, kind: str) -> str:
    """The condition that the text of a column was one of a type, which holds it exactly; or null, or blank."""
    raw = f"`{RAW}`.`{column}`"
    exact = _exact(kind, f"`{column}`", raw)
    met = f"`{column}` IS NOT NULL AND {exact}" if exact else f"`{column}` IS NOT NULL"
    return f"{raw} IS NULL OR {met} OR trim({raw}) = ''"


def names_in(condition: str) -> set[str]:
    """The names that a SQL condition may mean as columns, in lower case."""
    return {(quoted or plain).lower() for quoted, plain in _NAME.findall(_STRING.sub("''", condition))}


def literal(value: Literal) -> str:
    """A value as SQL writes it."""
    match value:
        case bool() | int() | float():
            return repr(value)
        case date():
            return f"{'TIMESTAMP' if hasattr(value, 'hour') else 'DATE'}'{value}'"
        case _:
            escaped = value.replace("\\", "\\\\").replace("'", "\\'")
            return f"'{escaped}'"


def one_of(columns: Sequence[str], groups: Collection[tuple[Any, ...]], say: Callable[[str, Any], str]) -> str:
    """The condition that some columns have the values of one of the groups; `say` writes a value of a column.

    The column with the most values comes last, as a list beside each combination of the others. A term for each of
    1,000 groups of two columns would take delta-rs 14 s, where 7 lists of them take 0.3.
    """
    if not groups:
        return "1 = 0"
    places = _in_order(groups)
    return _nested([columns[i] for i in places], [tuple(group[i] for i in places) for group in groups], say)


def lists(groups: Collection[tuple[Any, ...]]) -> int:
    """How many lists of values that condition has."""
    places = _in_order(groups)[:-1]
    return len({tuple(group[i] for i in places) for group in groups})


def _in_order(groups: Collection[tuple[Any, ...]]) -> list[int]:
    """The places of the values in a group, that with the fewest different ones first."""
    values = [set(column) for column in zip(*groups, strict=True)]
    return sorted(range(len(values)), key=lambda place: len(values[place]))


def _nested(columns: Sequence[str], groups: Collection[tuple[Any, ...]], say: Callable[[str, Any], str]) -> str:
    beside: dict[Any, list[tuple[Any, ...]]] = {}
    for value, *others in groups:
        beside.setdefault(value, []).append(tuple(others))
    if len(columns) > 1:
        parts = [f"({_equal(columns[0], v, say)} AND ({_nested(columns[1:], o, say)}))" for v, o in beside.items()]
    else:
        listed = ", ".join(say(columns[0], value) for value in beside if value is not None)
        parts = [f"`{columns[0]}` IN ({listed})"] * bool(listed) + [f"`{columns[0]}` IS NULL"] * (None in beside)
    return " OR ".join(parts)


def _equal(column: str, value: Any, say: Callable[[str, Any], str]) -> str:
    return f"`{column}` IS NULL" if value is None else f"`{column}` = {say(column, value)}"


def _exact(kind: str, value: str, raw: str) -> str:
    decimal = _DECIMAL.fullmatch(kind)
    if decimal:
        return _exact_decimal(int(decimal[1]), int(decimal[2]), value, raw)
    match kind:
        case "float" | "double":
            # Java reads 1d, 1f and 0x1p3 as numbers too. What is too large comes out as infinity, too small as zero.
            java = " OR ".join(f"endswith(rtrim({raw}), '{c}')" for c in "dDfF")
            java += f" OR contains({raw}, 'x') OR contains({raw}, 'X')"
            finite = f"abs({value}) < double('Infinity') AND NOT ({java})"
            zero = f"({value} <> 0 OR NOT {raw} {_like('^[^eE]*[1-9]')})"
            return f"({finite} AND {zero} OR isnan({value}) OR abs({value}) = double('Infinity') AND {_named(raw)})"
        case "date":
            return f"(length({raw}) = 10 AND {_dashes(raw)} OR {raw} {_like(rf'^[ ]*{_DAY}{_MIDNIGHT}', end=True)})"
        case "timestamp":
            finer = f"contains({raw}, '.') AND {raw} {_like(_FINER)}"
            return f"({_dashes(raw)} OR {raw} {_like(rf'^[ ]*{_DAY}')}) AND NOT ({finer})"
        case "timestamp_ntz":
            return f"{raw} {_like(rf'^[ ]*{_DAY}{_CLOCK}', end=True)} AND NOT {raw} {_like(_FINER)}"
    return ""


def _exact_decimal(precision: int, scale: int, value: str, raw: str) -> str:
    # Most texts have no more digits than the type, which is cheaper to see than a pattern is to match.
    dot, power = f"instr({raw}, '.')", f"(contains({raw}, 'e') OR contains({raw}, 'E'))"
    short = f"({dot} = 0 OR length({raw}) - {dot} <= {scale}) AND NOT {power}"
    plain = f"{raw} {_like(rf'^[ ]*[+-]?[0-9]*[.]?[0-9]{{0,{scale}}}0*', end=True)}"
    wider = min(scale + 20, 38 - precision + scale)
    exponent = f"{power} AND try_cast({raw} AS decimal(38,{wider})) = {value}"
    return f"({short} OR {plain} OR {exponent})" if wider > scale else f"({short} OR {plain})"


def _named(raw: str) -> str:
    return f"contains(lower({raw}), 'inf')"


def _dashes(raw: str) -> str:
    """Whether a text has the dashes of a date of four, two and two digits, as most have; cheaper than a pattern."""
    return f"substr({raw}, 5, 1) = '-' AND substr({raw}, 8, 1) = '-'"


def _like(pattern: str, *, end: bool = False) -> str:
    return "RLIKE '" + (pattern + (r"\s*$" if end else "")).replace("\\", "\\\\") + "'"
