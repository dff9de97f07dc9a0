"""Which rows of a table meet the conditions of its alerts, as it is stored at a version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.feature_store.entities import row_text
from lakehouse_assets.engine.lake.delta_log import TableLog
from lakehouse_assets.engine.lake.delta_rs import errors_of_delta_rs
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.printable import printable
from lakehouse_assets.engine.query import delta_rs_sql
from lakehouse_assets.engine.query.delta_rs_conditions import condition
from lakehouse_assets.engine.spark_errors.explained import explained
from lakehouse_assets.engine.spec.alerts import Alert
from lakehouse_assets.engine.spec.modes import VALIDITY, History
from lakehouse_assets.engine.spec.table import Table

LONGEST = 200  # characters of a value in a text
_CURRENT = VALIDITY[2]


def met(table: Table, log: TableLog, context: Context) -> dict[tuple[str, str], str]:
    """By alert and key (JSON), the text of each row that meets the condition at the version of the log.

    Of a history the row that is current counts for its key.

    Raises:
        WriteFailed: Spark can't judge a condition on these rows.
        SparkUnavailable: no Spark engine could be reached or started.
    """
    keys = [column.name for column in table.columns if column.key]
    return {
        (alert.name, row_text({name: _in_utc(row[name]) for name in keys})): _text(alert, row)
        for alert in table.alerts
        for row in _rows(table, alert, list(dict.fromkeys([*keys, *alert.columns])), log, context)
    }


def _rows(
    table: Table, alert: Alert, columns: Sequence[str], log: TableLog, context: Context
) -> Sequence[Mapping[str, Any]]:
    current = f"`{_CURRENT}` AND " if isinstance(table.write, History) else ""
    found = _by_delta_rs(f"{current}({alert.condition})", columns, log)
    if found is not None:
        return found
    with explained(table, f"Judging the alert {alert.name} of"):
        rows = read_rows(context.session(), context.lake.table(table.key), log.version)
        chosen = rows.where(f"{current}({alert.condition})").select(*(f"`{name}`" for name in columns))
        return list(chosen.toArrow().to_pylist())


def _by_delta_rs(met: str, columns: Sequence[str], log: TableLog) -> list[dict[str, Any]] | None:
    """The same without Spark; None where the two may mean different things."""
    where = condition(met, log.columns)
    kinds = {log.columns.get(name, "").partition("(")[0] for name in columns}
    if where is None or not kinds <= delta_rs_sql.PLAIN | {"decimal"}:
        return None
    listed = ", ".join('"{}"'.format(name.replace('"', '""')) for name in columns)
    found = delta_rs_sql.ask(f"SELECT {listed} FROM stored WHERE {where}", {"stored": log.table})
    try:
        return None if found is None else list(found.to_pylist())
    except errors_of_delta_rs():  # a value that Python has not
        return None


def _text(alert: Alert, row: Mapping[str, Any]) -> str:
    return alert.text({name: _shown(row[name]) for name in alert.columns})


def _shown(value: Any) -> str:
    """A value in a text: in one line, cut, and without what a terminal would obey."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case datetime():
            return f"{_in_utc(value):%Y-%m-%d %H:%M:%S}" + (" UTC" if value.tzinfo else "")
        case date():
            return value.isoformat()
    text = printable(str(value))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value
