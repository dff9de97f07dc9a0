"""The groups that changed rows lead to, as one query that Spark and delta-rs' engine both understand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.delta_log import select
from lakehouse_assets.engine.lake import Lake
from lakehouse_assets.engine.run.locality import Hop, Route
from lakehouse_assets.engine.run.plan import Logs, Plan, Read
from lakehouse_assets.engine.spec import Refresh

if TYPE_CHECKING:
    from deltalake import DeltaTable

# Of a table's groups; if more are touched, a full rebuild is cheaper.
MOST = 0.5
# `lakehouse plan` looks at so many changed rows, and at tables of so many; beyond, it says no number.
COUNTED_CHANGES, COUNTED_ROWS = 200_000, 20_000_000


def changes_of(key: str) -> str:
    """The name the changed rows of a table have in the query: all images, old and new."""
    return f"changes__{key.replace('.', '__')}"


def whole_of(key: str) -> str:
    """The name the table as it is now has in the query."""
    return f"whole__{key.replace('.', '__')}"


def groups_query(by: Sequence[str], routes: Iterable[Route]) -> str:
    """The distinct values of `by` in the groups that the routes' changed rows touch."""
    parts = [part for route in routes for part in _parts(by, route, changes_of(route.key))]
    return f"SELECT DISTINCT * FROM ({' UNION ALL '.join(parts)}) AS touched"


def looked_up(routes: Iterable[Route]) -> set[str]:
    """The tables the query reads whole."""
    hops = [hop for route in routes for hop in _hops(route)]
    return {hop.route.key for hop in hops}


def _hops(route: Route) -> Iterator[Hop]:
    for hop in route.via:
        yield hop
        yield from _hops(hop.route)


def _parts(by: Sequence[str], route: Route, rows: str) -> Iterator[str]:
    if not route.via:
        yield f"SELECT {', '.join(f'{sql} AS `{name}`' for sql, name in zip(route.own, by, strict=True))} FROM {rows}"
    for hop in route.via:
        keys = ", ".join(f"{sql} AS __k{i}" for i, sql in enumerate(route.own))
        same = " AND ".join(f"{sql} IS NOT DISTINCT FROM __k{i}" for i, sql in enumerate(hop.theirs))
        found = f"(SELECT w.* FROM {whole_of(hop.route.key)} AS w LEFT SEMI JOIN "
        yield from _parts(by, hop.route, f"{found}(SELECT DISTINCT {keys} FROM {rows}) AS k ON {same}) AS w")


def changed_routes(routes: Mapping[str, Any], reads: Iterable[Read]) -> list[Route]:
    """The routes of the tables that have changes to read."""
    changed = dict.fromkeys(read.key for read in reads if read.after is not None and read.after < read.to)
    return [route for key in changed for route in routes[key]]


def as_json(routes: Mapping[str, tuple[Route, ...] | str]) -> dict[str, Any]:
    """Routes as they are kept in the table's log."""
    return {k: r if isinstance(r, str) else [_packed(route) for route in r] for k, r in routes.items()}


def from_json(kept: Mapping[str, Any]) -> dict[str, tuple[Route, ...] | str]:
    return {k: r if isinstance(r, str) else tuple(_unpacked(route) for route in r) for k, r in kept.items()}


def _packed(route: Route) -> list[Any]:
    return [route.key, list(route.own), [[list(hop.theirs), _packed(hop.route)] for hop in route.via]]


def _unpacked(packed: Sequence[Any]) -> Route:
    key, own, via = packed
    return Route(key, tuple(own), tuple(Hop(tuple(theirs), _unpacked(route)) for theirs, route in via))


def counted(plan: Plan, lake: Lake) -> Plan:
    """A planned refresh with its number of groups, found without Spark if that's little work; or what it comes to."""
    logs, mode = Logs(lake), plan.table.write
    own = logs.table(plan.table.key)
    if plan.way != "refresh" or not plan.reads or own is None or not isinstance(mode, Refresh):
        return plan
    last = own.last_run.run if own.last_run else None
    routes = changed_routes(from_json((last or {}).get("routes", {})), plan.reads.values())
    if any((log := logs.table(key)) is None or log.rows > COUNTED_ROWS for key in looked_up(routes)):
        return plan
    with tempfile.TemporaryDirectory() as folder:
        touched = _count(mode.by, routes, list(plan.reads.values()), logs, folder)
    if touched is None or own.rows > COUNTED_ROWS:
        return replace(plan, groups=touched)
    by = ", ".join(f"`{c}`" for c in mode.by)
    stored = select(own.table, "stored", f"SELECT count(*) AS n FROM (SELECT DISTINCT {by} FROM stored) AS g")[0]["n"]
    return replace(plan, groups=touched) if touched <= MOST * stored else rebuilding(plan, too_many(touched, stored))


def rebuilding(plan: Plan, why: str) -> Plan:
    """The same for the whole table."""
    reads = {parameter: replace(read, after=None) for parameter, read in plan.reads.items()}
    return replace(plan, way="full", reason=why, reads=reads)


def too_many(touched: int, stored: int) -> str:
    return f"{touched} of {stored} groups are touched"


def _count(by: Sequence[str], routes: Sequence[Route], reads: Sequence[Read], logs: Logs, folder: str) -> int | None:
    import pyarrow as pa
    from deltalake import DeltaTable, QueryBuilder, write_deltalake
    from deltalake.exceptions import DeltaError

    engine, query = QueryBuilder(), groups_query(by, routes)
    for key in looked_up(routes):
        log = logs.table(key)
        assert log is not None  # noqa: S101  (count_groups looked)
        engine = engine.register(whole_of(key), log.table)
    for read in {r.key: r for r in reads if any(r.key == route.key for route in routes)}.values():
        log = logs.table(read.key)
        assert log is not None  # noqa: S101
        rows = _changes(log.table, read)
        if rows is None:
            return None
        path = f"{folder}/{read.key}"
        write_deltalake(path, rows)
        engine = engine.register(changes_of(read.key), DeltaTable(path))
    try:
        found = engine.execute(f"SELECT count(*) AS groups FROM ({query}) AS counted")
    except DeltaError:  # its engine lacks a function that Spark has
        return None
    return int(pa.RecordBatchReader.from_stream(found).read_all().to_pylist()[0]["groups"])


def _changes(table: DeltaTable, read: Read) -> Any:
    """The changed rows of a table; None if there are more than are counted."""
    import pyarrow as pa

    assert read.after is not None  # noqa: S101  (only asked of changes)
    found = pa.RecordBatchReader.from_stream(table.load_cdf(read.after + 1, read.to))
    batches, rows = [], 0
    for batch in found:
        batches.append(batch)
        rows += batch.num_rows
        if rows > COUNTED_CHANGES:
            return None
    return pa.Table.from_batches(batches, found.schema)
