"""Where rejected rows go: an append-only table per table, with each verdict on each of them.

| column | meaning |
|---|---|
| id | the row, the same in all verdicts on it |
| row | the rejected row as JSON, as the table's function made it; with the texts that came, if one doesn't parse |
| broken | the names of the expectations it broke, warnings among them |
| accepted | whether this verdict let the row into the table |
| rules | the version (hash) of the expectations that judged it |
| source | the file it came from; for rows made of many, the tables and versions that were read |
| run | the run of the table that rejected it first |
| replay | the replay that judged it again and came to another verdict; null for the first one |
| judged_at | when, UTC |

Its transaction version says up to which run it's complete; a run that ended before that is finished by the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake.delta_commits import Kind, mark_of
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_rs import committed_once, select, text
from lakehouse_assets.engine.lake.delta_write import once
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.lake.tables import write_table
from lakehouse_assets.engine.plan.plan import Plan
from lakehouse_assets.engine.quality.expectation_counts import ExpectationCounts
from lakehouse_assets.engine.quality.judge import broken_names, suspects
from lakehouse_assets.engine.quality.typed_columns import as_arrived
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.engine.spec.texts import RAW

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable
    from pyspark.sql import Column, DataFrame

# So many rows are brought here and written by delta-rs, in milliseconds; Spark needs a second for a small write.
FEW = 1000
# So that a row can be read back as it was: Spark leaves out microseconds unless it's told.
_EXACTLY = {
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}


@dataclass(frozen=True)
class Part:
    """What a run, a replay or another writer adds to a quarantine, as the transaction `run` of `app`.

    A `fresh` one takes the place of all that was there.
    """

    app: str
    run: int
    fresh: bool = False


def is_due(table: Table, kept: TableLog | None, run: int) -> bool:
    """Whether the quarantine of a table, as it's `kept`, still lacks what a run rejected."""
    return table.has_quarantine and (kept is None or kept.transaction(table.key) < run)


def keep(rows: DataFrame, plan: Plan, kept: TableRef, seen: ExpectationCounts) -> None:
    """Keep the rejected ones among the rows of a run, in one job, and record that this run's are complete.

    A full refresh replaces what earlier runs rejected, as it replaces what they accepted.
    """
    found, fresh = suspects(rows, plan.table.expectations, seen), plan.strategy == "full"
    add(found.select(*_verdict(found, plan)), seen.rejected, kept, Part(plan.table.key, plan.run, fresh))


def add(verdicts: DataFrame, number: int, kept: TableRef, part: Part) -> None:
    """Add at most so many verdicts as the part of a run or a replay, unless it's there."""
    if number <= FEW:
        _write_few(verdicts.toArrow(), kept, part)
    else:
        write_table(verdicts, kept, "overwrite" if part.fresh else "append", once(part.app, part.run))


def mark_complete(kept: TableRef, part: Part) -> None:
    """Record that a run rejected nothing, by an empty commit."""
    _write_few(_schema().empty_table(), kept, part)


def forget(rows_of: Sequence[tuple[str, int]], kept: TableRef, part: Part) -> None:
    """Delete what was rejected of files, each with the run that read it, as a part of an application."""
    log, mine = read_log(kept), " OR ".join(f"(source = {text(s)} AND run = {run})" for s, run in rows_of)
    if log and log.transaction(part.app) < part.run:
        log.table.delete(mine, commit_properties=_once(part))
        # Where there was nothing to delete, it has made no commit.
        _write_few(_schema().empty_table(), kept, part)


def accept(kept: TableRef, key: str) -> None:
    """Take what others did to a quarantine, or that it's gone, for meant."""
    from deltalake import write_deltalake

    table, app = _made(kept), f"{key}/accept"
    part = Part(app, (table.transaction_version(app) or 0) + 1)
    write_deltalake(table, _schema().empty_table(), mode="append", commit_properties=_once(part, "accepted"))


def waiting(kept: TableLog) -> int:
    """How many rows no verdict has let into the table yet."""
    query = "SELECT count(DISTINCT id) - count(*) FILTER (WHERE accepted) AS n FROM kept"
    return int(select(kept.table, "kept", query)[0]["n"])


def latest(kept: str) -> str:
    """The last verdict on each row that isn't in the table yet, as a query that Spark and delta-rs both understand."""
    nth = "row_number() OVER (PARTITION BY id ORDER BY coalesce(replay, 0) DESC)"
    return f"SELECT * FROM (SELECT *, {nth} AS nth FROM {kept}) AS verdicts WHERE nth = 1 AND NOT accepted"


def _made(kept: TableRef) -> DeltaTable:
    from deltalake import DeltaTable

    return DeltaTable.create(kept.path, _schema(), mode="ignore", storage_options=dict(kept.storage) or None)


def _write_few(rows: pa.Table, kept: TableRef, part: Part) -> None:
    """Commit the rows, unless this run's are there; of two processes that try at once, delta-rs refuses one."""
    from deltalake import write_deltalake
    from deltalake.exceptions import CommitFailedError

    table = _made(kept)
    if (table.transaction_version(part.app) or 0) >= part.run:
        return
    mine, whole = _once(part), rows.cast(_schema())
    try:
        if part.fresh:
            write_deltalake(table, whole, mode="overwrite", schema_mode="overwrite", commit_properties=mine)
        else:
            write_deltalake(table, whole, mode="append", schema_mode="merge", commit_properties=mine)
    except CommitFailedError:
        table.update_incremental()
        if (table.transaction_version(part.app) or 0) < part.run:
            raise


def _once(part: Part, kind: Kind = "part") -> CommitProperties:
    return committed_once(part.app, part.run, mark_of(part.app, part.run, kind))


def as_json(columns: Sequence[Column], **options: str) -> Column:
    """A row's values of these columns as JSON, times to the microsecond; by Spark's default without its nulls."""
    from pyspark.sql import functions as F

    return F.to_json(F.struct(*columns), _EXACTLY | options)


def _row(df: DataFrame, table: Table) -> Column:
    """A row with its values; with the texts that came, if one of them doesn't parse."""
    from pyspark.sql import functions as F

    values = as_json([F.col(f"`{c}`") for c in df.columns if c != RAW], ignoreNullFields="false")
    if not table.texts:
        return values
    parses = F.expr(" AND ".join(f"({expectation.condition})" for expectation in table.parse_expectations.values()))
    return F.when(parses, values).otherwise(as_json(as_arrived(df, table.texts), ignoreNullFields="false"))


def _verdict(df: DataFrame, plan: Plan) -> list[Column]:
    from pyspark.sql import functions as F

    table, read = plan.table, ", ".join(f"{r.key}@{r.to}" for r in plan.reads.values())
    source = F.col("_source") if "_source" in df.columns else F.lit(read)
    return [
        F.expr("uuid()").alias("id"),
        _row(df, table).alias("row"),
        broken_names(table.expectations).alias("broken"),
        F.lit(False).alias("accepted"),
        F.lit(table.expectations_version).alias("rules"),
        source.alias("source"),
        F.lit(plan.run).cast("bigint").alias("run"),
        F.lit(None).cast("bigint").alias("replay"),
        F.lit(datetime.now(UTC)).alias("judged_at"),
    ]


def _schema() -> pa.Schema:
    import pyarrow as pa

    fields = [
        ("id", pa.string()), ("row", pa.string()), ("broken", pa.list_(pa.string())), ("accepted", pa.bool_()),
        ("rules", pa.string()), ("source", pa.string()), ("run", pa.int64()), ("replay", pa.int64()),
        ("judged_at", pa.timestamp("us", "UTC")),
    ]  # fmt: skip
    return pa.schema(fields)
