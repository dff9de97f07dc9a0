"""Steps 3 and 4 together: rows are judged as they're written, in one commit; what belongs to it is written after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import WriteFailed
from lakehouse_assets.engine.lake import delta_write, state
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_merge import SURE, of_keys, persisted, with_gone
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.lake.state import Part
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.modes import scd1, scd2, unavailable
from lakehouse_assets.engine.modes.refresh import refresh
from lakehouse_assets.engine.modes.refresh.refresh import Work
from lakehouse_assets.engine.modes.unavailable import OPEN, Settled
from lakehouse_assets.engine.plan.plan import Plan
from lakehouse_assets.engine.quality import judge, quarantine
from lakehouse_assets.engine.quality.audit import audit, needs_audit
from lakehouse_assets.engine.quality.expectation_counts import ExpectationCounts
from lakehouse_assets.engine.spark_errors.broken_expectation import FAILED
from lakehouse_assets.engine.spark_errors.causes import all_told, cause_of, hides_its_cause, is_about_values, remedy_for
from lakehouse_assets.engine.spec.modes import UNAVAILABLE, History, Merge, Refresh
from lakehouse_assets.engine.spec.table import Expectation

if TYPE_CHECKING:
    from pyspark.errors import PySparkException
    from pyspark.sql import DataFrame, SparkSession


# The version, and the checks that were made before it.
_Done = tuple[int, frozenset[str]]


@dataclass(frozen=True)
class Committed:
    """What was seen in passing, the version, and the checks of the whole table that were made before."""

    seen: ExpectationCounts
    version: int
    audited: frozenset[str] = frozenset()


def commit(work: Work, stamp: Stamp, lake: Lake, spark: SparkSession) -> Committed:
    """Write the accepted rows in one commit.

    Raises:
        Superseded: another run committed first.
    """
    from pyspark.sql import Observation

    expectations, observation = work.plan.table.expectations, Observation()
    rows = judge.accepted(judge.observed(judge.judge(work.rows, expectations), expectations, observation), expectations)
    with _telling_why(work):
        version, audited = _commit(rows, work, stamp, lake, spark)
    return Committed(judge.seen(observation, work.rows, expectations), version, audited)


@contextmanager
def _telling_why(work: Work) -> Iterator[None]:
    """Where the error of a write doesn't say why, or not by which expectation, the rows are computed once more to know.

    Raises:
        WriteFailed: an expectation can't be computed for a row. (What is wrong with the rows is for others to say: it
            may be their file.)
    """
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as error:
        expectations = work.plan.table.expectations
        if hides_its_cause(error):
            judge.try_out(work.rows, expectations)
        elif is_about_values(error) and FAILED not in all_told(error):
            _blame_expectation(work, error)
        raise


def _blame_expectation(work: Work, error: PySparkException) -> None:
    key, expectations = work.plan.table.key, work.plan.table.expectations
    if not expectations or _raises(work.rows, ()):
        return
    low, high = 0, len(expectations)  # the first `high` expectations raise, the first `low` don't
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _raises(work.rows, expectations[low:middle]) else (middle, high)
    expectation, cause = expectations[low], cause_of(error)
    raise WriteFailed(
        f"Writing {key}: expectation {expectation.name!r} ({expectation.condition}) can't be judged: {cause}; "
        f"{remedy_for(cause)}"
    ) from error


def _raises(rows: DataFrame, expectations: Sequence[Expectation]) -> bool:
    from pyspark.errors import PySparkException

    try:
        judge.try_out(rows, expectations)
    except PySparkException as error:
        return FAILED not in all_told(error)
    return False


def _commit(rows: DataFrame, work: Work, stamp: Stamp, lake: Lake, spark: SparkSession) -> _Done:
    plan = work.plan
    match plan.table.write:
        case Merge() as mode:
            return _commit_newest(rows, work, mode, stamp, lake)
        case History() as mode:
            return _commit_history(rows, plan, mode, stamp, lake, spark)
        case Refresh() if plan.strategy == "refresh":
            refresh.commit(rows, work, stamp, lake, spark)
            return _version(plan, stamp, lake), frozenset()
        case _:
            return _put(rows, plan, stamp, lake, spark)


def settle(built: DataFrame, plan: Plan, seen: ExpectationCounts, lake: Lake) -> None:
    """After the commit: fill the quarantine, and record that it's complete."""
    kept = lake.quarantine(plan.table.key)
    if seen.rejected:
        quarantine.keep(built, plan, kept, seen)
    elif plan.table.has_quarantine:
        quarantine.mark_complete(kept, quarantine.Part(plan.table.key, plan.run, plan.strategy == "full"))


def complete_state(rows: DataFrame, part: Part) -> None:
    """Write to the state what a run that ended too early left out, of the rows it had accepted."""
    table = part.table
    match table.write:
        case Merge() as mode:
            past = None if part.fresh else state.read_state(rows.sparkSession, table, part.lake)
            changes = scd1.newest_per_key(unavailable.marked(rows, mode), table, mode)
            with _settled(changes, rows, past, mode, part) as found:
                state.write_state(found.remembered, part)
        case History() as mode:
            state.write_state(with_gone(rows, mode), part)


def _version(plan: Plan, stamp: Stamp, lake: Lake) -> int:
    """The version the run committed.

    Raises:
        Superseded: another run committed first.
    """
    return delta_write.committed(read_log(lake.table(plan.table.key)), stamp)


def _put(rows: DataFrame, plan: Plan, stamp: Stamp, lake: Lake, spark: SparkSession) -> _Done:
    if plan.strategy != "full":
        delta_write.append(rows, lake.table(plan.table.key), stamp)
        return _version(plan, stamp, lake), frozenset()
    old = _old(plan, lake)
    if old is None:
        return _rebuild(rows, old, plan, stamp, lake, spark)
    with persisted(spark, rows) as made:
        return _rebuild(made, old, plan, stamp, lake, spark)


def _old(plan: Plan, lake: Lake) -> TableLog | None:
    """What a rebuild has to be audited against; None for a first build, for files, whose ledger was looked at, and
    where there is nothing to audit.
    """
    auditable = plan.table.source is None and needs_audit(plan)
    return read_log(lake.table(plan.table.key)) if auditable else None


def _rebuild(rows: DataFrame, old: TableLog | None, plan: Plan, stamp: Stamp, lake: Lake, spark: SparkSession) -> _Done:
    """Put the rows in the place of all there are, once they're audited."""
    audited = audit(rows, old, plan, lake, spark) if old else frozenset[str]()
    delta_write.overwrite(rows, lake.table(plan.table.key), stamp)
    return _version(plan, stamp, lake), audited


def _commit_newest(rows: DataFrame, work: Work, mode: Merge, stamp: Stamp, lake: Lake) -> _Done:
    plan, table, full, spark = work.plan, work.plan.table, work.plan.strategy == "full", rows.sparkSession
    changes = scd1.newest_per_key(unavailable.marked(rows, mode), table, mode)
    if full and not mode.delete_when and OPEN not in changes.columns:
        return _put(scd1.living(changes), plan, stamp, lake, spark)
    past, part = None if full else state.read_state(spark, table, lake), Part(table, lake, stamp.app, stamp.run, full)
    # Judged once more, because PySpark can't join what is observed with itself.
    judged = judge.accepted(judge.judge(work.rows, table.expectations), table.expectations)
    with (
        persisted(spark, changes if past is None else scd1.unless_deleted(changes, past, table, mode)) as kept,
        _settled(kept, judged, past, mode, part) as found,
    ):
        forgets = full and state.last_run(table, lake) > 0
        stamp = replace(stamp, remembers=forgets or found.remembers)
        if full:
            done = _rebuild(scd1.living(found.changes.drop(SURE)), _old(plan, lake), plan, stamp, lake, spark)
        else:
            scd1.merge(spark, found.changes, lake.table(table.key), table, mode, stamp)
            done = _version(plan, stamp, lake), frozenset()
        if stamp.remembers:
            state.write_state(found.remembered, part)
        return done


@contextmanager
def _settled(changes: DataFrame, rows: DataFrame, past: DataFrame | None, mode: Merge, part: Part) -> Iterator[Settled]:
    """What comes of rows, of whose keys `changes` has the newest, given what is remembered."""
    deleted, opened = unavailable.found_in(changes, mode)
    if opened or (past is not None and UNAVAILABLE in past.columns):
        known = None if part.fresh else unavailable.known(past, part, changes.sparkSession)
        with unavailable.settled(changes, rows, known, part.table, mode) as found:
            yield found
    else:
        kept = changes.drop(OPEN)
        yield Settled(kept, scd1.deletions(kept, mode), deleted)


def _commit_history(rows: DataFrame, plan: Plan, mode: History, stamp: Stamp, lake: Lake, spark: SparkSession) -> _Done:
    table, stamp, full = plan.table, replace(stamp, remembers=True), plan.strategy == "full"
    with persisted(spark, with_gone(rows, mode)) as events:
        if full:
            told = unavailable.told(events, table, mode)
            done = _put(scd2.versions(told, table, mode), plan, stamp, lake, spark)
        else:
            _merge_versions(events, plan, mode, stamp, lake, spark)
            done = _version(plan, stamp, lake), frozenset()
        state.write_state(events, Part(table, lake, stamp.app, stamp.run, full))
        return done


def _merge_versions(
    events: DataFrame, plan: Plan, mode: History, stamp: Stamp, lake: Lake, spark: SparkSession
) -> None:
    table, place, past = plan.table, lake.table(plan.table.key), state.read_state(spark, plan.table, lake)
    assert past is not None  # noqa: S101  (or the plan would say "full")
    known = of_keys(past, events, table, mode).unionByName(events, allowMissingColumns=True)
    told = unavailable.told(known, table, mode)
    stored = of_keys(read_rows(spark, place), events, table, mode)
    changes = scd2.differences(scd2.versions(told, table, mode), stored, table, mode)
    with persisted(spark, changes) as kept:  # MERGE reads it twice
        scd2.merge(spark, kept, place, table, mode, stamp)
