"""Which groups of a table a change upstream touches, read off the table's analysed query.

A query is local to groups if the rows of one group are made only of the input rows that belong to it. This is so where
every aggregate groups by them, every window is partitioned by them, and inputs are joined on equal values. Then each
input has a route, by which its changed rows name the groups to compute anew. Where it isn't so the reason is kept, and
a change of that input rebuilds the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from lakehouse_assets.engine.modes.refresh.routes import Hop, Route, Routes
from lakehouse_assets.engine.query.column_lineage import outputs
from lakehouse_assets.engine.query.expressions import ID, Expressions, Exprs, all_of, by_name, in_sql, renumbered
from lakehouse_assets.engine.query.query_plan import Node, nodes

# Operators through which a row passes, or doesn't, whatever the others are.
_ROW_BY_ROW = {"Filter", "SubqueryAlias", "View", "Sort", "Distinct", "Generate", "ResolvedHint", "Repartition",
               "RepartitionByExpression", "RebalancePartitions", "CTERelationDef"}  # fmt: skip
_SIDES = {"Inner": "both", "Cross": "both", "LeftOuter": "left", "LeftSemi": "left", "LeftAnti": "left",
          "RightOuter": "right", "FullOuter": "neither"}  # fmt: skip
# Functions that answer differently when they're asked again.
_FICKLE = re.compile(
    r"\b(current_timestamp|current_date|localtimestamp|now|rand|randn|randstr|uniform|uuid|shuffle"
    r"|monotonically_increasing_id|spark_partition_id|input_file_name)\("
)
_UNSEEN = "the query doesn't show how it is used"

# The SQL expression over a table's columns, as Spark analyses it, each attribute as its name in backticks.
Analyse = Callable[[str, str], str | None]


class _NotLocal(Exception):
    pass


@dataclass(frozen=True)
class _Found:
    leaf: Node
    result: Route | str


def find_routes(plan: Node, by: Sequence[str], keys: Collection[str], analyse: Analyse) -> Routes:
    """The routes of the tables `keys`, found in the plan by their aliases, to the groups of columns `by`."""
    fickle = next((m[1] for n in nodes(plan) if (m := _FICKLE.search(n.text))), None)
    if fickle:
        return dict.fromkeys(keys, f"{fickle}() gives another answer each time")
    put_out = dict(outputs(plan))
    groups = tuple(f"#{put_out[c]}" for c in by)
    walk = _Walk(plan, keys, analyse)
    found = walk.need(plan, groups, ())
    found += walk.missed(found)
    return {key: _of_table([f.result for f in found if f.leaf.alias == key]) for key in keys}


def _of_table(results: Sequence[Route | str]) -> tuple[Route, ...] | str:
    reasons = [r for r in results if isinstance(r, str)]
    routes = dict.fromkeys(r for r in results if isinstance(r, Route))
    return reasons[0] if reasons else tuple(routes) or _UNSEEN


@dataclass(frozen=True)
class _Walk:
    plan: Node
    keys: Collection[str]
    analyse: Analyse

    @cached_property
    def _expressions(self) -> Expressions:
        return Expressions(self.plan)

    @cached_property
    def _ctes(self) -> dict[str, Node]:
        return {n.number: n for n in nodes(self.plan) if n.operator == "CTERelationDef"}

    def need(self, node: Node, exprs: Exprs, via: tuple[Hop, ...]) -> list[_Found]:
        """Where the tables below stand, if the rows with some values of `exprs` are to be made of theirs alone."""
        if self._is_table(node):
            return [_Found(node, self._route(node, exprs, via))]
        try:
            self._check(node, exprs)
            if node.operator == "Join":
                found = self._join(node, exprs, via)
            else:
                found = [f for child, inner in self._below(node, exprs) for f in self.need(child, inner, via)]
        except _NotLocal as why:
            return self._none(node, str(why))
        reads = self._inputs(node)
        asides = [c for c in node.children if c.operator != "CTERelationDef" and not any(c is r for r in reads)]
        return found + [f for aside in asides for f in self._none(aside, "a subquery reads all of it")]

    def missed(self, found: Sequence[_Found]) -> list[_Found]:
        """The uses of tables to which no operator led that is known here."""
        uses = (node for node in nodes(self.plan) if self._is_table(node))
        return [_Found(node, _UNSEEN) for node in uses if not any(f.leaf is node for f in found)]

    def _none(self, node: Node, why: str) -> list[_Found]:
        return [_Found(leaf, why) for leaf in self._tables(node)]

    def _tables(self, node: Node) -> Iterator[Node]:
        if self._is_table(node):
            yield node
        else:
            for child in [*node.children, *self._inputs(node)] if node.operator == "CTERelationRef" else node.children:
                yield from self._tables(child)

    def _is_table(self, node: Node) -> bool:
        return node.operator == "SubqueryAlias" and node.alias in self.keys

    def _route(self, leaf: Node, exprs: Exprs, via: tuple[Hop, ...]) -> Route | str:
        try:
            return Route(leaf.alias, self._sql(leaf, exprs), via)
        except _NotLocal as why:
            return str(why)

    def _inputs(self, node: Node) -> list[Node]:
        """What an operator reads its rows from; the plans of subqueries in its expressions come before."""
        match node.operator:
            case "CTERelationRef":
                return [self._ctes[node.number]]
            case "Union" | "Intersect" | "Except":
                return node.children
            case "Join":
                return node.children[-2:]
            case _:
                return node.children[-1:]

    def _check(self, node: Node, exprs: Exprs) -> None:
        """Rows of other groups have no part in what the operator makes of a group."""
        match node.operator:
            case "Window":
                found = node.lists
                ordered = len(found) < 2 or re.search(r" (ASC|DESC) NULLS (FIRST|LAST)$", found[1])
                parts = () if ordered else self._expressions.items(found[1])
                self._made_of(exprs, parts, "a window isn't partitioned by it")
            case "Deduplicate":
                self._made_of(exprs, self._expressions.items(node.lists[0]), "duplicates are looked for beyond a group")
            case operator if operator not in {*_ROW_BY_ROW, "Project", "Aggregate", "Join", "Union", "Intersect",
                                              "Except", "WithCTE", "CTERelationRef"} and node.children:  # fmt: skip
                raise _NotLocal(f"{operator} looks beyond a group")

    def _below(self, node: Node, exprs: Exprs) -> list[tuple[Node, Exprs]]:
        """The same values as expressions over what the operator reads."""
        reads = self._inputs(node)
        match node.operator:
            case "Project":
                return [(child, self._expressions.substituted(exprs, node.lists[-1])) for child in reads]
            case "Aggregate":
                inner = self._expressions.substituted(exprs, node.lists[-1])
                groups = self._expressions.items(node.lists[0] if len(node.lists) > 1 else "")
                self._made_of(inner, groups, "an aggregate doesn't group by it")
                return [(child, inner) for child in reads]
            case "Union" | "Intersect" | "Except":
                return [(child, renumbered(exprs, reads[0], child)) for child in reads]
            case "CTERelationRef":
                return [(child, renumbered(exprs, node, child)) for child in reads]
            case "Join":
                return [(reads[not all_of(exprs, reads[0])], exprs)]
            case _:
                return [(child, exprs) for child in reads]

    def _made_of(self, exprs: Exprs, groups: Collection[str], why: str) -> None:
        for expr in exprs:
            if expr not in groups and not all(f"#{i}" in groups for i in ID.findall(expr)):
                raise _NotLocal(why)

    def _join(self, node: Node, exprs: Exprs, via: tuple[Hop, ...]) -> list[_Found]:
        kind = node.text.split()[1].rstrip(",")
        left, right = node.children[-2:]
        equal = self._expressions.equalities(node)
        pairs = [(l, r) for a, b in equal for l, r in ((a, b), (b, a)) if all_of((l,), left) and all_of((r,), right)]  # noqa: E741
        if kind == "FullOuter":
            return self._full_join(left, right, exprs, via, pairs)
        on_left = all_of(exprs, left)
        if not on_left and not all_of(exprs, right):
            raise _NotLocal("its groups have columns of both sides of a join; group by those of one")
        if _SIDES.get(kind) not in ("both", "left" if on_left else "right"):
            raise _NotLocal(f"its groups are on the side of a {kind} join that may have no row")
        carrier, other = (left, right) if on_left else (right, left)
        pairs = pairs if on_left else [(r, l) for l, r in pairs]  # noqa: E741
        found = self.need(carrier, exprs, via)
        return found + self._other_side(carrier, other, exprs, via, pairs, found)

    def _other_side(
        self, carrier: Node, other: Node, exprs: Exprs, via: tuple[Hop, ...], pairs: list[tuple[str, str]],
        found: list[_Found],
    ) -> list[_Found]:  # fmt: skip
        theirs = dict(pairs)
        if all(e in theirs for e in exprs):
            return self.need(other, tuple(theirs[e] for e in exprs), via)
        for chosen in [pairs, *([pair] for pair in pairs)]:
            hops = self._hops(carrier, tuple(x for x, _ in chosen), found)
            if hops:
                return self.need(other, tuple(y for _, y in chosen), hops)
        return self._none(other, "it's joined by no equality of columns that could be followed")

    def _full_join(
        self, left: Node, right: Node, exprs: Exprs, via: tuple[Hop, ...], pairs: list[tuple[str, str]]
    ) -> list[_Found]:
        either = {f"coalesce({a}, {b})": pair for pair in pairs for a, b in (pair, pair[::-1])}
        if not all(e in either for e in exprs):
            raise _NotLocal("its groups aren't the coalesced keys of a full join")
        found = self.need(left, tuple(either[e][0] for e in exprs), via)
        return found + self.need(right, tuple(either[e][1] for e in exprs), via)

    def _hops(self, carrier: Node, exprs: Exprs, found: list[_Found]) -> tuple[Hop, ...]:
        """The tables whose rows have the values of `exprs`, with their routes; none if they can't be followed."""
        try:
            traced = [(leaf, self._sql(leaf, theirs)) for leaf, theirs in self._trace(carrier, exprs)] if exprs else []
        except _NotLocal:
            return ()
        routes = [(theirs, f.result) for leaf, theirs in traced for f in found if f.leaf is leaf]
        hops = tuple(Hop(theirs, route) for theirs, route in routes if isinstance(route, Route))
        return hops if len(hops) == len(routes) else ()

    def _trace(self, node: Node, exprs: Exprs) -> list[tuple[Node, Exprs]]:
        if self._is_table(node):
            return [(node, exprs)]
        if not self._inputs(node):
            raise _NotLocal("some of its rows are in no table")
        return [at for child, inner in self._below(node, exprs) for at in self._trace(child, inner)]

    def _sql(self, leaf: Node, exprs: Exprs) -> tuple[str, ...]:
        """The expressions in SQL over a table's columns.

        Raises:
            _NotLocal: one can't be told in SQL so that Spark would understand the same by it.
        """
        texts = [by_name(e, leaf) for e in exprs]
        if not all_of(exprs, leaf):
            raise _NotLocal("its groups aren't computed from its columns alone")
        for expr, text in zip(exprs, texts, strict=True):
            if text == expr or not re.fullmatch(r"#\d+", expr):
                self._verify(leaf.alias, text)
        return tuple(map(in_sql, texts))

    def _verify(self, key: str, text: str) -> None:
        if self.analyse(key, in_sql(text)) != text:
            raise _NotLocal(f"its groups are computed by {text}, which can't be asked of changed rows")
