"""Routes: how the changed rows of a table lead to groups of another, and how that is kept in the table's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hop:
    """Rows of another table, found by the values of some SQL expressions, are touched as if they had changed."""

    theirs: tuple[str, ...]
    route: Route


@dataclass(frozen=True)
class Route:
    """How the changed rows of table `key` lead to groups: `own` are SQL expressions over its columns.

    Their values are the groups, or with `via` those by which rows of other tables are found that lead on.
    """

    key: str
    own: tuple[str, ...]
    via: tuple[Hop, ...] = ()


# Upstream key → its routes, or why a change of it can't be followed to groups.
Routes = Mapping[str, tuple[Route, ...] | str]


def as_json(routes: Routes) -> dict[str, Any]:
    """Routes as they are kept in the table's log."""
    return {k: r if isinstance(r, str) else [_packed(route) for route in r] for k, r in routes.items()}


def from_json(kept: Mapping[str, Any]) -> Routes:
    return {k: r if isinstance(r, str) else tuple(_unpacked(route) for route in r) for k, r in kept.items()}


def _packed(route: Route) -> list[Any]:
    return [route.key, list(route.own), [[list(hop.theirs), _packed(hop.route)] for hop in route.via]]


def _unpacked(packed: Sequence[Any]) -> Route:
    key, own, via = packed
    return Route(key, tuple(own), tuple(Hop(tuple(theirs), _unpacked(route)) for theirs, route in via))
