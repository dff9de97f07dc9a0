"""The path of every materialisation: plan, read, build, check, write; then what the report needs to know.

A run may end at any point. What it leaves undone is found by the next one: a batch that was planned and not marked,
a quarantine that is one run behind its table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.delta_log import read_log
from lakehouse_assets.engine.discover import Lakehouse
from lakehouse_assets.engine.errors import WriteConflict
from lakehouse_assets.engine.lake import Lake
from lakehouse_assets.engine.run import check, quarantine, write
from lakehouse_assets.engine.run.build import build
from lakehouse_assets.engine.run.lineage import Lineage, column_lineage
from lakehouse_assets.engine.run.plan import Logs, Plan, Read, plan_table
from lakehouse_assets.engine.run.read import read_inputs
from lakehouse_assets.engine.run.verdicts import Verdicts
from lakehouse_assets.engine.run.write import Stamp, Superseded
from lakehouse_assets.engine.spec import Merge, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ATTEMPTS = 5


@dataclass(frozen=True)
class Environment:
    """What a run works with. `session` gives a live Spark session, and is called only when there is work for it."""

    lakehouse: Lakehouse
    lake: Lake
    session: Callable[[], SparkSession]


@dataclass(frozen=True)
class Outcome:
    """What a run did. `version` is the Delta version it committed, None if it had nothing to do.

    `files` counts the arrivals by what became of them; `added` are the columns that new files brought.
    """

    plan: Plan
    seconds: float
    version: int | None = None
    verdicts: Verdicts = field(default_factory=Verdicts)
    lineage: Lineage = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    failed_files: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, str] = field(default_factory=dict)


def materialize(table: Table, env: Environment, full: bool = False) -> Outcome:
    """Bring a table up to date with what it reads, or rebuild it if `full`.

    Raises:
        LakehouseError: a rule declared with `fail` was broken, the contract doesn't hold, files can't be read,
            Spark isn't there, or other runs kept committing first.
    """
    start = time.monotonic()
    attempt = _arrivals if table.source is not None else _attempt
    for _ in range(ATTEMPTS):
        try:
            return replace(attempt(table, env, full), seconds=time.monotonic() - start)
        except Superseded as superseded:
            last = superseded
    raise WriteConflict(f"{last}; gave up after {ATTEMPTS} attempts. Let the other run end, then run this one again")


def _arrivals(table: Table, env: Environment, full: bool) -> Outcome:
    from lakehouse_assets.engine.run.arrive import materialize_arrivals

    return materialize_arrivals(table, env, full)


def _attempt(table: Table, env: Environment, full: bool) -> Outcome:
    logs = Logs(env.lake)
    _finish_last_run(table, env, logs)
    plan = plan_table(table, env.lakehouse, logs, full)
    return Outcome(plan, 0) if plan.way == "nothing" else execute(plan, env)


def execute(plan: Plan, env: Environment) -> Outcome:
    """Carry out a plan against upstream tables: one commit to the table, then its quarantine."""
    table, spark = plan.table, env.session()
    stamp = Stamp(table.key, plan.run, _as_read(plan.reads), table.code_version, table.rules_version)
    with write.explained(table):
        rows = build(spark, table, read_inputs(spark, plan.reads))
        lineage = column_lineage(spark, rows, set(env.lakehouse.tables))
        seen, version = commit(rows, plan, stamp, env)
        settle(rows, plan, seen, env)
    return Outcome(plan, 0, version, seen, lineage)


def commit(built: DataFrame, plan: Plan, stamp: Stamp, env: Environment) -> tuple[Verdicts, int]:
    """Write the accepted rows in one commit; returns what was seen in passing, and the version.

    Raises:
        Superseded: another run committed first.
    """
    from pyspark.sql import Observation

    table, path, observation = plan.table, env.lake.table(plan.table.key), Observation()
    judged = check.observed(check.judge(built, table.rules), table.rules, observation)
    rows = check.accepted(judged, table.rules)
    if plan.way == "merge" and isinstance(table.write, Merge):
        _merge(rows, path, plan, table.write, stamp, env.session())
    else:
        if isinstance(table.write, Merge):
            rows = write.without_deleted(write.newest_per_key(rows, table, table.write), table.write)
        (write.overwrite if plan.way == "full" else write.append)(rows, path, stamp)
    version = write.committed(read_log(path, env.lake.storage), stamp)
    return check.seen(observation, built, table.rules), version


def _merge(rows: DataFrame, path: str, plan: Plan, mode: Merge, stamp: Stamp, spark: SparkSession) -> None:
    """MERGE reads its source more than once, so the changes are computed once and kept while it does."""
    changes = write.newest_per_key(rows, plan.table, mode).persist()
    try:
        changes.count()
        write.merge(spark, changes, path, plan.table, mode, stamp)
    finally:
        changes.unpersist()


def settle(rows: DataFrame, plan: Plan, seen: Verdicts, env: Environment) -> None:
    """After the commit: fill the quarantine, and record that it's complete."""
    table, path, fresh = plan.table, env.lake.quarantine(plan.table.key), plan.way == "full"
    if seen.rejected:
        quarantine.keep(rows, plan, path, seen, env.lake.storage)
    elif quarantine.has_quarantine(table):
        quarantine.mark_complete(table, path, plan.run, env.lake.storage, fresh=fresh)


def _finish_last_run(table: Table, env: Environment, logs: Logs) -> None:
    """Fill the quarantine of a run that committed its rows and ended before it could."""
    own, kept = logs.table(table.key), logs.quarantine(table.key)
    last = own.last_run if own else None
    if last is None or last.run is None or not quarantine.has_quarantine(table):
        return
    done = kept.transaction(table.key) if kept else 0
    if done < last.run["run"]:
        _refill(table, last.run, env)


def _refill(table: Table, run: Mapping[str, Any], env: Environment) -> None:
    reads = _reads_of(run["read"], table, env)
    fresh = all(read.after is None for read in reads.values() if not read.lookup)
    plan = Plan(table, "full" if fresh else "append", "finishing the quarantine of the last run", run["run"], reads)
    spark = env.session()
    with write.explained(table):
        rows = build(spark, table, read_inputs(spark, reads))
        settle(rows, plan, check.tally(rows, table.rules), env)


def _as_read(reads: Mapping[str, Read]) -> dict[str, Any]:
    return {r.key: {"id": r.id, "to": r.to, "after": r.after} for r in reads.values()}


def _reads_of(read: Mapping[str, Any], table: Table, env: Environment) -> dict[str, Read]:
    return {
        parameter: Read(key, env.lake.table(key), read[key]["id"], read[key]["to"], read[key]["after"], upstream.lookup)
        for (parameter, key), upstream in zip(
            env.lakehouse.upstreams(table).items(), table.upstreams.values(), strict=True
        )
        if key in read
    }
