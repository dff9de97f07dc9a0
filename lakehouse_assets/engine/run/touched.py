"""Few changes, looked at and written here by delta-rs: in tenths of a second, where Spark's jobs take seconds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.declare import literal
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
            found = _query(groups_query(by, routes), tables) if tables else None
            groups = None if found is None else [tuple(row[c] for c in by) for row in found.to_pylist()]
        except (DeltaError, OverflowError, ValueError):  # a feature it lacks; a date that Python has not
            return None
    if groups is None or len(groups) > GROUPS or any(_delta_literal(v) is None for group in groups for v in group):
        return None
    return Touched(by, groups, _stored(own, by, groups))


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
    condition = delta_condition(by, groups)
    return int(select(own.table, "stored", f"SELECT count(*) AS n FROM stored WHERE {condition}")[0]["n"])


def planned(plan: Plan, lake: Lake) -> Plan:
    """A planned refresh with its number of groups, or as the rebuild that it will come to, where that's found fast."""
    mode, own = plan.table.write, read_log(lake.table(plan.table.key), lake.storage)
    if plan.way != "refresh" or not plan.reads or own is None or not isinstance(mode, Refresh):
        return plan
    last = own.last_run.run if own.last_run else None
    routes = changed_routes(from_json((last or {}).get("routes", {})), plan.reads.values())
    found = touched_groups(mode.by, routes, plan.reads.values(), lake.storage, own)
    return decided(plan, found, own) if found else plan


def decided(plan: Plan, found: Touched, own: TableLog) -> Plan:
    """The plan with its groups; for the whole table if they hold most of it."""
    if found.rows > MOST * own.rows:
        return rebuilding(plan, f"{found.rows} of {own.rows} rows are in the {len(found.groups)} groups touched")
    return replace(plan, groups=len(found.groups))


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
    changed = _differing(rows, found, table)
    condition = delta_condition(found.by, found.groups if changed is None else changed)
    try:
        write_deltalake(
            table, _of_groups(rows, condition), mode="overwrite", predicate=condition, commit_properties=once
        )
    except CommitFailedError as error:
        raise Superseded(f"Writing {stamp.app}: another writer committed first ({error})") from error


def _differing(rows: pa.Table, found: Touched, table: DeltaTable) -> list[Group] | None:
    """The groups whose rows aren't stored as they are now; None if that can't be told."""
    by = ", ".join(f"`{c}`" for c in found.by)
    stored = f"(SELECT * FROM stored WHERE {delta_condition(found.by, found.groups)})"
    numbers = [f"SELECT {by}, count(*) AS n FROM {side} AS s GROUP BY {by}" for side in ("made", stored)]
    columns = ", ".join(f"`{c}`" for c in rows.column_names)
    sides = [f"SELECT {columns} FROM {side} AS s" for side in ("made", stored)]
    parts = [f"SELECT {by} FROM ({a} EXCEPT {b}) AS d" for a, b in (sides, sides[::-1], numbers, numbers[::-1])]
    found_rows = _with_rows(rows, f"SELECT DISTINCT * FROM ({' UNION ALL '.join(parts)}) AS u", {"stored": table})
    return None if found_rows is None else [tuple(row[c] for c in found.by) for row in found_rows.to_pylist()]


def _of_groups(rows: pa.Table, condition: str) -> pa.Table:
    found = _with_rows(rows, f"SELECT * FROM made WHERE {condition}", {})
    return rows if found is None else found.cast(rows.schema)


def _with_rows(rows: pa.Table, query: str, tables: Mapping[str, DeltaTable]) -> pa.Table | None:
    from deltalake import DeltaTable, write_deltalake

    with tempfile.TemporaryDirectory() as folder:
        write_deltalake(folder, rows)
        return _query(query, {**tables, "made": DeltaTable(folder)})


def spark_condition(found: Touched, kinds: Mapping[str, str]) -> str:
    """True for the rows of the groups, in Spark's SQL."""
    return _condition(found.by, found.groups, lambda name, v: f"CAST({literal(_text(v))} AS {kinds[name]})")


def delta_condition(by: Sequence[str], groups: Sequence[Group]) -> str:
    """The same in the SQL of delta-rs."""
    return _condition(by, groups, lambda _, v: _delta_literal(v) or "")


def _condition(by: Sequence[str], groups: Sequence[Group], say: Callable[[str, Any], str]) -> str:
    if len(by) == 1:
        listed = ", ".join(say(by[0], v) for (v,) in groups if v is not None)
        parts = [f"`{by[0]}` IN ({listed})"] * bool(listed) + [f"`{by[0]}` IS NULL"] * ((None,) in groups)
    else:
        parts = [
            "("
            + " AND ".join(
                f"`{c}` IS NULL" if v is None else f"`{c}` = {say(c, v)}" for c, v in zip(by, g, strict=True)
            )
            + ")"
            for g in groups
        ]
    return " OR ".join(parts) or "1 = 0"


def _text(value: Any) -> str:
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def _delta_literal(value: Any) -> str | None:
    """A value in the SQL of delta-rs; None if it has none that is sure to be the same."""
    match value:
        case None | bool() | int() | Decimal():
            return "NULL" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        case str():
            return "'" + value.replace("'", "''") + "'"
        case datetime():
            zone = 'Some("UTC")' if value.tzinfo else "None"
            return f"arrow_cast('{value.replace(tzinfo=None).isoformat()}', 'Timestamp(Microsecond, {zone})')"
        case date():
            return f"DATE '{value}'"
        case _:
            return None
