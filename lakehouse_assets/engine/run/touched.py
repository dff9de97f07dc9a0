"""Few changes, looked at and written here by delta-rs: in tenths of a second, where Spark's jobs take seconds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.conditions import literal
from lakehouse_assets.engine.delta_log import TableLog, read_log, select
from lakehouse_assets.engine.lake import Lake
from lakehouse_assets.engine.modes import Refresh
from lakehouse_assets.engine.run.groups import changed_routes, changes_of, from_json, groups_query, looked_up, whole_of
from lakehouse_assets.engine.run.locality import Route
from lakehouse_assets.engine.run.plan import Plan, Read
from lakehouse_assets.engine.run.write import Stamp, Superseded

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

# So many changed rows, and groups of so many, are looked at here; tables that are joined may have so many rows.
CHANGES, GROUPS, JOINED = 200_000, 1_000, 5_000_000
# So many rows are written here.
ROWS = 200_000
# Of the table's rows; where more belong to the groups that are touched, a full rebuild is cheaper.
MOST = 0.5

Group = tuple[Any, ...]


@dataclass(frozen=True)
class Touched:
    """Groups, as values of the columns `by`, and how many rows the table has of them."""

    by: tuple[str, ...]
    groups: Sequence[Group]
    rows: int


def touched_groups(
    by: tuple[str, ...], routes: Sequence[Route], reads: Iterable[Read], storage: Mapping[str, str], own: TableLog
) -> Touched | None:
    """The groups that changes lead to; None where that's too much to look at here."""
    from deltalake.exceptions import DeltaError

    options, changed = dict(storage) or None, {read.key: read for read in reads}
    with tempfile.TemporaryDirectory() as folder:
        try:
            tables = _tables(routes, changed, options, folder)
        except DeltaError:  # a feature of the table's that it lacks
            return None
        found = _query(groups_query(by, routes), tables) if tables else None
    groups = None if found is None or found.num_rows > GROUPS else _tuples(found, by)
    return None if groups is None else Touched(by, groups, _stored(own, by, groups))


def _tuples(found: pa.Table, by: Sequence[str]) -> list[Group] | None:
    """The groups as Python's values; None if one can't be told to delta-rs."""
    try:
        groups = [tuple(row[c] for c in by) for row in found.to_pylist()]
    except (OverflowError, ValueError):  # a date that Python has not
        return None
    return None if any(v is not None and _delta_literal(v) is None for group in groups for v in group) else groups


def _tables(
    routes: Sequence[Route], changed: Mapping[str, Read], options: dict[str, str] | None, folder: str
) -> dict[str, DeltaTable] | None:
    from deltalake import DeltaTable, write_deltalake

    tables = {}
    for key in {route.key for route in routes}:
        rows = _changes(DeltaTable(changed[key].path, storage_options=options), changed[key])
        if rows is None:
            return None
        write_deltalake(f"{folder}/{key}", rows)
        tables[changes_of(key)] = DeltaTable(f"{folder}/{key}")
    for key in looked_up(routes):
        tables[whole_of(key)] = DeltaTable(changed[key].path, version=changed[key].to, storage_options=options)
        if TableLog(tables[whole_of(key)]).rows > JOINED:
            return None
    return tables


def _changes(table: DeltaTable, read: Read) -> pa.Table | None:
    """Every image of the rows that changed; None if there are too many."""
    import pyarrow as pa

    assert read.after is not None  # noqa: S101  (only asked of changes)
    found = pa.RecordBatchReader.from_stream(table.load_cdf(read.after + 1, read.to))
    batches, rows = [], 0
    for batch in found:
        batches.append(batch)
        rows += batch.num_rows
        if rows > CHANGES:
            return None
    return pa.Table.from_batches(batches, found.schema)


def _query(query: str, tables: Mapping[str, DeltaTable]) -> pa.Table | None:
    import pyarrow as pa
    from deltalake import QueryBuilder
    from deltalake.exceptions import DeltaError

    engine = QueryBuilder()
    for name, table in tables.items():
        engine = engine.register(name, table)
    try:
        return pa.RecordBatchReader.from_stream(engine.execute(query)).read_all()
    except DeltaError:  # it lacks a function that Spark has, or can't compare columns of some type
        return None


def _stored(own: TableLog, by: Sequence[str], groups: Sequence[Group]) -> int:
    condition = _condition(by, groups)
    return int(select(own.table, "stored", f"SELECT count(*) AS n FROM stored WHERE {condition}")[0]["n"])


def planned(plan: Plan, lake: Lake) -> Plan:
    """A planned refresh with its number of groups, or as the rebuild that it will come to, where that's found fast."""
    mode = plan.table.write
    if plan.way != "refresh" or not plan.reads or not isinstance(mode, Refresh):
        return plan
    own = read_log(lake.table(plan.table.key), lake.storage)
    last = own.last_run.run if own and own.last_run else None
    if own is None or last is None:
        return plan
    routes = changed_routes(from_json(last.get("routes", {})), plan.reads.values())
    found = touched_groups(mode.by, routes, plan.reads.values(), lake.storage, own)
    return decided(plan, len(found.groups), found.rows, own) if found else plan


def decided(plan: Plan, groups: int, rows: int, own: TableLog) -> Plan:
    """The plan with its number of groups; for the whole table if they hold most of its rows."""
    if rows > MOST * own.rows:
        return rebuilding(plan, f"{rows} of {own.rows} rows are in the {groups} groups touched")
    return replace(plan, groups=groups)


def rebuilding(plan: Plan, why: str) -> Plan:
    """The same for the whole table."""
    reads = {parameter: replace(read, after=None) for parameter, read in plan.reads.items()}
    return replace(plan, way="full", reason=why, reads=reads)


def put(rows: pa.Table, found: Touched, path: str, stamp: Stamp, storage: Mapping[str, str]) -> None:
    """Put the rows in the place of those their groups had, in one commit; groups that come out the same are left alone.

    Raises:
        Superseded: another run of the table committed first.
    """
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
    from deltalake.exceptions import CommitFailedError

    table = DeltaTable(path, storage_options=dict(storage) or None)
    if (table.transaction_version(stamp.app) or 0) >= stamp.run:
        raise Superseded(f"Writing {stamp.app}: run {stamp.run} was committed by another process")
    once = CommitProperties(
        custom_metadata={"userMetadata": stamp.metadata}, app_transactions=[Transaction(stamp.app, stamp.run)]
    )
    with _as_table(rows) as made:
        changed = _differing(made, rows.column_names, found, table)
        condition = _condition(found.by, found.groups if changed is None else changed)
        left = None if changed is None else _query(f"SELECT * FROM made WHERE {condition}", {"made": made})
    new = rows if left is None else left.cast(rows.schema)
    try:
        write_deltalake(table, new, mode="overwrite", predicate=condition, commit_properties=once)
    except CommitFailedError as error:
        raise Superseded(f"Writing {stamp.app}: another writer committed first ({error})") from error


def _differing(made: DeltaTable, columns: Sequence[str], found: Touched, table: DeltaTable) -> list[Group] | None:
    """The groups whose rows aren't stored as they are now; None if that can't be told."""
    by, listed = (", ".join(f"`{c}`" for c in names) for names in (found.by, columns))
    stored = f"(SELECT * FROM stored WHERE {_condition(found.by, found.groups)})"
    numbers = [f"SELECT {by}, count(*) AS n FROM {side} AS s GROUP BY {by}" for side in ("made", stored)]
    sides = [f"SELECT {listed} FROM {side} AS s" for side in ("made", stored)]
    parts = [f"SELECT {by} FROM ({a} EXCEPT {b}) AS d" for a, b in (sides, sides[::-1], numbers, numbers[::-1])]
    apart = _query(f"SELECT DISTINCT * FROM ({' UNION ALL '.join(parts)}) AS u", {"made": made, "stored": table})
    return None if apart is None else _tuples(apart, found.by)


@contextmanager
def _as_table(rows: pa.Table) -> Iterator[DeltaTable]:
    """The rows as a table that delta-rs can query."""
    from deltalake import DeltaTable, write_deltalake

    with tempfile.TemporaryDirectory() as folder:
        write_deltalake(folder, rows)
        yield DeltaTable(folder)


def spark_condition(found: Touched, kinds: Mapping[str, str]) -> str:
    """True for the rows of the groups, in Spark's SQL."""
    return _any_of(found.by, found.groups, lambda name, v: f"CAST({literal(_text(v))} AS {kinds[name]})")


def _condition(by: Sequence[str], groups: Sequence[Group]) -> str:
    """The same in the SQL of delta-rs."""
    return _any_of(by, groups, lambda _, v: _delta_literal(v) or "")


def _any_of(by: Sequence[str], groups: Sequence[Group], say: Callable[[str, Any], str]) -> str:
    def equal(column: str, value: Any) -> str:
        return f"`{column}` IS NULL" if value is None else f"`{column}` = {say(column, value)}"

    if len(by) == 1:
        listed = ", ".join(say(by[0], v) for (v,) in groups if v is not None)
        parts = [f"`{by[0]}` IN ({listed})"] * bool(listed) + [f"`{by[0]}` IS NULL"] * ((None,) in groups)
    else:
        parts = [f"({' AND '.join(map(equal, by, group))})" for group in groups]
    return " OR ".join(parts) or "1 = 0"


def _text(value: Any) -> str:
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def _delta_literal(value: Any) -> str | None:
    """A value in the SQL of delta-rs; None if it has none that is sure to be the same."""
    match value:
        case bool() | int():
            return str(value).lower()
        case str():
            return "'" + value.replace("'", "''") + "'"
        case datetime():
            zone = 'Some("UTC")' if value.tzinfo else "None"
            return f"arrow_cast('{value.replace(tzinfo=None).isoformat()}', 'Timestamp(Microsecond, {zone})')"
        case date():
            return f"DATE '{value}'"
        case _:
            return None
