"""Conditions on the columns of a table, in the SQL of delta-rs where that means the same as Spark's.

That is so for whole numbers, booleans and texts that are compared with values of their own kind, for what is null, and
for AND, OR and NOT of these. Anything else has to be asked of Spark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lakehouse_assets.engine.query.delta_rs_sql import PLAIN, literal

if TYPE_CHECKING:
    from sqlglot import exp

_KINDS = {**dict.fromkeys(("tinyint", "smallint", "int", "bigint"), "number"), "string": "text", "boolean": "boolean"}
_SIGNS = {"EQ": "=", "NEQ": "<>", "GT": ">", "GTE": ">=", "LT": "<", "LTE": "<="}
_LEAST, _MOST = -(2**63), 2**63 - 1


def condition(sql: str, types: Mapping[str, str]) -> str | None:
    """A condition of Spark's on columns of these types, for delta-rs; None if they may mean different things by it."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    if "\\" in sql:  # in a text it has a meaning of Spark's
        return None
    known = {name.lower(): (name, kind) for name, kind in types.items()}
    try:
        return _condition(sqlglot.parse_one(sql, dialect="spark"), known)
    except (SqlglotError, RecursionError):
        return None


_Known = Mapping[str, tuple[str, str]]


def _condition(tree: exp.Expr, known: _Known) -> str | None:
    match type(tree).__name__:
        case "Paren" | "Not":
            inner = _condition(tree.this, known)
            return inner and (f"(NOT {inner})" if type(tree).__name__ == "Not" else inner)
        case "And" | "Or":
            sides = [_condition(tree.this, known), _condition(tree.expression, known)]
            return None if None in sides else f"({f' {type(tree).__name__.upper()} '.join(map(str, sides))})"
        case "Is":
            named = _named(tree.this, known)  # of any type
            return f"({named[0]} IS NULL)" if named and type(tree.expression).__name__ == "Null" else None
        case "Between":
            return _compared([tree.this, tree.args["low"], tree.args["high"]], "({} BETWEEN {} AND {})", known)
        case "In" if tree.expressions:
            listed = ", ".join("{}" for _ in tree.expressions)
            return _compared([tree.this, *tree.expressions], f"({{}} IN ({listed}))", known)
        case name if name in _SIGNS:
            return _compared([tree.this, tree.expression], f"({{}} {_SIGNS[name]} {{}})", known)
    found = _column(tree, known)
    return found[0] if found and found[1] == "boolean" else None


def _compared(parts: list[exp.Expr], template: str, known: _Known) -> str | None:
    """What compares a column with others or with values, if all are of one kind."""
    found = [_operand(part, known) for part in parts]
    kinds = {kind for it in found if it for kind in it[1:]}
    return template.format(*(it[0] for it in found if it)) if None not in found and len(kinds) == 1 else None


def _operand(tree: exp.Expr, known: _Known) -> tuple[str, str] | None:
    """A column or a value, and its kind."""
    if column := _column(tree, known):
        return (column[0], _KINDS[column[1]]) if column[1] in _KINDS else None
    match type(tree).__name__:
        case "Paren":
            return _operand(tree.this, known)
        case "Boolean":
            return str(tree.this).lower(), "boolean"
        case "Neg" | "Literal":
            value = _value(tree)
            text = None if value is None else literal(value)
            return (text, "text" if isinstance(value, str) else "number") if text else None
    return None


def _value(tree: exp.Expr) -> int | str | None:
    sign, inner = (-1, tree.this) if type(tree).__name__ == "Neg" else (1, tree)
    if type(inner).__name__ != "Literal":
        return None
    if inner.is_string:
        return str(inner.this) if sign == 1 else None
    number = sign * int(inner.this) if inner.this.isdecimal() else None
    return number if number is not None and _LEAST <= number <= _MOST else None


def _column(tree: exp.Expr, known: _Known) -> tuple[str, str] | None:
    """A column of a plain type as delta-rs names it, and that type."""
    found = _named(tree, known)
    return found if found and found[1] in PLAIN else None


def _named(tree: exp.Expr, known: _Known) -> tuple[str, str] | None:
    if type(tree).__name__ != "Column" or len(tree.parts) != 1:  # type: ignore[attr-defined]
        return None
    name, kind = known.get(tree.name.lower(), ("", ""))
    return (f'"{name}"', kind) if name and '"' not in name else None
