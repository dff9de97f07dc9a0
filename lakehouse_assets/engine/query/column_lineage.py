"""Which upstream columns each column of a table is computed from, read off Spark's analysed query plan.

Following the ids of attributes from the outputs down to the inputs is exact. It covers values, not filters or join
conditions.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from lakehouse_assets.engine.query.query_plan import Attribute, Node, attributes, definition, split

Lineage = dict[str, list[tuple[str, str]]]

_ID = re.compile(r"#(\d+)")


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
    inner = below[-1] if below else []  # the plans of scalar subqueries come before an operator's own input
    lists = node.lists
    match node.operator:
        case "Project" | "Aggregate" if lists:  # an aggregate's groups come first, unless it has none
            return _items(lists[-1], trace)
        case "Window" if lists:
            return inner + _items(lists[0], trace)
        case "Generate" if lists:
            return inner + _generated(node.text, lists[-1], trace)
        case "Join":
            return [out for outs in below for out in outs]
        case "Union" if below:
            return _united(below, trace)
        case "SubqueryAlias":
            return _named(node.alias, inner, trace)
        case "CTERelationDef":
            trace.ctes[node.number] = inner
            return inner
        case "CTERelationRef" if lists:
            return _referred(node.number, lists[0], trace)
        case _ if not below:
            return attributes(lists[0]) if lists else []
        case _:
            return inner


def _named(key: str, outputs: list[Attribute], trace: _Trace) -> list[Attribute]:
    if key in trace.keys:
        trace.origin.update({i: frozenset({(key, name)}) for name, i in outputs})
    return outputs


def _items(listed: str, trace: _Trace) -> list[Attribute]:
    outputs = []
    for item in split(listed):
        defined = definition(item)
        if defined:
            expr, name, own = defined
            trace.origin[own] = trace.of(int(i) for i in _ID.findall(expr))
            outputs.append((name, own))
        else:
            outputs += attributes(item)
    return outputs


def _generated(text: str, listed: str, trace: _Trace) -> list[Attribute]:
    outputs = attributes(listed)
    generator = text[: text.rindex(f"[{listed}]")]
    origin = trace.of(int(i) for i in _ID.findall(generator))
    trace.origin.update(dict.fromkeys((i for _, i in outputs), origin))
    return outputs


def _united(branches: list[list[Attribute]], trace: _Trace) -> list[Attribute]:
    """A union has the ids of its first branch; the others feed them by position."""
    for position, (_, own) in enumerate(branches[0]):
        trace.origin[own] = trace.of(b[position][1] for b in branches if position < len(b))
    return branches[0]


def _referred(cte: str, listed: str, trace: _Trace) -> list[Attribute]:
    outputs = attributes(listed)
    for (_, own), (_, defined) in zip(outputs, trace.ctes.get(cte, []), strict=False):
        trace.origin[own] = trace.origin.get(defined, frozenset())
    return outputs
