"""The path of every materialisation: plan, read, build, check, write; then what the report needs to know.

A run may end at any point. What it leaves undone is found by the next one: a batch that was planned and not marked,
a quarantine or a memory that is one run behind its table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.discover import Lakehouse
from lakehouse_assets.engine.errors import WriteConflict
from lakehouse_assets.engine.lake import Lake
from lakehouse_assets.engine.modes import Refresh
from lakehouse_assets.engine.run import check, memory, quarantine, write
from lakehouse_assets.engine.run.build import build
from lakehouse_assets.engine.run.commit import commit, remember_again, settle
from lakehouse_assets.engine.run.groups import as_json
from lakehouse_assets.engine.run.late import at, behind
from lakehouse_assets.engine.run.lineage import Lineage, column_lineage
from lakehouse_assets.engine.run.plan import Logs, Plan, Read, Way, plan_table
from lakehouse_assets.engine.run.query_plan import analysed
from lakehouse_assets.engine.run.read import read_inputs, whole_inputs
from lakehouse_assets.engine.run.refresh import Work, narrowed
from lakehouse_assets.engine.run.verdicts import Verdicts
from lakehouse_assets.engine.run.write import Stamp, Superseded
from lakehouse_assets.engine.spec import Table

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

    `files` counts the arrivals by what became of them; `added` are the columns that new files brought; `proven` the
    checks of the whole table that it passed before it was committed.
    """

    plan: Plan
    seconds: float
    version: int | None = None
    verdicts: Verdicts = field(default_factory=Verdicts)
    lineage: Lineage = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    failed_files: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, str] = field(default_factory=dict)
    proven: frozenset[str] = frozenset()


def materialize(table: Table, env: Environment, full: bool = False, accept_loss: bool = False) -> Outcome:
    """Bring a table up to date with what it reads, or rebuild it if `full`.

    With `accept_loss` a rebuild may leave out rows and versions that can't be had again.

    Raises:
        LakehouseError: a rule declared with `fail` was broken, a rebuild failed a check or would lose rows, the
            contract doesn't hold, files can't be read, Spark isn't there, or other runs kept committing first.
    """
    if table.source:
        return until_committed(lambda: _arrivals(table, env, full))
    return until_committed(lambda: _attempt(table, env, full, accept_loss))


def until_committed(attempt: Callable[[], Outcome]) -> Outcome:
    """What an attempt does, made again where another run commits first.

    Raises:
        WriteConflict: others kept committing first.
    """
    start = time.monotonic()
    for _ in range(ATTEMPTS):
        try:
            return replace(attempt(), seconds=time.monotonic() - start)
        except Superseded as superseded:
            last = superseded
    raise WriteConflict(f"{last}; gave up after {ATTEMPTS} attempts. Let the other run end, then run this one again")


def _arrivals(table: Table, env: Environment, full: bool) -> Outcome:
    from lakehouse_assets.engine.run.arrive import materialize_arrivals

    return materialize_arrivals(table, env, full)


def _attempt(table: Table, env: Environment, full: bool, accept_loss: bool) -> Outcome:
    from lakehouse_assets.engine.run.replay import finish_replay

    logs = Logs(env.lake)
    finish_last_run(table, env, logs)
    finish_replay(table, env, logs)
    plan = plan_table(table, env.lakehouse, logs, full)
    if plan.way == "nothing":
        return Outcome(plan, 0)
    if plan.way != "full":
        plan = replace(plan, table=behind(table, logs.table(table.key)))
    return execute(replace(plan, accepts_loss=accept_loss), env)


def execute(plan: Plan, env: Environment) -> Outcome:
    """Carry out a plan against upstream tables: one commit to the table, then what belongs to it."""
    table, spark = plan.table, env.session()
    with write.explained(table):
        rows = build(spark, table, _inputs(spark, plan))
        tree = analysed(spark, rows)
        with narrowed(plan, rows, tree, env.lake, spark) as work:
            done = commit(work, _stamp(work), env.lake, spark)
            settle(work.rows, work.plan, done.seen, env.lake)
    lineage = column_lineage(tree, set(env.lakehouse.tables))
    return Outcome(work.plan, 0, done.version, done.seen, lineage, proven=done.proven)


def _inputs(spark: SparkSession, plan: Plan) -> dict[str, DataFrame]:
    whole = isinstance(plan.table.write, Refresh)  # its query is that of the whole table, narrowed to some groups
    return whole_inputs(spark, plan.reads) if whole else read_inputs(spark, plan.reads)


def _stamp(work: Work) -> Stamp:
    table = work.plan.table
    stamp = Stamp.of(table, work.plan.run, _as_read(work.plan.reads), as_json(work.routes))
    days = tuple(day.isoformat() for day in work.plan.days or ())
    return replace(stamp, watermark=table.watermark.behind if table.watermark else "", days=days)


def finish_last_run(table: Table, env: Environment, logs: Logs) -> None:
    """Complete what a run that committed its rows, and ended early, left out of quarantine and memory."""
    own, kept = logs.table(table.key), logs.quarantine(table.key)
    last = own.last_run if own else None
    if own is None or last is None or last.run is None:
        return
    number, done = last.run["run"], kept.transaction(table.key) if kept else 0
    unsettled = quarantine.has_quarantine(table) and done < number
    known = logs.memory(table.key)
    due = bool(last.run.get("remembers")) and not memory.lost(own, known)
    forgotten = due and (known.transaction(table.key) if known else 0) < number
    if unsettled or forgotten:
        _complete(table, last.run, env, unsettled=unsettled, forgotten=forgotten)


def _complete(table: Table, run: Mapping[str, Any], env: Environment, *, unsettled: bool, forgotten: bool) -> None:
    reads = reads_of(run["read"], table, env)
    fresh = all(read.after is None for read in reads.values() if not read.lookup)
    way: Way = "full" if fresh else "refresh" if isinstance(table.write, Refresh) else "append"
    table = at(table, run.get("watermark", ""))
    days = tuple(map(date.fromisoformat, run.get("days", ())))
    plan = Plan(table, way, "completing the last run", run["run"], reads, days=(days[0], days[1]) if days else None)
    spark = env.session()
    with write.explained(table):
        built = build(spark, table, _inputs(spark, plan))
        with narrowed(plan, built, analysed(spark, built), env.lake, spark, bound=True) as work:
            if forgotten:
                accepted = check.accepted(check.judge(work.rows, table.rules), table.rules)
                remember_again(accepted, table, env.lake, table.key, plan.run, fresh=fresh)
            if unsettled:
                settle(work.rows, plan, check.tally(work.rows, table.rules), env.lake)


def _as_read(reads: Mapping[str, Read]) -> dict[str, Any]:
    return {r.key: {"id": r.id, "to": r.to, "after": r.after} for r in reads.values()}


def reads_of(read: Mapping[str, Any], table: Table, env: Environment) -> dict[str, Read]:
    """What a run wrote that it had read, by parameter."""
    return {
        parameter: Read(key, env.lake.table(key), read[key]["id"], read[key]["to"], upstream, read[key]["after"])
        for (parameter, key), upstream in zip(
            env.lakehouse.upstreams(table).items(), table.upstreams.values(), strict=True
        )
        if key in read
    }
