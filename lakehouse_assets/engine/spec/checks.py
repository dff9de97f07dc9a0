"""Checks of a whole table that many tables have; any other is a `TableCheck` with a query of one's own.

What is measured against the past takes the median of the last ten versions, and passes until there are three.
"""

from __future__ import annotations

from datetime import timedelta

from lakehouse_assets.engine.spec.table import Severity, TableCheck

FEWEST = 3


def references(column: str, table: str, other: str, severity: Severity = "error") -> TableCheck:
    """Each value of the column, nulls aside, is found in a column of another table."""
    query = (
        f"SELECT t.`{column}`, count(*) AS rows FROM {{table}} t LEFT ANTI JOIN {{{table}}} o "
        f"ON t.`{column}` = o.`{other}` WHERE t.`{column}` IS NOT NULL GROUP BY 1"
    )
    name = f"{column}_in_{table.replace('.', '_')}"
    return TableCheck(name, query, severity, f"Each `{column}` is a `{other}` of {table}.", (table,))


def volume(low: float = 0.5, high: float = 2.0, added: bool = False, severity: Severity = "warn") -> TableCheck:
    """The table has between `low` and `high` times the rows it usually had.

    With `added`, for tables that grow: a version adds between `low` and `high` times as many as versions usually add.
    """
    what = "added" if added else "rows"
    doc = f"The rows {'added' if added else 'there are'} lie between {low:g} and {high:g} times the usual number."
    query = _against_the_past(
        f"SELECT DISTINCT version, {what} AS value FROM {{statistics}}",
        f"last.value < {low!r} * past.usual OR last.value > {high!r} * past.usual",
    )
    return TableCheck("volume_added" if added else "volume", query, severity, doc)


def null_share(column: str, more: float = 0.05, severity: Severity = "warn") -> TableCheck:
    """Nulls make up at most `more` (0.05: five percent of the rows) more of the column than they usually did."""
    query = _against_the_past(
        f"SELECT version, nulls / rows AS value FROM {{statistics}} WHERE column = '{column}' AND rows > 0",
        f"last.value > past.usual + {more!r}",
    )
    doc = f"At most {more:.0%} of the rows more than usual have no `{column}`."
    return TableCheck(f"{column}_null_share", query, severity, doc)


def up_to_date(column: str, within: timedelta, severity: Severity = "warn") -> TableCheck:
    """The greatest value of the column, a date or a timestamp, is at most so old: the data are, not just the run."""
    query = (
        f"SELECT max(`{column}`) AS newest FROM {{table}} HAVING max(`{column}`) IS NULL "
        f"OR max(`{column}`) < current_timestamp() - make_dt_interval(0, 0, 0, {within.total_seconds()!r})"
    )
    return TableCheck(f"{column}_up_to_date", query, severity, f"The newest `{column}` is at most {within} old.")


def reconciled(severity: Severity = "warn") -> TableCheck:
    """The rows that the table's function makes of all it has read are stored, in quarantine, or superseded by others.

    For tables that append, merge or keep history. It makes and judges all of those rows again each time the table
    changes; `lakehouse verify TABLE` does so on demand. While late rows wait, nothing is added up.
    """
    query = "SELECT * FROM {balance} WHERE made <> stored + waiting + superseded"
    return TableCheck("reconciled", query, severity, "Rows made = rows stored + in quarantine + superseded.")


def _against_the_past(values: str, odd: str) -> str:
    """The newest of some values by version, and the median of those before it, where it is odd beside that."""
    return (
        f"WITH told AS ({values}), newest AS (SELECT max(version) AS version FROM {{statistics}}), "
        "last AS (SELECT value FROM told JOIN newest USING (version)), "
        "past AS (SELECT median(t.value) AS usual, count(t.value) AS number FROM told t JOIN newest n "
        "ON t.version < n.version) "
        f"SELECT last.value, past.usual FROM last CROSS JOIN past WHERE past.number >= {FEWEST} AND ({odd})"
    )
