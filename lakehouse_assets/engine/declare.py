"""How a domain file declares its table: a decorator for Python, a call for SQL, and short words for their parts."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.inputs import Files, Http, Upstream
from lakehouse_assets.engine.modes import Append, Daily, History, Merge, Refresh, Replace, WriteMode
from lakehouse_assets.engine.spec import Action, Column, Expectation, Table, TableCheck, Watermark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Literal = str | int | float | date
Input = str | Upstream | Files


@dataclass(frozen=True)
class Condition:
    """A SQL condition and the name a rule on it gets."""

    name: str
    sql: str


def table(
    *,
    columns: Sequence[Column] = (),
    expect: Sequence[Expectation] = (),
    checks: Sequence[TableCheck] = (),
    write: WriteMode | None = None,
    watermark: Watermark | None = None,
    partitions: Daily | None = None,
    owner: str | None = None,
    freshness: timedelta | None = None,
    tags: Mapping[str, str] | None = None,
    **inputs: Input,
) -> Callable[[Callable[..., DataFrame]], Table]:
    """Declare the decorated function as a table; each further keyword binds a parameter to a table or a source.

    Domain and layer are the folders of the file, the name is the function's, the description its docstring (or the
    file's). Without `write`, a table with a source appends and any other is replaced. Owner and freshness come from
    the domain unless they're given.
    """

    def declare(fn: Callable[..., DataFrame]) -> Table:
        code = fn.__code__
        doc = fn.__doc__ or fn.__globals__.get("__doc__") or ""
        return _table(
            fn.__name__, Path(code.co_filename), code.co_firstlineno, doc, inputs,
            fn=fn, columns=tuple(columns), expect=tuple(expect), checks=tuple(checks), write=write,
            owner=owner, freshness=freshness, tags=tags or {}, watermark=watermark, partitions=partitions,
        )  # fmt: skip

    return declare


def sql_table(
    *,
    sql: str | None = None,
    columns: Sequence[Column] = (),
    expect: Sequence[Expectation] = (),
    checks: Sequence[TableCheck] = (),
    write: WriteMode | None = None,
    watermark: Watermark | None = None,
    partitions: Daily | None = None,
    owner: str | None = None,
    freshness: timedelta | None = None,
    tags: Mapping[str, str] | None = None,
    **inputs: Input,
) -> Table:
    """Declare a table by a SELECT, in which each input has the name of its keyword.

    Assign it to a variable named as the file. Without `sql`, the query is in a `.sql` file of the same name beside it.
    """
    caller = sys._getframe(1)
    file = Path(caller.f_code.co_filename)
    query = sql if sql is not None else file.with_suffix(".sql").read_text()
    return _table(
        file.stem, file, caller.f_lineno, caller.f_globals.get("__doc__") or "", inputs,
        sql=query, columns=tuple(columns), expect=tuple(expect), checks=tuple(checks), write=write,
        owner=owner, freshness=freshness, tags=tags or {}, watermark=watermark, partitions=partitions,
    )  # fmt: skip


def _table(
    name: str, file: Path, line: int, doc: str, inputs: Mapping[str, Input], *, write: WriteMode | None, **rest: Any
) -> Table:
    bound = {p: _bound(i, name) for p, i in inputs.items()}
    from_source = any(isinstance(i, Files) for i in bound.values())
    default: WriteMode = Append() if from_source else Replace()
    domain, layer = file.parts[-3:-1]
    return Table(
        domain=domain, layer=layer, name=name, doc=_clean(doc), inputs=bound, write=write or default,
        file=file, line=line, **rest,
    )  # fmt: skip


def _clean(doc: str) -> str:
    import inspect

    return inspect.cleandoc(doc)


def lookup(table: str) -> Upstream:
    """Read a table whole, as it stands, beside the new rows of the table's main input."""
    return Upstream(table, lookup=True)


def snapshots(table: str, on: str | Sequence[str], at: str = "_batch") -> Upstream:
    """A table of whole snapshots, read as changes between them, for `merge` and `history`.

    Brings the rows that are new or differ from the snapshot before, and the rows that are gone with `_deleted` set and
    the `at` of the snapshot that lacks them. `on` is the key, `at` the column that tells snapshots apart and orders
    them, as that table has it: text as text, so a date in it should be an ISO date. They may arrive in any order, each
    whole in one batch. A snapshot without a row isn't seen.
    """
    return Upstream(table, snapshot_on=_names(on), snapshot_at=at)


def _bound(given: Input, name: str) -> Upstream | Files:
    if isinstance(given, Files) and given.http:
        return dataclasses.replace(given, path=f"{name}/*")
    return Upstream(given) if isinstance(given, str) else given


def files(path: str, **options: Any) -> Files:
    """Files that arrive under a path; see `Files` for the options."""
    return Files(path, **options)


_OF_HTTP = {field.name for field in fields(Http)}


def http(*urls: str, **options: Any) -> Files:
    """What is found at some addresses, read anew whenever it has changed; see `Http` and `Files` for the options.

    It lands in the landing folder of the domain, in a folder with the name of the table.
    """
    fetched = Http(urls, **{name: value for name, value in options.items() if name in _OF_HTTP})
    return Files("", http=fetched, **{name: value for name, value in options.items() if name not in _OF_HTTP})


def append() -> Append:
    """Add the new rows; never change a row that is there."""
    return Append()


def merge(on: str | Sequence[str], newest: str | Sequence[str] = (), delete_when: str | None = None) -> Merge:
    """One row a key; of several, the one with the greatest `newest` wins. See `Merge`."""
    return Merge(_names(on), _names(newest), delete_when)


def history(
    on: str | Sequence[str], newest: str | Sequence[str], delete_when: str | None = None, track: Sequence[str] = ()
) -> History:
    """SCD 2: a row for each version of a key. See `History`."""
    return History(_names(on), _names(newest), delete_when, tuple(track))


def replace() -> Replace:
    """Compute the whole table anew, and put it in place in one commit."""
    return Replace()


def refresh(by: str | Sequence[str]) -> Refresh:
    """Compute anew the groups whose inputs changed, and put them in place in one commit. See `Refresh`."""
    return Refresh(_names(by))


def warn(condition: str | Condition, name: str | None = None) -> Expectation:
    """Count the rows for which the condition isn't true, and keep them."""
    return _expectation(condition, "warn", name)


def drop(condition: str | Condition, name: str | None = None) -> Expectation:
    """Send the rows for which the condition isn't true to quarantine."""
    return _expectation(condition, "drop", name)


def fail(condition: str | Condition, name: str | None = None) -> Expectation:
    """Stop the write, before anything is committed, at the first row for which the condition isn't true."""
    return _expectation(condition, "fail", name)


def not_null(column: str) -> Condition:
    """The column has a value."""
    return Condition(f"{column}_not_null", f"`{column}` IS NOT NULL")


def between(column: str, low: Literal, high: Literal) -> Condition:
    """The column lies between the two values, both included, or is null."""
    return _or_null(f"{column}_between", column, f"BETWEEN {literal(low)} AND {literal(high)}")


def one_of(column: str, *values: Literal) -> Condition:
    """The column is one of the values, or null."""
    return _or_null(f"{column}_one_of", column, f"IN ({', '.join(map(literal, values))})")


def matches(column: str, pattern: str) -> Condition:
    """The regular expression (Java's) is found in the column, or the column is null."""
    return _or_null(f"{column}_matches", column, f"RLIKE {literal(pattern)}")


def _or_null(name: str, column: str, test: str) -> Condition:
    return Condition(name, f"`{column}` IS NULL OR `{column}` {test}")


def _expectation(condition: str | Condition, action: Action, name: str | None) -> Expectation:
    rule = condition if isinstance(condition, Condition) else Condition(_rule_name(condition), condition)
    return Expectation(name or rule.name, rule.sql, action)


# Check names in Dagster are letters, digits and underscores; an operator becomes a word, so that two rules
# that differ only in it keep two names.
_WORDS = {
    "<=>": "same_as", "<>": "ne", "!=": "ne", "<=": "le", ">=": "ge", "<": "lt", ">": "gt", "=": "eq",
    "+": "plus", "-": "minus", "*": "times", "/": "by", "%": "mod",
}  # fmt: skip


def _rule_name(condition: str) -> str:
    operators = "|".join(re.escape(op) for op in _WORDS)
    worded = re.sub(operators, lambda m: f" {_WORDS[m.group()]} ", condition)
    return re.sub(r"\W+", "_", worded).strip("_").lower()[:80]


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


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
