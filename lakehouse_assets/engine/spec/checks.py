"""Checks of a whole table, as values: what has to hold of it. How each is looked at is in `quality/check_queries.py`.

What is measured against the past takes the median of the last ten versions, and passes until there are three.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Severity = Literal["warn", "error"]

# The check that a table of files has.
FILES_READABLE = "files_readable"
# The check that a table has which reads snapshots.
SNAPSHOTS_PLAUSIBLE = "snapshots_plausible"


@dataclass(frozen=True)
class TableCheck:
    """An expectation about a whole table: a SQL query whose rows are the violations.

    The query reads the table as `{table}`, other tables as `{layer.name}`, which `reads` names too, what its last
    versions had of rows and nulls as `{statistics}` (columns: see `engine/quality/statistics.py`), and as `{balance}`
    what became of all the rows it was given (those of `Balance` in `engine/run/verify.py`).
    """

    name: str
    violations: str
    severity: Severity = "error"
    doc: str = ""
    reads: tuple[str, ...] = ()


@dataclass(frozen=True)
class References:
    """Each value of a column, nulls aside, is found in the column `other` of another table."""

    column: str
    table: str
    other: str
    severity: Severity = "error"

    @property
    def name(self) -> str:
        return f"{self.column}_in_{self.table.replace('.', '_')}"

    @property
    def doc(self) -> str:
        return f"Each `{self.column}` is a `{self.other}` of {self.table}."

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.table,)


@dataclass(frozen=True)
class Volume:
    """The rows, or those that a version `added`, lie between `low` and `high` times the usual number."""

    low: float
    high: float
    added: bool
    severity: Severity = "warn"
    reads: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "volume_added" if self.added else "volume"

    @property
    def doc(self) -> str:
        what = "added" if self.added else "there are"
        return f"The rows {what} lie between {self.low:g} and {self.high:g} times the usual number."


@dataclass(frozen=True)
class NullShare:
    """Nulls make up at most the share `more` of the rows more of a column than they usually did."""

    column: str
    more: float
    severity: Severity = "warn"
    reads: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.column}_null_share"

    @property
    def doc(self) -> str:
        return f"At most {self.more:.0%} of the rows more than usual have no `{self.column}`."


@dataclass(frozen=True)
class UpToDate:
    """The greatest value of a column, a date or a timestamp, is at most so old."""

    column: str
    within: timedelta
    severity: Severity = "warn"
    reads: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.column}_up_to_date"

    @property
    def doc(self) -> str:
        return f"The newest `{self.column}` is at most {self.within} old."


@dataclass(frozen=True)
class Reconciled:
    """All rows that were made are stored, in quarantine, or superseded by others."""

    severity: Severity = "warn"
    name: str = "reconciled"
    doc: str = "Rows made = rows stored + in quarantine + superseded."
    reads: tuple[str, ...] = ()


@dataclass(frozen=True)
class UniqueKey:
    """No two rows have the same key; the check that every table with a key has."""

    columns: tuple[str, ...]
    severity: Severity = "error"
    name: str = "unique_key"
    reads: tuple[str, ...] = ()

    @property
    def doc(self) -> str:
        return f"No two rows have the same {', '.join(self.columns)}."


@dataclass(frozen=True)
class ValuesAvailable:
    """No row lacks a value that none of its changes told; the check of a table that is ordered by places in a log."""

    column: str
    severity: Severity = "warn"
    name: str = "values_available"
    reads: tuple[str, ...] = ()

    @property
    def doc(self) -> str:
        return (
            f"No row lacks a value that none of its changes told; `{self.column}` names the columns of one that does."
        )


Check = TableCheck | References | Volume | NullShare | UpToDate | Reconciled | UniqueKey | ValuesAvailable


def adds_up(check: Check) -> bool:
    """Whether a check looks at what became of all rows."""
    return isinstance(check, Reconciled) or (isinstance(check, TableCheck) and "{balance}" in check.violations)


def references(column: str, table: str, other: str, severity: Severity = "error") -> References:
    """Each value of the column, nulls aside, is found in a column of another table."""
    return References(column, table, other, severity)


def volume(low: float = 0.5, high: float = 2.0, added: bool = False, severity: Severity = "warn") -> Volume:
    """The table has between `low` and `high` times the rows it usually had.

    With `added`, for tables that grow: a version adds between `low` and `high` times as many as versions usually add.
    """
    return Volume(low, high, added, severity)


def null_share(column: str, more: float = 0.05, severity: Severity = "warn") -> NullShare:
    """Nulls make up at most `more` (0.05: five percent of the rows) more of the column than they usually did."""
    return NullShare(column, more, severity)


def up_to_date(column: str, within: timedelta, severity: Severity = "warn") -> UpToDate:
    """The greatest value of the column, a date or a timestamp, is at most so old: the data are, not just the run."""
    return UpToDate(column, within, severity)


def reconciled(severity: Severity = "warn") -> Reconciled:
    """The rows that the table's function makes of all it has read are stored, in quarantine, or superseded by others.

    For tables that append, merge or keep history. It makes and judges all of those rows again each time the table
    changes; `lakehouse verify TABLE` does so on demand. While late rows wait, nothing is added up.
    """
    return Reconciled(severity)
