"""Checks of a whole table, on the table as it is stored or on rows that are to take its place."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.graph.discover import full_key
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_rs import errors_of_delta_rs
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.lake.tables import in_sql
from lakehouse_assets.engine.quality.check_queries import query_of
from lakehouse_assets.engine.quality.statistics import statistics
from lakehouse_assets.engine.query import delta_rs_sql
from lakehouse_assets.engine.spec.checks import Check, UniqueKey, UpToDate, ValuesAvailable
from lakehouse_assets.engine.spec.modes import UNAVAILABLE
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SHOWN = 5
# Whether the keys of 26,000 rows are unique takes Spark 1.1 s after a commit, delta-rs 0.02 s (336,776 rows: 0.05 s).
# But delta-rs has all keys in the memory of this process, some hundred bytes each.
FEW_ROWS = 2_000_000
BALANCE = "lakehouse_balance"
_STATISTICS = "lakehouse_statistics"
_TIMES = ("date", "timestamp", "timestamp_ntz")


@dataclass(frozen=True)
class Violations:
    """How many there are, and a few of them."""

    number: int
    some: Sequence[dict[str, Any]] = ()


def not_built(check: Check, table: Table, lake: Lake) -> list[str]:
    """The tables a check reads that aren't there yet."""
    keys = [full_key(table, name) for name in check.reads]
    return [key for key in keys if read_log(lake.table(key)) is None]


def stored_violations(check: Check, table: Table, context: Context) -> Violations:
    """What a check finds in the table as it is stored."""
    log = read_log(context.lake.table(table.key))
    if isinstance(check, ValuesAvailable) and log is not None and UNAVAILABLE not in log.columns:
        return Violations(0)  # no event of its declaration as it is now has come
    found = _by_delta_rs(check, table, log) if log is not None else None
    return found or violations(check, table, context.lake, context.session())


def _by_delta_rs(check: Check, table: Table, log: TableLog) -> Violations | None:
    """What a check finds, where delta-rs can tell as Spark would."""
    match check:
        case UniqueKey():
            return _repeated(check, table, log)
        case UpToDate():
            return too_old(check, log)
    return None


def too_old(check: UpToDate, log: TableLog) -> Violations | None:
    """The newest value of a column if it's older than allowed, or there is none; None if Spark has to be asked."""
    kind = log.columns.get(check.column)
    if kind not in _TIMES:
        return None
    found = delta_rs_sql.ask(f"SELECT max(`{check.column}`) AS newest FROM stored", {"stored": log.table})
    if found is None:
        return None
    try:
        newest = found.to_pylist()[0]["newest"]
    except errors_of_delta_rs():  # a time that Python has not
        return None
    since = datetime.fromtimestamp(time.time(), UTC) - check.within
    late = newest is None or _moment(newest) < since
    return Violations(int(late), [{"newest": newest}] if late else [])


def _moment(value: date) -> datetime:
    """A date or a time as Spark compares it with now: in UTC, which its sessions have."""
    whole = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    return whole if whole.tzinfo else whole.replace(tzinfo=UTC)


def _repeated(check: Check, table: Table, log: TableLog) -> Violations | None:
    """The keys that several rows have, by delta-rs; None if there are too many rows, or Spark may see other keys."""
    kinds = {log.columns.get(name, "").partition("(")[0] for name in table.keys}
    if log.rows > FEW_ROWS or not kinds <= delta_rs_sql.PLAIN | {"decimal"}:
        return None
    found = delta_rs_sql.ask(query_of(check).replace("{table}", "stored"), {"stored": log.table})
    try:
        return None if found is None else Violations(found.num_rows, found.slice(0, SHOWN).to_pylist())
    except errors_of_delta_rs():  # a value that Python has not
        return None


def violations(check: Check, table: Table, lake: Lake, spark: SparkSession, view: str = "") -> Violations:
    """What a check finds in the table, or in the rows of a temporary view that are to take its place."""
    if "{statistics}" in query_of(check):
        statistics(table, lake, spark, _STATISTICS, view)
    found = spark.sql(query(check, table, lake, spark, view))
    number = found.count()  # before any is shown: a limit is tried on a few partitions, then on more, each by a job
    return Violations(number, [row.asDict() for row in found.limit(SHOWN).collect()] if number else [])


def query(check: Check, table: Table, lake: Lake, spark: SparkSession, view: str = "") -> str:
    """The check's query with the tables it names put in."""

    def source(match: re.Match[str]) -> str:
        name = match[1]
        views = {"statistics": _STATISTICS, "balance": BALANCE, "table": view}
        if views.get(name):
            return views[name]
        return in_sql(spark, lake.table(table.key if name == "table" else full_key(table, name)))

    return re.sub(r"\{([\w.]+)\}", source, query_of(check))
