"""Upkeep of tables: small files are compacted, and files that no version of the last days needs are deleted.

Both leave the rows and the history of commits as they are, so that whatever reads a table goes on from where it was.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError, SparkUnavailable, Superseded
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.lake.tables import in_sql
from lakehouse_assets.engine.spark_errors.explained import explained
from lakehouse_assets.engine.spec.table import Table

Name = Literal["rows", "quarantine", "state", "alerts"]
# Delta itself deletes no file before it has been out of the table for a week, unless its check is switched off.
KEEP_DAYS = 7


@dataclass(frozen=True)
class Part:
    """What upkeep did to one Delta table: its files and bytes before and after, and how many files it deleted.

    `deleted` is None where Delta didn't log that. `problem` says why upkeep wasn't done, or not to its end; the numbers
    are then as far as they are known.
    """

    name: Name
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    deleted: int | None = None
    seconds: float = 0
    problem: str = ""


@dataclass(frozen=True)
class Maintained:
    """What upkeep did to a table and what is kept beside it, as far as that is there; no part if it isn't built."""

    table: str
    parts: tuple[Part, ...] = ()

    @property
    def failed(self) -> bool:
        return any(part.problem for part in self.parts)


def require_keepable(keep_days: int) -> None:
    """
    Raises:
        LakehouseError: readers would lose what they have yet to read.
    """
    if keep_days < KEEP_DAYS:
        raise LakehouseError(
            f"Keeping the files of {keep_days} days: what reads a table and is behind by more than that has to be "
            f"rebuilt, and no older version can be read any more; keep {KEEP_DAYS} days or more"
        )


def maintain(table: Table, context: Context, keep_days: int = KEEP_DAYS) -> Maintained:
    """Compact a table and what is kept beside it, and delete files that were taken out more than `keep_days` ago.

    What can't be done is told in the part that it's about.

    Raises:
        LakehouseError: fewer days would be kept than readers may need.
        SparkUnavailable: no Spark engine could be reached or started.
    """
    require_keepable(keep_days)
    lake, key = context.lake, table.key
    if table.external:
        return Maintained(key, (Part("rows", problem=f"{key} is left to the owners of {table.made_by}; ask them"),))
    there: dict[Name, TableRef] = {
        "rows": lake.table(key),
        "quarantine": lake.quarantine(key),
        "state": lake.state(key),
        "alerts": lake.alerts(key),
    }
    parts = (_part(name, _Upkeep(table, name, place, context, keep_days)) for name, place in there.items())
    return Maintained(key, tuple(part for part in parts if part))


@dataclass(frozen=True)
class _Upkeep:
    """What is to be done to one of the Delta tables of `table`."""

    table: Table
    name: Name
    place: TableRef
    context: Context
    keep_days: int

    def problems(self) -> Iterator[str]:
        """Why what was to be done couldn't be; the second step doesn't need the first."""
        for doing, statement in (
            ("Compacting", "OPTIMIZE {}"),
            ("Deleting old files of", f"VACUUM {{}} RETAIN {self.keep_days * 24} HOURS"),
        ):
            try:
                self._run(doing, statement)
            except Superseded as error:
                yield f"{error}, twice; it's left for the next time"
            except SparkUnavailable:
                raise
            except LakehouseError as error:
                yield str(error)

    def _run(self, doing: str, statement: str) -> None:
        """Run a statement, once more if a writer committed first what it wanted to."""
        try:
            self._sql(doing, statement)
        except Superseded:
            self._sql(doing, statement)

    def _sql(self, doing: str, statement: str) -> None:
        spark, what = self.context.session(), "" if self.name == "rows" else f" the {self.name} of"
        with explained(self.table, f"{doing}{what}"):
            spark.sql(statement.format(in_sql(spark, self.place))).collect()


def _part(name: Name, upkeep: _Upkeep) -> Part | None:
    start = time.monotonic()
    try:
        before = read_log(upkeep.place)
        if before is None:
            return None
        told = Part(name, before.file_count, before.file_count, before.bytes, before.bytes)
        problem = "; ".join(upkeep.problems())
        after = read_log(upkeep.place) or before
        told = replace(told, files_after=after.file_count, bytes_after=after.bytes, deleted=_deleted(after, before))
    except SparkUnavailable:
        raise
    except LakehouseError as error:
        return Part(name, problem=str(error))
    return replace(told, problem=problem, seconds=round(time.monotonic() - start, 1))


def _deleted(after: TableLog, before: TableLog) -> int | None:
    """How many files were deleted since, as far as Delta logged it, which it doesn't do in every store."""
    ends = [c for c in after.commits if c.version > before.version and c.operation == "VACUUM END"]
    numbers = [int(c.metrics["numDeletedFiles"]) for c in ends if "numDeletedFiles" in c.metrics]
    return sum(numbers) if numbers else None
