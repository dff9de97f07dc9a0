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

from lakehouse_assets.engine.run.check import (
    MASK,
    Verdicts,
    broken_names,
    by_rule,
    flagged,
    named,
    observed,
    rejected,
    rule_counts,
)
from lakehouse_assets.engine.spec import Table

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame


def has_quarantine(table: Table) -> bool:
    return any(rule.action == "drop" for rule in table.rules)


def count_and_keep(
    judged: DataFrame, table: Table, path: str, run: int, seen: Verdicts, *, fresh: bool, read: str
) -> Verdicts:
    """Keep the rejected rows, and count by rule those that broke any, in one job over the rows that are flagged.

    `fresh` replaces what earlier runs rejected, as a full refresh replaces what they accepted.
    """
    from pyspark.sql import Observation

    rules = table.rules
    # Observed first: Spark doesn't move a filter below an observation. Below it, every rule would be inlined into the
    # filter with all the expressions it is made of, and computed a second time (measured: 50 s instead of 2).
    bad = observed(judged, rules, Observation()).where(flagged(rules))
    observation = Observation()
    kept = bad.observe(observation, *rule_counts(rules)).where(rejected(rules))
    _write(kept.select(*_row(kept, table, run, read)), path, table.key, run, fresh=fresh)
    found = observation.get
    return named(found, rules, seen) if found else by_rule(judged, rules, seen)


def mark_complete(table: Table, path: str, run: int, storage: Mapping[str, str], *, fresh: bool) -> None:
    """Record that a run rejected nothing, by an empty commit of delta-rs (milliseconds, no Spark job)."""
    from deltalake import CommitProperties, Transaction, write_deltalake

    write_deltalake(
        path,
        _empty(),
        mode="overwrite" if fresh else "append",
        storage_options=dict(storage) or None,
        commit_properties=CommitProperties(app_transactions=[Transaction(table.key, run)]),
    )


def _row(df: DataFrame, table: Table, run: int, read: str) -> list[Column]:
    from pyspark.sql import functions as F

    data = [c for c in df.columns if not c.startswith(MASK.format(""))]
    source = F.col("_source") if "_source" in data else F.lit(read)
    whole = F.to_json(F.struct(*(F.col(f"`{c}`") for c in data)), {"ignoreNullFields": "false"})
    return [
        whole.alias("row"),
        broken_names(table.rules).alias("broken"),
        F.lit(table.rules_version).alias("rules"),
        source.alias("source"),
        F.lit(run).cast("bigint").alias("run"),
        F.lit(datetime.now(UTC)).alias("rejected_at"),
    ]


def _write(df: DataFrame, path: str, key: str, run: int, *, fresh: bool) -> None:
    writer = df.write.format("delta").option("txnAppId", key).option("txnVersion", run)
    writer.mode("overwrite" if fresh else "append").save(path)


def _empty() -> pa.Table:
    import pyarrow as pa

    fields = [
        ("row", pa.string()), ("broken", pa.list_(pa.string())), ("rules", pa.string()), ("source", pa.string()),
        ("run", pa.int64()), ("rejected_at", pa.timestamp("us", "UTC")),
    ]  # fmt: skip
    return pa.schema(fields).empty_table()
