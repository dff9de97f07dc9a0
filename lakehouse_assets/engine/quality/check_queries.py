"""The SQL of checks of a whole table: a query whose rows are the violations.

In it `{table}` stands for the table, `{layer.name}` for another, `{statistics}` for what its last versions had of rows
and nulls, and `{balance}` for what became of all the rows that it was given.
"""

from __future__ import annotations

from lakehouse_assets.engine.spec.checks import (
    Check,
    NullShare,
    Reconciled,
    References,
    TableCheck,
    UniqueKey,
    UpToDate,
    ValuesAvailable,
    Volume,
)

# So many versions in the past tell what is usual.
FEWEST = 3


def query_of(check: Check) -> str:
    """The query by which a check is looked at."""
    match check:
        case TableCheck():
            return check.violations
        case References():
            return _references(check)
        case Volume():
            what = "added" if check.added else "rows"
            values = f"SELECT DISTINCT version, {what} AS value FROM {{statistics}}"
            odd = f"last.value < {check.low!r} * past.usual OR last.value > {check.high!r} * past.usual"
            return _against_the_past(values, odd)
        case NullShare():
            values = f"SELECT version, nulls / rows AS value FROM {{statistics}} WHERE column = '{check.column}'"
            return _against_the_past(f"{values} AND rows > 0", f"last.value > past.usual + {check.more!r}")
        case UpToDate():
            return _up_to_date(check)
        case Reconciled():
            return "SELECT * FROM {balance} WHERE made <> stored + waiting + superseded"
        case UniqueKey():
            names = ", ".join(f"`{column}`" for column in check.columns)
            return f"SELECT {names}, count(*) AS rows FROM {{table}} GROUP BY {names} HAVING count(*) > 1"
        case ValuesAvailable():
            return f"SELECT * FROM {{table}} WHERE `{check.column}` IS NOT NULL"


def _references(check: References) -> str:
    return (
        f"SELECT t.`{check.column}`, count(*) AS rows FROM {{table}} t LEFT ANTI JOIN {{{check.table}}} o "
        f"ON t.`{check.column}` = o.`{check.other}` WHERE t.`{check.column}` IS NOT NULL GROUP BY 1"
    )


def _up_to_date(check: UpToDate) -> str:
    newest, seconds = f"max(`{check.column}`)", check.within.total_seconds()
    return (
        f"SELECT {newest} AS newest FROM {{table}} HAVING {newest} IS NULL "
        f"OR {newest} < current_timestamp() - make_dt_interval(0, 0, 0, {seconds!r})"
    )


def _against_the_past(values: str, odd: str) -> str:
    """The newest of some values by version, and the median of those before it, where it is odd beside that."""
    return (
        f"WITH told AS ({values}), newest AS (SELECT max(version) AS version FROM {{statistics}}), "
        "last AS (SELECT value FROM told JOIN newest USING (version)), "
        "past AS (SELECT median(t.value) AS usual, count(t.value) AS number FROM told t JOIN newest n "
        "ON t.version < n.version) "
        f"SELECT last.value, past.usual FROM last CROSS JOIN past WHERE past.number >= {FEWEST} AND ({odd})"
    )
