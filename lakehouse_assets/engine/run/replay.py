"""Rejected rows judged again by the expectations as they are now; those that pass go on into the table, exactly once.

A replay is one commit to the table, by the table's own write mode, so that a row that comes late finds its place. Its
number is the transaction version of an application of its own, in the table, its state and its quarantine: the runs
of the table don't notice it. What it judged and by which expectations is in the commit, so that one that ended early
can be completed by whatever runs next.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.lake.delta_commits import REPLAY
from lakehouse_assets.engine.lake.delta_log import TableLog
from lakehouse_assets.engine.lake.delta_merge import persisted
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.state import Part
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.modes.commit import commit, complete_state
from lakehouse_assets.engine.modes.work import Work
from lakehouse_assets.engine.plan.plan import Logs, Plan
from lakehouse_assets.engine.quality import judge, quarantine
from lakehouse_assets.engine.quality.typed_columns import with_texts
from lakehouse_assets.engine.run.outcome import Outcome, until_committed
from lakehouse_assets.engine.run.recover import recover
from lakehouse_assets.engine.run.trace import traced
from lakehouse_assets.engine.spark_errors.explained import explained
from lakehouse_assets.engine.spec.modes import VALIDITY, Refresh, Replace
from lakehouse_assets.engine.spec.table import Expectation, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# A row that can't be read as the table's columns are now stays in quarantine with this in the place of an expectation.
UNREADABLE = "fits_the_columns"
_KEPT, _ROW, _ODD = "__kept", "__row", "__odd"
_READABLE = f"{_ROW} IS NOT NULL AND {_ROW}.{_ODD} IS NULL"


@dataclass(frozen=True)
class _Judging:
    """What a replay judges: the rows that wait in a version of the quarantine, as columns (name → type), by
    expectations.

    `texts` are those of the columns that may be any text, with the types that they're cast to.
    """

    quarantine: int
    columns: dict[str, str]
    rules: tuple[Expectation, ...]
    version: str
    texts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, told: dict[str, Any]) -> _Judging:
        return cls(**{**told, "rules": tuple(Expectation(**rule) for rule in told["rules"])})


def replay(table: Table, context: Context) -> Outcome:
    """Judge the rows in a table's quarantine again, and bring those that pass into the table.

    Raises:
        LakehouseError: the table is computed anew by each run, so that its rows are judged again anyway; an expectation
            declared with `fail` is broken; Spark isn't there; or other runs kept committing first.
    """
    require_replayable(table)
    return until_committed(lambda: _attempt(table, context))


def require_replayable(table: Table) -> None:
    """Raises LakehouseError for a table that is computed anew by each run, so that its rows are judged again anyway."""
    if isinstance(table.write, Replace | Refresh):
        raise LakehouseError(
            f"Replaying {table.key}: its rows are computed from other tables; `lakehouse run {table.key} --full` "
            "computes and judges all of them by the expectations as they are now"
        )


def finish_replay(table: Table, context: Context, logs: Logs) -> None:
    """Complete what a replay that committed its rows, and ended early, left out of quarantine and state."""
    app, own = _app(table), logs.table(table.key)
    number = own.transaction(app) if own else 0
    kept, known = logs.quarantine(table.key), logs.state(table.key)
    last = next((c for c in own.commits if REPLAY in c.told), None) if own and number else None
    if last is None or kept is None:
        return
    told = last.told[REPLAY]
    unsettled = kept.transaction(app) < number
    forgotten = bool(told.get("remembers")) and (known.transaction(app) if known else 0) < number
    if unsettled or forgotten:
        judging, spark = _Judging.read(told["replay"]), context.session()
        with explained(table), persisted(spark, _waiting(table, context, judging, spark)) as waiting:
            if forgotten:
                accepted = judge.accepted(judge.judge(_rows(waiting, judging), judging.rules), judging.rules)
                complete_state(accepted, Part(table, context.lake, app, number, before=last.version - 1))
            _settle(waiting, table, context, judging, number)


def _attempt(table: Table, context: Context) -> Outcome:
    logs = Logs(context.lake)
    if not table.source:
        recover(table, context, logs)
    finish_replay(table, context, logs)
    logs = Logs(context.lake)
    own, kept = logs.table(table.key), logs.quarantine(table.key)
    rows = quarantine.waiting(kept) if kept else 0
    if own is None or kept is None or not rows:
        return Outcome(Plan(table, "nothing", "no row is in quarantine"), 0)
    plan = Plan(table, "replay", f"{rows} rows in quarantine", _next_number(table, logs))
    return _execute(
        plan,
        context,
        _Judging(kept.version, _columns(table, own), table.expectations, table.expectations_version, table.texts),
    )


def _next_number(table: Table, logs: Logs) -> int:
    """Beyond that of every part: the table may have been dropped, and its quarantine not."""
    parts = (logs.table(table.key), logs.quarantine(table.key), logs.state(table.key))
    return 1 + max(log.transaction(_app(table)) for log in parts if log)


def _execute(plan: Plan, context: Context, judging: _Judging) -> Outcome:
    table, spark = plan.table, context.session()
    told = asdict(judging)
    stamp = Stamp(_app(table), plan.run, {}, table.mode, table.code_version, judging.version, replay=told)
    # Kept, because Spark would read of the JSON only what is asked for, and see less of what can't be read.
    with (
        traced(plan, context),
        explained(table),
        persisted(spark, _waiting(table, context, judging, spark)) as waiting,
    ):
        rows = _rows(waiting, judging)
        seen = judge.tally(rows, judging.rules)
        if seen.judged == seen.rejected:
            _settle(waiting, table, context, judging, plan.run)
            return Outcome(
                replace(plan, strategy="nothing", reason=f"{plan.reason}, none of which passes"), 0, counts=seen
            )
        done = commit(Work(plan, rows, context.lake), stamp)
        _settle(waiting, table, context, judging, plan.run)
    return Outcome(plan, 0, done.version, done.seen)


def _app(table: Table) -> str:
    return f"{table.key}/replay"


def _columns(table: Table, own: TableLog) -> dict[str, str]:
    """The columns that a row may have, with their types: those declared, and those the table was given besides."""
    declared = {c.name: c.type for c in table.columns}
    known = declared | {name: kind for name, kind in own.columns.items() if name not in declared}
    return {name: kind for name, kind in known.items() if name not in VALIDITY}


def _rows(waiting: DataFrame, judging: _Judging) -> DataFrame:
    return _readable(waiting, judging).drop(_KEPT)


def _readable(waiting: DataFrame, judging: _Judging) -> DataFrame:
    from pyspark.sql import functions as F

    columns = [F.col(f"{_ROW}.`{name}`").cast(kind).alias(name) for name, kind in _as_kept(judging).items()]
    return with_texts(waiting.where(_READABLE).select(*columns, _KEPT), judging.texts, judging.texts)


def _as_kept(judging: _Judging) -> dict[str, str]:
    return judging.columns | dict.fromkeys(judging.texts, "string")


def _waiting(table: Table, context: Context, judging: _Judging, spark: SparkSession) -> DataFrame:
    from pyspark.sql import functions as F

    kept = read_rows(spark, context.lake.quarantine(table.key), judging.quarantine)
    kept.createOrReplaceTempView("lakehouse_quarantine")
    waiting = spark.sql(quarantine.latest("lakehouse_quarantine")).drop("nth")
    odd = {"columnNameOfCorruptRecord": _ODD}
    # JSON has no keys but text.
    read_as = [f"`{name}` {re.sub('map<[^,<]+,', 'map<string,', kind)}" for name, kind in _as_kept(judging).items()]
    row = F.from_json("row", f"{', '.join(read_as)}, `{_ODD}` string", odd)
    return waiting.select(F.struct("*").alias(_KEPT), row.alias(_ROW))


def _settle(waiting: DataFrame, table: Table, context: Context, judging: _Judging, number: int) -> None:
    """Add the verdicts that are other than the last ones to the quarantine."""
    from pyspark.sql import functions as F

    read = judge.judge(_readable(waiting, judging), judging.rules)
    judged = read.select(
        _KEPT, judge.broken_names(judging.rules).alias("broken"), (~judge.rejected(judging.rules)).alias("accepted")
    )
    unread = waiting.where(f"NOT ({_READABLE})").select(
        _KEPT, F.array(F.lit(UNREADABLE)).alias("broken"), F.lit(False).alias("accepted")
    )
    changed = judged.unionByName(unread).where(f"accepted OR broken <> {_KEPT}.broken")
    verdicts = changed.select(
        f"{_KEPT}.id", f"{_KEPT}.row", "broken", "accepted", F.lit(judging.version).alias("rules"), f"{_KEPT}.source",
        f"{_KEPT}.run", F.lit(number).cast("bigint").alias("replay"), F.current_timestamp().alias("judged_at"),
    )  # fmt: skip
    quarantine.add(verdicts, waiting.count(), context.lake.quarantine(table.key), quarantine.Part(_app(table), number))
