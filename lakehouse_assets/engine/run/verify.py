"""Holds a table that was made bit by bit against what computing it at once from all it reads would have given."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_merge import last_of, with_gone
from lakehouse_assets.engine.lake.kept_rows import persisted
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.modes import scd1, scd2, unavailable
from lakehouse_assets.engine.modes.refresh.refresh import differing, groups_of, of_groups
from lakehouse_assets.engine.modes.refresh.routes import from_json
from lakehouse_assets.engine.plan.read import reads_of, whole_inputs
from lakehouse_assets.engine.quality import judge, quarantine
from lakehouse_assets.engine.quality.watermark import late_rows
from lakehouse_assets.engine.run.build import build
from lakehouse_assets.engine.scoring.batch import as_recorded
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.spec.models.score import RUN
from lakehouse_assets.engine.spec.modes import History, Merge, Refresh
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SAMPLE = 20
_OF_ARRIVAL = {"_source", "_batch", "_ingested_at"}


@dataclass(frozen=True)
class Verified:
    """How many groups, or keys, were computed anew, and those that are stored otherwise."""

    groups: int
    differing: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Balance:
    """The rows that a table's function makes of all it has read, and where they are: stored, waiting in quarantine, or
    superseded, which is to say that another row of their key counts, or none any more.
    """

    made: int
    stored: int
    waiting: int
    superseded: int

    @property
    def adds_up(self) -> bool:
        return self.made == self.stored + self.waiting + self.superseded


@dataclass(frozen=True)
class Whole:
    """Of a table that is computed whole: its rows, those that are missing in it, and those that are too many."""

    rows: int
    missing: int
    surplus: int


@dataclass(frozen=True)
class Arrived:
    """The files that a table has read, the rows that the ledger has of them, and those that are stored or wait."""

    files: int
    read: int
    stored: int
    waiting: int

    @property
    def adds_up(self) -> bool:
        return self.read == self.stored + self.waiting


def verify(table: Table, context: Context, sample: int = SAMPLE) -> Verified:
    """Compare some groups or keys, others after each version of the table, with what comes of all that was read.

    Doubles are compared as floats: their sums depend on the order of the rows, in the last digits. Of rows that are the
    newest of their key, the file that they came in isn't compared: several may have told the same event.

    Raises:
        LakehouseError: the table has no groups or keys, or wasn't built, or late rows wait.
    """
    own, run = _last_run(table, context)
    _refuse_late(table, context)
    if not isinstance(table.write, Refresh | Merge | History):
        raise LakehouseError(f"Verifying {table.key}: it has neither groups that are refreshed nor keys to compare")
    by = table.write.by if isinstance(table.write, Refresh) else table.write.on
    spark, mine = context.session(), context.lake.table(table.key)
    inputs = whole_inputs(spark, reads_of(run["read"], table, context))
    made = judge.accepted(
        judge.judge(build(spark, as_recorded(table, run, context.lake), inputs), table.expectations),
        table.expectations,
    )
    wanted = _wanted(made, table)
    stored = read_rows(spark, mine, own.version)
    whole = {key: inputs[parameter] for parameter, key in context.lakehouse.upstreams(table).items()}
    routes = [r for found in from_json(run.get("routes", {})).values() if not isinstance(found, str) for r in found]
    should_be = groups_of(by, routes, whole, whole, spark) if routes else wanted.select(*by)
    with persisted(_sample(stored.select(*by).union(should_be), own.version, sample), context.lake) as groups:
        left, right = (of_groups(rows, groups, by) for rows in (wanted, stored))
        apart = differing(left, right, by, _comparable(wanted, stored, _not_compared(table)))
        return Verified(groups.count(), apart.toArrow().to_pylist())


def verify_whole(table: Table, context: Context) -> Whole:
    """Compare all rows, as a multiset, with those that come of the versions that were read.

    Raises:
        LakehouseError: the table wasn't built.
    """
    own, run = _last_run(table, context)
    spark = context.session()
    made = build(
        spark, as_recorded(table, run, context.lake), whole_inputs(spark, reads_of(run["read"], table, context))
    )
    wanted = judge.accepted(judge.judge(made, table.expectations), table.expectations)
    stored = read_rows(spark, context.lake.table(table.key), own.version)
    left, right = (rows.selectExpr(*_comparable(wanted, stored)) for rows in (wanted, stored))
    return Whole(own.rows, left.exceptAll(right).count(), right.exceptAll(left).count())


def count_arrivals(table: Table, context: Context) -> Arrived:
    """Compare the rows of a table of files with what its ledger has of each file.

    Raises:
        LakehouseError: the table wasn't built.
    """
    own, _ = _last_run(table, context)
    kept = read_log(context.lake.quarantine(table.key))
    done = [e for e in Ledger(context.lake.arrivals(table.key), context.lake.storage).entries() if e.status == "done"]
    waiting = quarantine.waiting(kept) if kept else 0
    return Arrived(len(done), sum(e.rows or 0 for e in done), own.rows, waiting)


def reconcile(table: Table, context: Context) -> Balance:
    """Add up what became of the rows that a table was given.

    Raises:
        LakehouseError: the table doesn't take in new rows of others, or wasn't built, or late rows wait.
    """
    own, run = _last_run(table, context)
    _refuse_late(table, context)
    return _balance(table, context, own, run)


def _balance(table: Table, context: Context, own: TableLog, run: Mapping[str, Any]) -> Balance:
    if not table.takes_new_rows:
        raise LakehouseError(f"Reconciling {table.key}: it doesn't take in new rows of another table")
    spark, kept = context.session(), read_log(context.lake.quarantine(table.key))
    rows = build(
        spark, as_recorded(table, run, context.lake), whole_inputs(spark, reads_of(run["read"], table, context))
    )
    seen = judge.tally(rows, table.expectations)
    accepted = seen.judged - seen.rejected
    wanted = _wanted(judge.accepted(judge.judge(rows, table.expectations), table.expectations), table).count()
    return Balance(seen.judged, own.rows, quarantine.waiting(kept) if kept else 0, accepted - wanted)


def show_balance(table: Table, context: Context, view: str) -> None:
    """Make the balance a temporary view of one row; of none while late rows wait."""
    found = [] if _late(table, context) else [astuple(_balance(table, context, *_last_run(table, context)))]
    columns = ", ".join(f"{field.name} bigint" for field in fields(Balance))
    context.session().createDataFrame(found, columns).createOrReplaceTempView(view)


def _last_run(table: Table, context: Context) -> tuple[TableLog, Mapping[str, Any]]:
    own = read_log(context.lake.table(table.key))
    run = own.last_run.run if own and own.last_run else None
    if own is None or run is None:
        raise LakehouseError(f"Verifying {table.key}: it isn't built; run `lakehouse run {table.key}` first")
    return own, run


def _late(table: Table, context: Context) -> int:
    return sum(late_rows(table, context.lake).days.values())


def _refuse_late(table: Table, context: Context) -> None:
    if late := _late(table, context):
        raise LakehouseError(f"Verifying {table.key}: {late} late rows wait; `lakehouse replay {table.key}` first")


def _wanted(accepted: DataFrame, table: Table) -> DataFrame:
    """What the write mode makes of all rows at once."""
    match table.write:
        case Merge() as mode:
            return scd1.living(last_of(unavailable.told(with_gone(accepted, mode), table, mode), mode.on, table, mode))
        case History() as mode:
            return scd2.versions(unavailable.told(with_gone(accepted, mode), table, mode), table, mode)
        case _:
            return accepted


def _sample(groups: DataFrame, seed: int, number: int) -> DataFrame:
    """Some of the groups that are stored, and of those that should be."""
    from pyspark.sql import functions as F

    return groups.distinct().orderBy(F.xxhash64(F.lit(seed), *groups.columns)).limit(number)


def _not_compared(table: Table) -> set[str]:
    """Of a row that is the newest of its key, when and in which file it came: others may have told the same event."""
    if table.score:
        return {RUN}
    return _OF_ARRIVAL - set(table.write.newest) if isinstance(table.write, Merge | History) else set()


def _comparable(made: DataFrame, stored: DataFrame, but: Collection[str] = ()) -> list[str]:
    """What can be compared of the columns that both have: not maps, and doubles as floats."""
    both = set(stored.columns) - set(but)
    there = [f for f in made.schema.fields if f.name in both and "map<" not in f.dataType.simpleString()]
    as_float = {f.name for f in there if f.dataType.simpleString() == "double"}
    return [f"float(`{f.name}`) AS `{f.name}`" if f.name in as_float else f"`{f.name}`" for f in there]
