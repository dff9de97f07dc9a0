"""The groups that changed rows lead to, as one query that Spark and delta-rs' engine both understand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lakehouse_assets.engine.modes.refresh.routes import Hop, Route, Routes
from lakehouse_assets.engine.plan.plan import Read


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


def changed(reads: Iterable[Read]) -> dict[str, Read]:
    """The reads that have changes, by their tables."""
    return {read.key: read for read in reads if read.after is not None and read.after < read.to}


def changed_routes(routes: Routes, reads: Iterable[Read]) -> list[Route]:
    """The routes of the tables that have changes to read, all of which can be followed."""
    found: list[Route] = []
    for key in changed(reads):
        route = routes[key]
        assert not isinstance(route, str), f"{key}: {route}"  # noqa: S101  (the plan would say "full")
        found += route
    return found
