"""What is told of a row that broke a `fail`: the expectation, the values it reads, where the row is from, a way on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from lakehouse_assets.engine.errors import ExpectationFailed
from lakehouse_assets.engine.spec.expectations import Expectation
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.engine.spec.texts import RAW, names_in

# What the error of a job begins with that a row ended by breaking a `fail`.
FAILED = "LAKEHOUSE_RULE_FAILED"
# Of a row as JSON; what the expectation reads is told in full.
_SHOWN = 500


def broken_expectation(table: Table, text: str) -> ExpectationFailed:
    """The error about a row that ended a job, by what that job said."""
    name, _, told = text.split(f"{FAILED} ", 1)[1].split("\n", 1)[0].partition(" ")
    row = re.sub(r" SQLSTATE: \w+$", "", told.rstrip())
    return told_of(table, name, _parsed(row) or row)


def told_of(
    table: Table, name: str, row: Mapping[str, Any] | str, origin: str = "", way: str = ""
) -> ExpectationFailed:
    """The error about a row that broke an expectation; `origin` is where it's from, `way` a way on beside the usual.

    A row whose JSON was cut is a text.
    """
    expectation = next((r for r in table.expectations if r.name == name), Expectation(name, "", "fail"))
    known = {} if isinstance(row, str) else row
    values = ", ".join(f"{column}={_value(value)}" for column, value in read_by(expectation, known).items())
    whole = row if isinstance(row, str) else json.dumps(row, separators=(",", ":"), ensure_ascii=False)
    cut = whole if len(whole) <= _SHOWN else f"{whole[:_SHOWN]}…"
    other = "declare the expectation with drop in the place of fail, which quarantines such rows"
    condition, where = expectation.condition, f"{table.file}:{table.line}"
    message = (
        f"Writing {table.key}: expectation {name!r} is broken, nothing was written. The row: {values} of {cut}"
        f"{origin}. The expectation: {condition}. {way or 'Mend what the table reads'}, or {other} ({where})"
    )
    return ExpectationFailed(message, name, row)


def read_by(expectation: Expectation, row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a row that an expectation names; all of them where it names none."""
    names = names_in(expectation.condition)
    return {column: value for column, value in row.items() if column.lower() in names} or dict(row)


def _parsed(row: str) -> dict[str, Any]:
    try:
        found = json.loads(row)
    except json.JSONDecodeError:  # it was cut
        return {}
    return {name: value for name, value in found.items() if name != RAW}


def _value(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)
