"""The vocabulary: all that a domain file may import from the engine."""

from lakehouse_assets.engine.declare import (
    append,
    between,
    drop,
    fail,
    files,
    history,
    lookup,
    matches,
    merge,
    not_null,
    one_of,
    references,
    replace,
    sql_table,
    table,
    warn,
)
from lakehouse_assets.engine.spec import Column, Domain, Expectation, TableCheck

__all__ = [
    "Column",
    "Domain",
    "Expectation",
    "TableCheck",
    "append",
    "between",
    "drop",
    "fail",
    "files",
    "history",
    "lookup",
    "matches",
    "merge",
    "not_null",
    "one_of",
    "references",
    "replace",
    "sql_table",
    "table",
    "warn",
]
