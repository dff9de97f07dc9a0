"""The vocabulary: all that a domain file may import from the engine."""

from lakehouse_assets.engine.cdc import canal, debezium, maxwell
from lakehouse_assets.engine.checks import null_share, reconciled, references, up_to_date, volume
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
    refresh,
    replace,
    snapshots,
    sql_table,
    table,
    warn,
)
from lakehouse_assets.engine.modes import Daily
from lakehouse_assets.engine.spec import Column, Domain, Expectation, TableCheck, Watermark

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
    "fail",
    "files",
    "history",
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
    "up_to_date",
    "volume",
    "warn",
]
