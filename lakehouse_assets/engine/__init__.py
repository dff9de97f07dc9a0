"""The vocabulary: all that a domain file may import from the engine."""

from lakehouse_assets.engine.spec.cdc import canal, debezium, maxwell
from lakehouse_assets.engine.spec.checks import null_share, reconciled, references, up_to_date, volume
from lakehouse_assets.engine.spec.conditions import between, drop, fail, matches, not_null, one_of, typed, warn
from lakehouse_assets.engine.spec.declare import (
    append,
    extract,
    files,
    history,
    http,
    lookup,
    merge,
    refresh,
    replace,
    snapshots,
    sql_table,
    table,
)
from lakehouse_assets.engine.spec.modes import Daily
from lakehouse_assets.engine.spec.table import Column, Domain, Expectation, TableCheck, Watermark

__all__ = [
    "Column",
    "Daily",
    "Domain",
    "Expectation",
    "TableCheck",
    "Watermark",
    "append",
    "between",
    "canal",
    "debezium",
    "drop",
    "extract",
    "fail",
    "files",
    "history",
    "http",
    "lookup",
    "matches",
    "maxwell",
    "merge",
    "not_null",
    "null_share",
    "one_of",
    "reconciled",
    "references",
    "refresh",
    "replace",
    "snapshots",
    "sql_table",
    "table",
    "typed",
    "up_to_date",
    "volume",
    "warn",
]
