"""The commits of a Delta table: what each did to the rows, and what those of our own runs say about themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

# What a commit of ours is: a run that brought the table up to date, a replay of rows from its quarantine, the deletion
# of files that were forgotten; and beside a table, a part of one of those, or what was done by hand and is accepted.
Kind = Literal["update", "replay", "forget", "part", "accepted"]
# Our part of a commit's userMetadata.
MARK = "lakehouse"
# What earlier versions of this project wrote in its place, a mark for each kind.
_EARLIER: Mapping[str, Kind] = {
    "lakehouse_replay": "replay", "lakehouse_forget": "forget", "lakehouse_part": "part",
    "lakehouse_accepted": "accepted",
}  # fmt: skip
# Operations that leave the rows as they are.
_UPKEEP = {"OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "UNSET TBLPROPERTIES", "ADD COLUMNS",
           "CHANGE COLUMN", "CHANGE COLUMNS", "CREATE TABLE", "UPGRADE PROTOCOL", "ADD CONSTRAINT", "DROP CONSTRAINT",
           "CLUSTER BY", "COMPUTE STATS", "REORG", "ADD FEATURE", "ROW TRACKING BACKFILL",
           "UPDATE COLUMN METADATA"}  # fmt: skip
# What says of an operation how many rows it changed, by Spark and by delta-rs; each has to be zero.
_MOVED = {
    "MERGE": (("numTargetRowsInserted", "num_target_rows_inserted"),
              ("numTargetRowsUpdated", "num_target_rows_updated"),
              ("numTargetRowsDeleted", "num_target_rows_deleted")),
    "DELETE": (("numDeletedRows", "num_deleted_rows"), ("numRemovedFiles", "num_removed_files")),
    "UPDATE": (("numUpdatedRows", "num_updated_rows"),),
}  # fmt: skip


@dataclass(frozen=True)
class Commit:
    """One version of a table: what was done, when (UTC), with what counts.

    `parameters` are those of the operation, as the engine that did it wrote them down. `mark` is what we wrote about a
    commit of ours, with its `kind`, who made it (`app`, the transaction id) and as which of its runs; empty for others.
    """

    version: int
    at: datetime
    operation: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, Any]
    mark: Mapping[str, Any]

    @property
    def mode(self) -> str:
        return str(self.parameters.get("mode") or "")

    @property
    def part(self) -> bool:
        """It was done to the rows that meet a condition."""
        return (self.parameters.get("predicate") or "[]") != "[]"

    @property
    def ours(self) -> bool:
        """One of our runs made it, or a replay or a `forget`."""
        return bool(self.mark)

    def of(self, kind: Kind) -> Mapping[str, Any] | None:
        """What we wrote about it, if it's of a kind."""
        return self.mark if self.mark.get("kind") == kind else None

    @property
    def run(self) -> Mapping[str, Any] | None:
        """What our run wrote about it, if it was one that brought the table up to date."""
        return self.of("update")

    @property
    def forgot(self) -> tuple[str, ...]:
        """The files whose rows went out by it, or that a rebuild was made without because they had upstream."""
        return tuple((self.of("forget") or self.run or {}).get("forgot", ()))

    @property
    def rebuilds(self) -> bool:
        """One of our runs made the table anew from all that it read."""
        return self.run is not None and self.replaces_all

    @property
    def changes_data(self) -> bool:
        """It added, changed or removed a row, or may have: an operation that isn't known is taken for one that does."""
        counted = [self._metric(*names) for names in _MOVED.get(self.operation, ())]
        nothing = self.rows == 0 or (counted and all(number == 0 for number in counted))
        return self.operation not in _UPKEEP and not nothing

    @property
    def rows(self) -> int | None:
        """How many rows it added, changed or removed; None where that isn't told."""
        if self.operation == "WRITE" and self.mode == "Append":
            return self._metric("numOutputRows", "num_added_rows")
        counted = [self._metric(*names) for names in _MOVED[self.operation]] if self.operation == "MERGE" else [None]
        return None if None in counted else sum(number for number in counted if number is not None)

    @property
    def replaces_all(self) -> bool:
        """All rows were written anew, so that what changed can't be told from what didn't."""
        whole = self.operation == "WRITE" and self.mode == "Overwrite" and not self.part
        return whole or self.restores or "REPLACE TABLE" in self.operation

    @property
    def restores(self) -> bool:
        """It put the table back to what it was at an earlier version."""
        return self.operation == "RESTORE"

    @property
    def only_adds(self) -> bool:
        """No row that was there before was changed or removed."""
        touched = [self._metric(*names) for names in _MOVED["MERGE"][1:]]
        return (
            not self.changes_data
            or (self.operation == "WRITE" and self.mode == "Append")
            or (self.operation == "MERGE" and touched == [0, 0])
        )

    @property
    def keeps_rows(self) -> bool:
        """Rows may be added or changed, none is removed."""
        merged = self.operation == "MERGE" and self._metric(*_MOVED["MERGE"][2]) == 0
        return self.only_adds or merged or bool(self.mark.get("keeps"))

    def _metric(self, *names: str) -> int | None:
        """A number by one of its names; None where it isn't told."""
        return next((int(self.metrics[name]) for name in names if self.metrics.get(name) is not None), None)


def commit_of(entry: Mapping[str, Any]) -> Commit:
    return Commit(
        version=int(entry["version"]),
        at=datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
        operation=entry.get("operation") or "unknown",
        parameters=entry.get("operationParameters") or {},
        metrics=entry.get("operationMetrics") or {},
        mark=_mark(entry.get("userMetadata")),
    )


def mark_of(app: str, run: int, kind: Kind, **more: Any) -> str:
    """What a commit of ours says about itself: who made it, as which of its runs, of what kind it is, and more."""
    return json.dumps({MARK: {"app": app, "run": run, "kind": kind, **more}})


def time_of(text: str) -> datetime:
    """A time as RESTORE writes it, in UTC; the earliest there is if it can't be read."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _mark(text: str | None) -> Mapping[str, Any]:
    try:
        value = json.loads(text or "null")
    except json.JSONDecodeError:
        return {}
    told = value if isinstance(value, dict) else {}
    earlier = ({"kind": kind, **told[mark]} for mark, kind in _EARLIER.items() if isinstance(told.get(mark), dict))
    ours = told.get(MARK)
    return {"kind": "update", **ours} if isinstance(ours, dict) else next(earlier, {})
