"""The commit of a run: rows are judged as they're written; what belongs to the commit is written after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import WriteFailed
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.lake.state import StatePart
from lakehouse_assets.engine.lake.tables import OUT_OF_RANGE, in_catalog
from lakehouse_assets.engine.modes import append, scd1, scd2
from lakehouse_assets.engine.modes.refresh import refresh
from lakehouse_assets.engine.modes.replace import rebuild
from lakehouse_assets.engine.modes.work import Done, Work
from lakehouse_assets.engine.plan.plan import Plan
from lakehouse_assets.engine.quality import judge, quarantine
from lakehouse_assets.engine.quality.expectation_counts import ExpectationCounts
from lakehouse_assets.engine.spark_errors.broken_expectation import FAILED
from lakehouse_assets.engine.spark_errors.causes import all_told, cause_of, hides_its_cause, is_about_values, remedy_for
from lakehouse_assets.engine.spec.expectations import Expectation
from lakehouse_assets.engine.spec.modes import Append, History, Merge, Refresh, Replace

if TYPE_CHECKING:
    from pyspark.errors import PySparkException
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Committed:
    """What was seen in passing, the version, and the checks of the whole table that were made before."""

    seen: ExpectationCounts
    version: int
    audited: frozenset[str] = frozenset()


def commit(work: Work, stamp: Stamp) -> Committed:
    """Write the accepted rows in one commit, as the write mode of the table has it.

    Raises:
        Superseded: another run committed first.
    """
    from pyspark.sql import Observation

    expectations, observation = work.table.expectations, Observation()
    judged = judge.observed(judge.judge(work.rows, expectations), expectations, observation)
    with _telling_why(work):
        done = _write(judge.accepted(judged, expectations), work, stamp)
    return Committed(judge.seen(observation, work.rows, expectations), done.version, done.audited)


def _write(rows: DataFrame, work: Work, stamp: Stamp) -> Done:
    match work.table.write:
        case Append():
            return append.write(rows, work, stamp)
        case Merge() as mode:
            return scd1.write(rows, work, mode, stamp)
        case History() as mode:
            return scd2.write(rows, work, mode, stamp)
        case Refresh() as mode if not work.whole:
            return refresh.write(rows, work, mode, stamp)
        case Replace() | Refresh():
            return rebuild(rows, work, stamp)


def complete_state(rows: DataFrame, part: StatePart) -> None:
    """Write to the state of a table what a run that ended too early left out, of the rows it had accepted."""
    match part.table.write:
        case Merge() as mode:
            scd1.complete_state(rows, part, mode)
        case History() as mode:
            scd2.complete_state(rows, part, mode)


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
        elif is_about_values(error) and not any(told in all_told(error) for told in (FAILED, OUT_OF_RANGE)):
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


def settle(built: DataFrame, plan: Plan, seen: ExpectationCounts, lake: Lake) -> None:
    """After the commit: fill the quarantine, and record that it's complete."""
    kept = lake.quarantine(plan.table.key)
    if seen.rejected:
        quarantine.keep(built, plan, kept, seen)
    elif plan.table.has_quarantine:
        quarantine.mark_complete(kept, quarantine.Part(plan.table.key, plan.run, plan.strategy == "full"))
    else:
        return
    in_catalog(built.sparkSession, kept)  # delta-rs, which may have written it, knows of no catalog
