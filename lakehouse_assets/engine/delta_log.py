"""What the Delta logs say, read by delta-rs: nothing here starts a JVM."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.sources.stores import reaching

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

# Our part of a commit's userMetadata: of a run, and of a replay of rows from quarantine.
MARK, REPLAY = "lakehouse", "lakehouse_replay"
_NULLS = "null_count."
# Operations that leave the rows as they are.
_UPKEEP = {"OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "UNSET TBLPROPERTIES", "ADD COLUMNS", "FSCK",
           "CHANGE COLUMN", "CREATE TABLE", "UPGRADE PROTOCOL", "ADD CONSTRAINT", "CLUSTER BY"}  # fmt: skip


@dataclass(frozen=True)
class Commit:
    """One version of a table: what was done, when (UTC), with what counts, and what was `told` about it, by mark.

    `part` says that it was done to the rows that meet a condition.
    """

    version: int
    at: datetime
    operation: str
    mode: str
    part: bool
    metrics: Mapping[str, str]
    told: Mapping[str, Any]

    @property
    def run(self) -> Mapping[str, Any] | None:
        """What our run wrote about it, if it was one."""
        return self.told.get(MARK)

    @property
    def rebuilds(self) -> bool:
        """One of our runs made the table anew from all that it read."""
        return self.run is not None and all(read["after"] is None for read in self.run["read"].values())

    @property
    def changes_data(self) -> bool:
        return self.operation not in _UPKEEP

    @property
    def replaces_all(self) -> bool:
        """All rows were written anew, so that what changed can't be told from what didn't."""
        return (
            self.operation == "WRITE" and self.mode == "Overwrite" and not self.part
        ) or "REPLACE TABLE" in self.operation

    @property
    def only_adds(self) -> bool:
        """No row that was there before was changed or removed."""
        touched = ("numTargetRowsUpdated", "numTargetRowsDeleted", "numDeletedRows", "numUpdatedRows")
        return (
            not self.changes_data
            or (self.operation == "WRITE" and self.mode == "Append")
            or (self.operation == "MERGE" and not any(int(self.metrics.get(m) or 0) for m in touched))
        )

    @property
    def keeps_rows(self) -> bool:
        """Rows may be added or changed, none is removed."""
        removed = int(self.metrics.get("numTargetRowsDeleted") or 0)
        return self.only_adds or (self.operation == "MERGE" and not removed)


@dataclass(frozen=True)
class TableLog:
    """A Delta table as its log describes it, at the version it had when this was read."""

    table: DeltaTable = field(repr=False)

    @property
    def version(self) -> int:
        return self.table.version()

    @cached_property
    def id(self) -> str:
        """Stays the same for as long as the table isn't dropped and made anew."""
        return str(self.table.metadata().id)

    @cached_property
    def commits(self) -> list[Commit]:
        """The commits whose log files are still there, newest first."""
        return [_commit(entry) for entry in self.table.history()]

    @cached_property
    def last_run(self) -> Commit | None:
        """The newest commit that one of our runs made."""
        return next((c for c in self.commits if c.run is not None), None)

    @cached_property
    def last_change(self) -> int:
        """The newest version that changed rows; the oldest known one where upkeep is all that is left in the log."""
        return next(
            (c.version for c in self.commits if c.changes_data), self.commits[-1].version if self.commits else 0
        )

    def since(self, version: int) -> list[Commit] | None:
        """The commits after a version, newest first; None where the log no longer has them all."""
        found = [c for c in self.commits if c.version > version]
        return found if len(found) == self.version - version else None

    def transaction(self, app: str) -> int:
        """The last transaction version an application wrote; 0 if it never did. Survives the cleaning of the log."""
        return self.table.transaction_version(app) or 0

    @cached_property
    def rows(self) -> int:
        return sum(self._files["num_records"].to_pylist())

    @cached_property
    def bytes(self) -> int:
        return sum(self._files["size_bytes"].to_pylist())

    @cached_property
    def file_count(self) -> int:
        return int(self._files.num_rows)

    @cached_property
    def _files(self) -> pa.Table:
        import pyarrow as pa

        # Not pa.table(…), which imports pandas to see whether it was given a DataFrame.
        return pa.RecordBatchReader.from_stream(self.table.get_add_actions(flatten=True)).read_all()

    @property
    def nulls(self) -> dict[str, int | None]:
        """Column → how many rows have a null in it; None where a file has no statistics of it."""
        found = {}
        for name in (n for n in self._files.column_names if n.startswith(_NULLS)):
            numbers = self._files[name].to_pylist()
            found[name.removeprefix(_NULLS)] = None if None in numbers else sum(numbers)
        return found

    @cached_property
    def columns(self) -> dict[str, str]:
        """Column name → Spark SQL type."""
        fields = json.loads(self.table.schema().to_json())["fields"]
        return {f["name"]: type_name(f["type"]) for f in fields}

    def counts(self, column: str, where: str) -> dict[str, int]:
        """How many rows there are of each value of a column, among those that meet a condition."""
        query = f'SELECT "{column}" AS value, count(*) AS rows FROM stored WHERE {where} GROUP BY 1'
        return {row["value"]: row["rows"] for row in select(self.table, "stored", query)}

    def days(self, column: str, after: int | None = None) -> list[str]:
        """The days (ISO) that a date column has in the table, or in the rows that changed after a version."""
        import pyarrow as pa

        if after is None:
            query = f"SELECT DISTINCT CAST(`{column}` AS VARCHAR) AS day FROM stored WHERE `{column}` IS NOT NULL"
            return sorted(row["day"] for row in select(self.table, "stored", query))
        feed = self.table.load_cdf(after + 1, self.version, columns=[column])
        changed = pa.RecordBatchReader.from_stream(feed)
        return sorted({str(day) for batch in changed for day in batch.column(0).to_pylist() if day is not None})

    def head(self, rows: int) -> pa.Table:
        """A few rows, whichever come first."""
        # Not by a pyarrow dataset: its threads read on when they have enough, and end the process with a fault if they
        # still do so at its exit (one command in seven on a busy machine).
        return arrow(self.table, "head", f"SELECT * FROM head LIMIT {rows}")


def select(table: DeltaTable, name: str, query: str) -> list[dict[str, Any]]:
    """The rows of a query that reads one table under a name, by delta-rs' own engine.

    Not by pyarrow's compute functions, which import pandas, for a second.
    """
    rows: list[dict[str, Any]] = arrow(table, name, query).to_pylist()
    return rows


def arrow(table: DeltaTable, name: str, query: str) -> pa.Table:
    """The same as an Arrow table."""
    import pyarrow as pa
    from deltalake import QueryBuilder

    return pa.RecordBatchReader.from_stream(QueryBuilder().register(name, table).execute(query)).read_all()


def read_log(path: str, storage: Mapping[str, str]) -> TableLog | None:
    """The log of the table at a path; None if there is no table yet."""
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:
        with reaching("Reading the log of", path):
            return TableLog(DeltaTable(path, storage_options=dict(storage) or None))
    except TableNotFoundError:
        return None


def type_name(kind: Any) -> str:
    """A Delta schema type as Spark SQL writes it (`long` is `bigint`)."""
    names = {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint"}
    if isinstance(kind, str):
        return names.get(kind, kind)
    match kind["type"]:
        case "array":
            return f"array<{type_name(kind['elementType'])}>"
        case "map":
            return f"map<{type_name(kind['keyType'])},{type_name(kind['valueType'])}>"
        case _:
            return f"struct<{','.join(f['name'] + ':' + type_name(f['type']) for f in kind['fields'])}>"


def _commit(entry: Mapping[str, Any]) -> Commit:
    return Commit(
        version=int(entry["version"]),
        at=datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
        operation=entry["operation"],
        mode=(entry.get("operationParameters") or {}).get("mode", ""),
        part=((entry.get("operationParameters") or {}).get("predicate") or "[]") != "[]",
        metrics=entry.get("operationMetrics") or {},
        told=_told(entry.get("userMetadata")),
    )


def _told(text: str | None) -> Mapping[str, Any]:
    try:
        value = json.loads(text or "null")
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
