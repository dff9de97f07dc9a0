"""Where rejected rows go: an append-only table per table, each row with what it broke, by which rules, and whence.

| column | meaning |
|---|---|
| row | the rejected row as JSON, as the table's function made it |
| broken | the names of the rules it broke, warnings among them |
| rules | the version (hash) of the rule set that judged it |
| source | the file it came from; for rows made of many, the tables and versions that were read |
| run | the run of the table that rejected it |
| rejected_at | when, UTC |

Its transaction version says up to which run it's complete; a run that ended before that is finished by the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakehouse_assets.engine.run.check import MASK, broken_names, suspects
from lakehouse_assets.engine.run.plan import Plan
from lakehouse_assets.engine.run.verdicts import Verdicts
from lakehouse_assets.engine.run.write import once
from lakehouse_assets.engine.spec import Table

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

# So many rows are brought here and written by delta-rs, in milliseconds; Spark needs a second for a small write.
FEW = 1000


def has_quarantine(table: Table) -> bool:
    return any(rule.action == "drop" for rule in table.rules)


def keep(rows: DataFrame, plan: Plan, path: str, seen: Verdicts, storage: Mapping[str, str]) -> None:
    """Keep the rejected ones among the rows of a run, in one job, and record that this run's are complete.

    A full refresh replaces what earlier runs rejected, as it replaces what they accepted.
    """
    table, fresh, found = plan.table, plan.way == "full", suspects(rows, plan.table.rules, seen)
    kept = found.select(*_row(found, plan))
    if seen.rejected <= FEW:
        _write_few(kept.toArrow(), table, path, plan.run, storage, fresh=fresh)
    else:
        once(kept, table.key, plan.run).mode("overwrite" if fresh else "append").save(path)


def mark_complete(table: Table, path: str, run: int, storage: Mapping[str, str], *, fresh: bool) -> None:
    """Record that a run rejected nothing, by an empty commit."""
    _write_few(_schema().empty_table(), table, path, run, storage, fresh=fresh)


def _write_few(rows: pa.Table, table: Table, path: str, run: int, storage: Mapping[str, str], *, fresh: bool) -> None:
    """Commit the rows, unless this run's are there; of two processes that try at once, delta-rs refuses one."""
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
    from deltalake.exceptions import CommitFailedError

    kept = DeltaTable.create(path, _schema(), mode="ignore", storage_options=dict(storage) or None)
    if (kept.transaction_version(table.key) or 0) >= run:
        return
    once, whole = CommitProperties(app_transactions=[Transaction(table.key, run)]), rows.cast(_schema())
    try:
        if fresh:
            write_deltalake(kept, whole, mode="overwrite", commit_properties=once)
        else:
            write_deltalake(kept, whole, mode="append", commit_properties=once)
    except CommitFailedError:
        kept.update_incremental()
        if (kept.transaction_version(table.key) or 0) < run:
            raise


def _row(df: DataFrame, plan: Plan) -> list[Column]:
    from pyspark.sql import functions as F

    table, read = plan.table, ", ".join(f"{r.key}@{r.to}" for r in plan.reads.values())
    data = [c for c in df.columns if not c.startswith(MASK.format(""))]
    source = F.col("_source") if "_source" in data else F.lit(read)
    whole = F.to_json(F.struct(*(F.col(f"`{c}`") for c in data)), {"ignoreNullFields": "false"})
    return [
        whole.alias("row"),
        broken_names(table.rules).alias("broken"),
        F.lit(table.rules_version).alias("rules"),
        source.alias("source"),
        F.lit(plan.run).cast("bigint").alias("run"),
        F.lit(datetime.now(UTC)).alias("rejected_at"),
    ]


def _schema() -> pa.Schema:
    import pyarrow as pa

    fields = [
        ("row", pa.string()), ("broken", pa.list_(pa.string())), ("rules", pa.string()), ("source", pa.string()),
        ("run", pa.int64()), ("rejected_at", pa.timestamp("us", "UTC")),
    ]  # fmt: skip
    return pa.schema(fields)
