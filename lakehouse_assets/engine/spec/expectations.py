"""Expectations: what a row has to be, and what becomes of one that isn't; and the words that a domain has for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from lakehouse_assets.engine.spec import texts
from lakehouse_assets.engine.spec.modes import POSITION
from lakehouse_assets.engine.spec.texts import Typed, literal

Action = Literal["warn", "drop", "fail"]


@dataclass(frozen=True)
class Expectation:
    """An expectation each row should meet: a SQL condition, and what happens to a row for which it is not true.

    As in Delta constraints, a condition that is null for a row is not met by it.
    """

    name: str
    condition: str
    action: Action
    doc: str = ""


# The expectation that a row behind the watermark breaks.
ON_TIME = "on_time"


# The expectation of a table that is ordered by places in a log, for all its rows.
POSITION_KNOWN = Expectation(
    "position_known", f"`{POSITION}` IS NOT NULL", "drop",
    "The event is understood, and its place in the log is known; `_problem` says what is wrong with one.",
)  # fmt: skip


@dataclass(frozen=True)
class Watermark:
    """How late a row may come: `delay` after the greatest value of `column`, a date or timestamp, that is stored.

    A row that is later waits in quarantine, by the expectation `on_time`, and doesn't touch what was published of its
    time. The domain's sensor for late rows brings all of them in at once, now and then, and refreshes the groups they
    belong to. A rebuild takes every row in. One row of the far future would make all others late: add an expectation
    that drops it.

    `behind` is the value that a run works with, as SQL; it's not for declarations.
    """

    column: str
    delay: timedelta
    behind: str = ""

    @property
    def expectation(self) -> Expectation:
        met = f"`{self.column}` IS NULL OR `{self.column}` >= {self.behind}" if self.behind else "true"
        doc = f"`{self.column}` is at most {self.delay} behind the newest one stored; later rows wait in quarantine."
        return Expectation(ON_TIME, met, "drop", doc)


@dataclass(frozen=True)
class Condition:
    """A SQL condition and the name an expectation on it gets."""

    name: str
    sql: str


def warn(condition: str | Condition, name: str | None = None) -> Expectation:
    """Count the rows for which the condition isn't true, and keep them."""
    return _expectation(condition, "warn", name)


def drop(condition: str | Condition, name: str | None = None) -> Expectation:
    """Send the rows for which the condition isn't true to quarantine."""
    return _expectation(condition, "drop", name)


def fail(condition: str | Condition, name: str | None = None) -> Expectation:
    """Stop the write, before anything is committed, at the first row for which the condition isn't true."""
    return _expectation(condition, "fail", name)


def typed(column: str = "", type: str = "") -> Typed:
    """Let a column come as text, and send the rows whose text isn't one of its type to quarantine, with that text.

    The table's function or query returns the text as it arrived; it's stored as the declared type. Nothing is rounded
    or cut: `1.5` is no int, `99999999999` neither, and `1.239` no decimal(10,2). Blanks around a value are left out; a
    null or an empty text is null. Without a column it's meant for all of the contract. A column that is no text stays
    as it is. A `fail` that reads the column isn't broken by such a row.
    """
    return Typed(column, type)


def not_null(column: str) -> Condition:
    """The column has a value."""
    return Condition(f"{column}_not_null", f"`{column}` IS NOT NULL")


def between(column: str, low: texts.Literal, high: texts.Literal) -> Condition:
    """The column lies between the two values, both included, or is null."""
    return _or_null(f"{column}_between", column, f"BETWEEN {literal(low)} AND {literal(high)}")


def one_of(column: str, *values: texts.Literal) -> Condition:
    """The column is one of the values, or null."""
    return _or_null(f"{column}_one_of", column, f"IN ({', '.join(map(literal, values))})")


def matches(column: str, pattern: str) -> Condition:
    """The regular expression (Java's) is found in the column, or the column is null."""
    return _or_null(f"{column}_matches", column, f"RLIKE {literal(pattern)}")


def _or_null(name: str, column: str, test: str) -> Condition:
    return Condition(name, f"`{column}` IS NULL OR `{column}` {test}")


def _expectation(condition: str | Condition, action: Action, name: str | None) -> Expectation:
    expectation = condition if isinstance(condition, Condition) else Condition(name_of(condition), condition)
    return Expectation(name or expectation.name, expectation.sql, action)


# Check names in Dagster are letters, digits and underscores; an operator becomes a word, so that two expectations
# that differ only in it keep two names.
_WORDS = {
    "<=>": "same_as", "<>": "ne", "!=": "ne", "<=": "le", ">=": "ge", "<": "lt", ">": "gt", "=": "eq",
    "+": "plus", "-": "minus", "*": "times", "/": "by", "%": "mod",
}  # fmt: skip


def name_of(condition: str) -> str:
    """The name that an expectation, or an alert, on a condition gets."""
    operators = "|".join(re.escape(op) for op in _WORDS)
    worded = re.sub(operators, lambda m: f" {_WORDS[m.group()]} ", condition)
    return re.sub(r"\W+", "_", worded).strip("_").lower()[:80]
