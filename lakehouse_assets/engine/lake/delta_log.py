"""What the Delta logs say, read by delta-rs: nothing here starts a JVM."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.lake.delta_commits import Commit, Kind, commit_of, time_of
from lakehouse_assets.engine.lake.delta_rs import (
    arrow,
    delta_table,
    errors_of_delta_rs,
    select,
    texts,
    type_name,
    undamaged,
)
from lakehouse_assets.engine.lake.delta_rs import column as quoted
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.lake.stores import reaching
from lakehouse_assets.private.deltalake import storage_options

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_NULLS = "null_count."
_NEWEST = 20


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
        with undamaged(self.table.table_uri):
            return [commit_of(entry) for entry in self.table.history()]

    @cached_property
    def standing(self) -> list[Commit]:
        """The commits whose work is still in the table, newest first.

        A RESTORE undoes those after the version that it went back to, and keeps their transactions, so that Delta would
        skip them if they were made again.
        """
        found, newest = list[Commit](), self.version
        for commit in self.commits:
            if commit.version > newest:
                continue
            if commit.restores:
                newest = self._restored(commit)
            else:
                found.append(commit)
        return found

    def _restored(self, commit: Commit) -> int:
        """The version that a RESTORE went back to; -1 if the log no longer has it."""
        version = commit.parameters.get("version")
        if version is not None:
            return int(version)
        text = str(commit.parameters.get("timestamp") or commit.parameters.get("datetime") or "")
        earlier = (c.version for c in self.commits if c.version < commit.version and c.at <= time_of(text))
        return next(earlier, -1)

    @cached_property
    def last_run(self) -> Commit | None:
        """The newest commit of one of our runs whose work is still there."""
        return self.last_of("update")

    @cached_property
    def newest_run(self) -> Mapping[str, Any] | None:
        """What our last run wrote about itself, as `last_run` has it. A table that grows each second has a long log, of
        which the end is looked at first.
        """
        with undamaged(self.table.table_uri):
            newest = [commit_of(entry) for entry in self.table.history(_NEWEST)]
        for commit in newest:
            if commit.restores:
                break
            if commit.run is not None:
                return commit.run
        return self.last_run.run if self.last_run else None

    def last_of(self, kind: Kind) -> Commit | None:
        """The newest commit of a kind whose work is still there."""
        return next((c for c in self.standing if c.of(kind) is not None), None)

    @cached_property
    def earlier_runs(self) -> list[Mapping[str, Any]]:
        """What our runs wrote about themselves, from the last rebuild on, newest first, without the last of them.

        That one may have ended before it came to what is kept beside the table.
        """
        runs = [(c, c.run) for c in self.standing if c.run is not None]
        since = next((i for i, (commit, _) in enumerate(runs) if commit.rebuilds), len(runs))
        return [run for _, run in runs[1 : since + 1]]

    @property
    def by_hand(self) -> Commit | None:
        """The newest commit by which someone else changed rows after our last run, or took back what we committed."""
        return next(iter(self.hands), None)

    @cached_property
    def hands(self) -> list[Commit]:
        """All of those commits, newest first."""
        # A backfill mends its days and leaves the others.
        runs = (c.version for c in self.standing if c.run is not None and not c.run.get("days"))
        standing, last = {commit.version for commit in self.standing}, next(runs, -1)
        undone = any(commit.ours and commit.version not in standing for commit in self._since_rebuild)
        restored = next((commit for commit in self.commits if commit.restores and commit.version > last), None)
        foreign = [c for c in self.standing if c.version > last and c.changes_data and not c.ours]
        found = foreign if self.last_run else []
        return [restored, *found] if undone and restored else found

    @cached_property
    def as_our_runs_left_it(self) -> TableLog:
        """The table at the version of our last run, if someone has changed it since, and that can still be read."""
        from deltalake import DeltaTable

        if self.by_hand is None or self.last_run is None:
            return self
        options, version = storage_options(self.table), self.last_run.version
        with undamaged(self.table.table_uri):
            return TableLog(DeltaTable(self.table.table_uri, version=version, storage_options=options))

    @property
    def _since_rebuild(self) -> list[Commit]:
        """The commits from the last one on by which a run of ours made the table anew."""
        oldest = next((c.version for c in self.standing if c.ours and c.replaces_all), -1)
        return [commit for commit in self.commits if commit.version >= oldest]

    @cached_property
    def tampered(self) -> Commit | None:
        """Of what is kept beside a table: the newest commit by which someone else changed rows, or took back a part of
        ours, since it was made anew, or that was accepted.
        """
        begins = (c.version for c in self.standing if c.ours and (c.replaces_all or c.of("accepted") is not None))
        start, standing = next(begins, -1), {c.version for c in self.standing}
        later = [c for c in self.commits if c.version > start]
        if any(c.ours and c.version not in standing for c in later):
            return next((c for c in later if c.restores), None)
        return next((c for c in later if c.version in standing and c.changes_data and not c.ours), None)

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
        """How many rows a reader sees: without those that a deletion vector has removed from a file."""
        numbers = self._files["num_records"].to_pylist() if "num_records" in self._files.column_names else [None]
        known = [number for number in numbers if number is not None]
        if self.marks_deleted or len(known) < self.file_count:
            return int(select(self.table, "stored", "SELECT count(*) AS rows FROM stored")[0]["rows"])
        return sum(known)

    @property
    def marks_deleted(self) -> bool:
        """Files may have deletion vectors, of which delta-rs' list of files doesn't tell."""
        return "deletionVectors" in (self.table.protocol().reader_features or ())

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
        with undamaged(self.table.table_uri):
            return pa.RecordBatchReader.from_stream(self.table.get_add_actions(flatten=True)).read_all()

    @property
    def nulls(self) -> dict[str, int | None]:
        """Column → how many rows have a null in it; None where a file has no statistics of it, or rows are marked as
        deleted.
        """
        found = {}
        for name in (n for n in self._files.column_names if n.startswith(_NULLS)):
            numbers = [None] if self.marks_deleted else self._files[name].to_pylist()
            found[name.removeprefix(_NULLS)] = None if None in numbers else sum(numbers)
        return found

    @cached_property
    def columns(self) -> dict[str, str]:
        """Column name → Spark SQL type."""
        fields = json.loads(self.table.schema().to_json())["fields"]
        return {f["name"]: type_name(f["type"]) + (" collate" * ("__COLLATIONS" in f["metadata"])) for f in fields}

    def counts(self, column: str, where: str) -> dict[str, int]:
        """How many rows there are of each value of a column, among those that meet a condition."""
        query = f'SELECT "{column}" AS value, count(*) AS rows FROM stored WHERE {where} GROUP BY 1'
        return {row["value"]: row["rows"] for row in select(self.table, "stored", query)}

    @property
    def rescued(self) -> int | None:
        """How many rows have values in `_rescued`; None where the files' statistics don't tell, or there's no such."""
        nulls = self.nulls.get("_rescued")
        return None if nulls is None else self.rows - nulls

    def rescued_by_file(self, paths: Collection[str]) -> Counter[tuple[str, int]]:
        """How many rows with values in `_rescued` each of some arrived files gave, by path and batch."""
        known = {"_rescued", "_source", "_batch"} <= self.columns.keys()
        return Counter(self.rows_by_file(paths, where='"_rescued" IS NOT NULL') if known else {})

    def rows_by_file(self, paths: Collection[str] | None = None, where: str = "true") -> dict[tuple[str, int], int]:
        """How many rows that meet a condition each arrived file gave, by path and batch; of some files, or of all."""
        if paths is not None:
            where += f' AND "_source" IN ({texts(paths)})' if paths else " AND false"
        query = f'SELECT "_source", "_batch", count(*) AS rows FROM stored WHERE {where} GROUP BY 1, 2'
        return {(row["_source"], row["_batch"]): row["rows"] for row in select(self.table, "stored", query)}

    def days(self, column: str, after: int | None = None) -> list[str]:
        """The days (ISO) that a date column has in the table, or in the rows that changed after a version."""
        import pyarrow as pa

        if after is None:
            query = f"SELECT DISTINCT CAST(`{column}` AS VARCHAR) AS day FROM stored WHERE `{column}` IS NOT NULL"
            return sorted(row["day"] for row in select(self.table, "stored", query))
        try:
            feed = self.table.load_cdf(after + 1, self.version, columns=[quoted(column)])
            changed = pa.RecordBatchReader.from_stream(feed)
            return sorted({str(day) for batch in changed for day in batch.column(0).to_pylist() if day is not None})
        except errors_of_delta_rs():  # the changes can't be read any more, or a day is none of Python's
            return self.days(column)

    def head(self, rows: int) -> pa.Table:
        """A few rows, whichever come first."""
        # Not by a pyarrow dataset: its threads read on when they have enough, and end the process with a fault if they
        # still do so at its exit (one command in seven on a busy machine).
        return arrow(self.table, "head", f"SELECT * FROM head LIMIT {rows}")


def read_log(table: TableRef) -> TableLog | None:
    """The log of a table; None if there is none yet.

    Raises:
        DamagedTable: there is one, and its log can't be read.
    """
    from deltalake.exceptions import TableNotFoundError

    try:
        with undamaged(table.path), reaching("Reading the log of", table.path):
            return TableLog(delta_table(table))
    except TableNotFoundError:
        return None
