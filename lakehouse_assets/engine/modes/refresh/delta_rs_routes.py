"""The routes of a refresh in the SQL of delta-rs, where the types of the columns prove that it means the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lakehouse_assets.engine.modes.refresh.routes import Hop, Route
from lakehouse_assets.engine.query.delta_rs_sql import expression


def in_delta_rs_sql(
    routes: Sequence[Route], kinds: Mapping[str, Mapping[str, str]], by: Sequence[str]
) -> list[Route] | None:
    """The routes in the SQL of delta-rs, for groups of the types `by`; None if one can't be told it.

    `kinds` has the types of the columns of each table, by its key.
    """
    found = [one for route in routes if (one := _route(route, kinds, by))]
    return found if len(found) == len(routes) else None


def _route(route: Route, kinds: Mapping[str, Mapping[str, str]], by: Sequence[str]) -> Route | None:
    own = _all(route.own, kinds[route.key])
    if own is None:
        return None
    if not route.via:
        return replace(route, own=own[0]) if own[1] == tuple(by) else None
    hops = [one for hop in route.via if (one := _hop(hop, kinds, own[1], by))]
    return replace(route, own=own[0], via=tuple(hops)) if len(hops) == len(route.via) else None


def _hop(hop: Hop, kinds: Mapping[str, Mapping[str, str]], wanted: Sequence[str], by: Sequence[str]) -> Hop | None:
    theirs, route = _all(hop.theirs, kinds[hop.route.key]), _route(hop.route, kinds, by)
    return Hop(theirs[0], route) if route and theirs and theirs[1] == tuple(wanted) else None


def _all(exprs: Sequence[str], kinds: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    found = [one for expr in exprs if (one := expression(expr, kinds))]
    return (tuple(sql for sql, _ in found), tuple(kind for _, kind in found)) if len(found) == len(exprs) else None
