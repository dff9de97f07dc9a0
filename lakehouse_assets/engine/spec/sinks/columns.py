"""Which columns of a table go to a store."""

from __future__ import annotations

from lakehouse_assets.engine.spec.modes import VALIDITY, History
from lakehouse_assets.engine.spec.sinks.sink import Sink
from lakehouse_assets.engine.spec.table import Table


def of_table(table: Table) -> tuple[str, ...]:
    """All that a table may give: what it declares and, of a history, from when to when a row was valid."""
    return (*(c.name for c in table.columns), *(VALIDITY if isinstance(table.write, History) else ()))


def of_sink(sink: Sink, table: Table) -> tuple[str, ...]:
    """Those that a sink brings to its store."""
    return sink.columns or of_table(table)
