"""Which upstream columns each column of a table is computed from, read off Spark's analysed query plan.

Following the ids of attributes from the outputs down to the inputs is exact. It covers values, not filters or join
conditions.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from lakehouse_assets.engine.query.query_plan import Attribute, Node, attributes, definition, only_attributes, split

Lineage = dict[str, list[tuple[str, str]]]

_ID = re.compile(r"#(\d+)")
_OUTER = re.compile(r"^outer\((.+)\)$")  # in a subquery, a column of the query around it
_SCALAR = re.compile(r"\bscalar-subquery#(\d+)")
# Operators that put out what they read. Of others, such as those of a later Spark, it isn't known what they put out.
_PASSING = {"Filter", "View", "Sort", "Distinct", "Deduplicate", "ResolvedHint", "Repartition", "RebalancePartitions",
            "RepartitionByExpression", "GlobalLimit", "LocalLimit", "Offset", "Tail", "Sample", "WithCTE",
            "CollectMetrics"}  # fmt: skip
_OF_ONE_SIDE = ("Join LeftSemi", "Join LeftAnti")


@dataclass
class _Trace:
    """What is known while walking a plan: expression id → upstream columns, and the outputs of named subqueries."""

    keys: Collection[str]
    origin: dict[int, frozenset[tuple[str, str]]] = field(default_factory=dict)
    ctes: dict[str, list[Attribute]] = field(default_factory=dict)

    def of(self, ids: Iterator[int]) -> frozenset[tuple[str, str]]:
        return frozenset().union(*(self.origin.get(i, frozenset()) for i in ids))


def column_lineage(plan: Node, keys: Collection[str]) -> Lineage:
    """Column → the `(table key, column)` pairs it's computed from; `keys` are the tables' aliases in the plan."""
    trace = _Trace(keys)
    return {name: sorted(trace.of(iter([i]))) for name, i in _outputs(plan, trace) if trace.origin.get(i)}


def outputs(node: Node) -> list[Attribute]:
    """The attributes an operator puts out."""
    return _outputs(node, _Trace(()))


def _outputs(node: Node, trace: _Trace) -> list[Attribute]:
    """The (name, id) pairs an operator puts out; fills in where their values come from."""
    below = [_outputs(child, trace) for child in node.children]
    inner = below[-1] if below else []  # the plans of subqueries come before an operator's own input
    _answered(node.text, below[:-1], trace)
    lists = node.lists
    match node.operator:
        case "Project" | "Aggregate":  # an aggregate's groups come first, unless it has none
            return _items(lists[-1], trace)
        case "Window":
            return inner + _items(lists[0], trace)
        case "Generate":
            return inner + _generated(node.text, lists[-1], trace)
        case "Expand":
            return _expanded(lists[0], lists[1], trace)
        case "Join":
            return below[-2] if node.text.startswith(_OF_ONE_SIDE) else below[-2] + below[-1]
        case "Union":
            return _united(below, trace)
        case "Intersect" | "Except":
            return below[0]
        case "SubqueryAlias":
            return _named(node.alias, inner, trace)
        case "CTERelationDef":
            trace.ctes[node.number] = inner
            return inner
        case "CTERelationRef":
            return _referred(node.number, lists[0], trace)
        case _ if not below:
            return only_attributes(lists[0]) if lists else []
        case operator:
            return inner if operator in _PASSING else []


def _named(key: str, outputs: list[Attribute], trace: _Trace) -> list[Attribute]:
    if key in trace.keys:
        trace.origin.update({i: frozenset({(key, name)}) for name, i in outputs})
    return outputs


def _items(listed: str, trace: _Trace) -> list[Attribute]:
    outputs, begun = list[Attribute](), ""
    for item in (_OUTER.sub(r"\1", one) for one in split(listed)):
        if defined := definition(item):
            expr, name, own = defined
            trace.origin[own] = trace.of(int(i) for i in _ID.findall(f"{begun}{expr}"))
            outputs, begun = [*outputs, (name, own)], ""
        elif begun or not attributes(item):
            begun += f"{item}, "  # up to a comma in a text: its name is yet to come
        else:
            outputs += attributes(item)
    if begun:
        raise ValueError(f"an expression without a name: {begun}")
    return outputs


def _generated(text: str, listed: str, trace: _Trace) -> list[Attribute]:
    outputs = only_attributes(listed)
    generator = text[: text.rindex(f"[{listed}]")]
    origin = trace.of(int(i) for i in _ID.findall(generator))
    trace.origin.update(dict.fromkeys((i for _, i in outputs), origin))
    return outputs


def _answered(text: str, plans: list[list[Attribute]], trace: _Trace) -> None:
    """The values of scalar subqueries, whose plans come in the order in which an operator names them."""
    named = _SCALAR.findall(text)
    if len(named) == len(plans):  # else there are some of another kind
        trace.origin.update({int(i): trace.of(iter([own])) for i, ((_, own), *_) in zip(named, plans, strict=True)})


def _expanded(rows: str, listed: str, trace: _Trace) -> list[Attribute]:
    """Several rows of each, for totals: the items of each row feed the outputs by position."""
    outputs, items = only_attributes(listed), [split(row[1:-1]) for row in split(rows)]
    for position, (_, own) in enumerate(outputs):
        trace.origin[own] = trace.of(int(i) for row in items for i in _ID.findall(row[position]))
    return outputs


def _united(branches: list[list[Attribute]], trace: _Trace) -> list[Attribute]:
    """A union has the ids of its first branch; the others feed them by position."""
    for position, (_, own) in enumerate(branches[0]):
        trace.origin[own] = trace.of(b[position][1] for b in branches if position < len(b))
    return branches[0]


def _referred(cte: str, listed: str, trace: _Trace) -> list[Attribute]:
    outputs = only_attributes(listed)
    for (_, own), (_, defined) in zip(outputs, trace.ctes.get(cte, []), strict=False):
        trace.origin[own] = trace.origin.get(defined, frozenset())
    return outputs
