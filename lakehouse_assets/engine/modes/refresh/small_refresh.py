"""Few changes, looked at and written here by delta-rs: in tenths of a second, where Spark's jobs take seconds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_rs import arrow_of, delta_table, errors_of_delta_rs
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.places import Lake, TableRef
from lakehouse_assets.engine.lake.small_writes import commit_once
from lakehouse_assets.engine.modes.refresh.changed_groups import (
    changed_routes,
    changes_of,
    groups_query,
    looked_up,
    whole_of,
)
from lakehouse_assets.engine.modes.refresh.costs import decided
from lakehouse_assets.engine.modes.refresh.delta_rs_routes import in_delta_rs_sql
from lakehouse_assets.engine.modes.refresh.routes import Route, from_json
from lakehouse_assets.engine.modes.work import Group, Touched
from lakehouse_assets.engine.plan.plan import Plan, Read
from lakehouse_assets.engine.query import delta_rs_sql
from lakehouse_assets.engine.spec import texts
from lakehouse_assets.engine.spec.modes import Refresh
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable

# So many changed rows, and groups of so many, are looked at here; tables that are joined may have so many rows.
CHANGES, GROUPS, JOINED = 200_000, 10_000, 5_000_000
# Groups of several columns are told in lists (`texts.one_of`). 1,000 lists took 14 s, and 3,000 ended the process.
LISTS = 200
FEW_LISTS = 20  # for Spark, which else looks for them in one set


def touched_groups(table: Table, routes: Sequence[Route], reads: Iterable[Read], own: TableLog) -> Touched | None:
    """The groups that changes lead to; None where that's too much to look at here, or delta-rs can't be relied on."""
    assert isinstance(table.write, Refresh)  # noqa: S101  (nothing else has groups)
    by, kinds = table.write.by, {c.name: c.type for c in table.columns}
    try:
        found = _found(routes, {read.key: read for read in reads}, {name: kinds[name] for name in by})
        groups = None if found is None or found.num_rows > GROUPS else _tuples(found, by)
        few = groups is not None and texts.lists(groups) <= LISTS
        return Touched(by, groups, _stored(own, by, groups)) if groups is not None and few else None
    except errors_of_delta_rs():  # a feature that it lacks, change files that are gone, a value that it can't hold
        return None


def _found(routes: Sequence[Route], changed: Mapping[str, Read], by: Mapping[str, str]) -> pa.Table | None:
    whole = {
        key: delta_table(changed[key].table, changed[key].to)
        for key in {route.key for route in routes} | looked_up(routes)
    }
    columns = {key: TableLog(table).columns for key, table in whole.items()}
    told = in_delta_rs_sql(routes, columns, list(by.values()))
    with tempfile.TemporaryDirectory() as folder:
        tables = _tables(told, whole, changed, folder) if told else None
        return arrow_of(groups_query(tuple(by), told), tables) if told and tables else None


def _tuples(found: pa.Table, by: Sequence[str]) -> list[Group] | None:
    """The groups as Python's values; None if one can't be told to delta-rs."""
    groups = [tuple(row[c] for c in by) for row in found.to_pylist()]
    plain = all(v is None or delta_rs_sql.literal(v) is not None for group in groups for v in group)
    return groups if plain else None


def _tables(
    routes: Sequence[Route], whole: Mapping[str, DeltaTable], changed: Mapping[str, Read], folder: str
) -> dict[str, DeltaTable] | None:
    """The changed rows and the tables that the query of the groups reads; None if one has too many rows."""
    from deltalake import DeltaTable, write_deltalake

    tables = {}
    for key in {route.key for route in routes}:
        rows = _changes(whole[key], changed[key])
        if rows is None:
            return None
        write_deltalake(f"{folder}/{key}", rows)
        tables[changes_of(key)] = DeltaTable(f"{folder}/{key}")
    for key in looked_up(routes):
        tables[whole_of(key)] = whole[key]
        if TableLog(whole[key]).rows > JOINED:
            return None
    return tables


def _changes(table: DeltaTable, read: Read) -> pa.Table | None:
    """Every image of the rows that changed; None if there are too many."""
    import pyarrow as pa

    assert read.after is not None  # noqa: S101  (only asked of changes)
    batches, rows, schema = list[pa.RecordBatch](), 0, None
    for first, last in _with_news(table, read.after, read.to):
        feed = pa.RecordBatchReader.from_stream(table.load_cdf(first, last))
        schema = schema or feed.schema  # a put whose groups all came out the same has no rows
        for batch in feed:
            batches.append(batch)
            rows += batch.num_rows
            if rows > CHANGES:
                return None
    return pa.Table.from_batches(batches, schema)


def _with_news(table: DeltaTable, after: int, to: int) -> Iterator[tuple[int, int]]:
    """The versions that changed rows, from one to another.

    Of a merge that changed no row delta-rs would give all the rows of the files that it rewrote, as gone and come.
    """
    idle = {commit.version for commit in TableLog(table).commits if not commit.changes_data}
    first = after + 1
    for version in range(after + 1, to + 2):
        if version == to + 1 or version in idle:
            if first < version:
                yield first, version - 1
            first = version + 1


def _stored(own: TableLog, by: Sequence[str], groups: Sequence[Group]) -> int:
    query = f"SELECT count(*) AS n FROM stored WHERE {_condition(by, groups)}"
    return int(arrow_of(query, {"stored": own.table}).to_pylist()[0]["n"])


def planned(plan: Plan, lake: Lake) -> Plan:
    """A planned refresh with its number of groups, or as the rebuild that it will come to, where that's found fast."""
    mode = plan.table.write
    if plan.strategy != "refresh" or not plan.reads or not isinstance(mode, Refresh):
        return plan
    own = read_log(lake.table(plan.table.key))
    last = own.last_run.run if own and own.last_run else None
    if own is None or last is None:
        return plan
    routes = changed_routes(from_json(last.get("routes", {})), plan.reads.values())
    found = touched_groups(plan.table, routes, plan.reads.values(), own)
    return decided(plan, found, own)


def put(rows: pa.Table, found: Touched, place: TableRef, stamp: Stamp) -> bool:
    """Put the rows in the place of those their groups had, in one commit; groups that come out the same are left alone.

    False if delta-rs can't, as the table has a feature that it lacks.

    Raises:
        Superseded: another run of the table committed first.
    """
    from deltalake import write_deltalake

    def write(table: DeltaTable, once: CommitProperties) -> None:
        new, groups = _changed(rows, found, table)
        condition = _condition(found.by, groups)
        write_deltalake(table, new, mode="overwrite", predicate=condition, commit_properties=once)

    return commit_once(place, stamp, write)


def _changed(rows: pa.Table, found: Touched, table: DeltaTable) -> tuple[pa.Table, Sequence[Group]]:
    """The groups that come out other than they are stored, with their rows; all of them where that can't be told."""
    with _as_table(rows) as made:
        groups = _differing(made, rows.column_names, found, table)
        if groups is None:
            return rows, found.groups
        left = delta_rs_sql.ask(f"SELECT * FROM made WHERE {_condition(found.by, groups)}", {"made": made})
    return (rows, found.groups) if left is None else (left.cast(rows.schema), groups)


def _differing(made: DeltaTable, columns: Sequence[str], found: Touched, table: DeltaTable) -> list[Group] | None:
    """The groups whose rows aren't stored as they are now, each as often; None if that can't be told."""
    by, listed = (", ".join(f"`{c}`" for c in names) for names in (found.by, columns))
    stored = f"SELECT {listed}, -1 AS __n FROM stored WHERE {_condition(found.by, found.groups)}"
    both = f"SELECT {listed}, 1 AS __n FROM made UNION ALL {stored}"
    # Not by EXCEPT ALL, which takes away all of some equal rows for one (apache/datafusion#12956).
    apart = f"SELECT {listed} FROM ({both}) AS rows GROUP BY {listed} HAVING sum(__n) <> 0"
    query = f"SELECT DISTINCT {by} FROM ({apart}) AS apart"
    answer = delta_rs_sql.ask(query, {"made": made, "stored": table})
    return None if answer is None else _tuples(answer, found.by)


@contextmanager
def _as_table(rows: pa.Table) -> Iterator[DeltaTable]:
    """The rows as a table that delta-rs can query."""
    from deltalake import DeltaTable, write_deltalake

    with tempfile.TemporaryDirectory() as folder:
        write_deltalake(folder, rows)
        yield DeltaTable(folder)


def spark_condition(found: Touched, kinds: Mapping[str, str]) -> str:
    """True for the rows of the groups, in Spark's SQL.

    Groups of several columns are looked for in one set: 0.2 s of a query over 158,000 rows where a term for each of
    164 groups took 1.1. What is said of each column is there for files to be skipped by. Where few lists have them all
    that's faster: 10,000 groups took 2.6 s as a set, 0.5 as 7 lists.
    """

    def say(name: str, value: Any) -> str:
        return f"CAST({texts.literal(_text(value))} AS {kinds[name]})"

    whole = [group for group in found.groups if None not in group]
    if len(found.by) == 1 or not whole or texts.lists(found.groups) <= FEW_LISTS:
        return texts.one_of(found.by, found.groups, say)
    each = [
        texts.one_of((name,), dict.fromkeys((v,) for v in values), say)
        for name, *values in zip(found.by, *whole, strict=True)
    ]
    listed = ", ".join(f"({', '.join(map(say, found.by, group))})" for group in whole)
    columns = ", ".join(f"`{name}`" for name in found.by)
    condition = " AND ".join([*each, f"({columns}) IN ({listed})"])
    return f"({condition}) OR {texts.one_of(found.by, [g for g in found.groups if None in g], say)}"


def _condition(by: Sequence[str], groups: Sequence[Group]) -> str:
    """The same in the SQL of delta-rs."""
    return texts.one_of(by, groups, lambda _, v: delta_rs_sql.literal(v) or "")


def _text(value: Any) -> str:
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)
