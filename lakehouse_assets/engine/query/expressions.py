"""Expressions of an analysed query, so written that those that mean the same look the same; and back into SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from lakehouse_assets.engine.query.column_lineage import outputs
from lakehouse_assets.engine.query.query_plan import Node, attributes, definition, nodes, split

ID = re.compile(r"#(\d+)L?")

# Expressions in which each attribute is written as its id, `#12`.
Exprs = tuple[str, ...]


@dataclass(frozen=True)
class Expressions:
    """Those of one plan."""

    plan: Node

    @cached_property
    def _names(self) -> dict[int, str]:
        names: dict[int, str] = {}
        for listed in (one for node in nodes(self.plan) for one in node.lists):
            found = [(d[1], d[2]) for item in split(listed) if (d := definition(item))]
            for name, number in [*found, *attributes(listed)]:
                names[number] = min(names.get(number, name), name, key=len)  # `NOT late#7` looks like a name too
        return names

    def text(self, expr: str) -> str:
        """An expression with each attribute as its id alone."""
        done, rest = "", expr
        while match := ID.search(rest):
            name, before = self._names.get(int(match[1]), ""), rest[: match.start()]
            cut = before[: len(before) - len(name)] if name and before.lower().endswith(name.lower()) else before
            done, rest = f"{done}{cut}#{match[1]}", rest[match.end() :]
        return done + rest

    def items(self, listed: str) -> Exprs:
        """The items of a list."""
        return tuple(self.text(item) for item in split(listed))

    def substituted(self, exprs: Exprs, listed: str) -> Exprs:
        """The expressions with the definitions of a list put in."""
        named = [d for item in split(listed) if (d := definition(item))]
        texts = {number: self.text(expr) for expr, _, number in named}
        return tuple(ID.sub(lambda m: texts.get(int(m[1]), m[0]), e) for e in exprs)

    def equalities(self, join: Node) -> list[tuple[str, str]]:
        """The pairs of expressions that a join requires to be equal."""
        condition = join.text.split(", ", 1)[1] if ", " in join.text else ""
        pairs = []
        for part in _conjuncts(self.text(condition)):
            sides = split(part, " <=> " if " <=> " in part else " = ")
            if len(sides) == 2 and all(ID.search(side) for side in sides):
                pairs.append((sides[0], sides[1]))
        return pairs


def renumbered(exprs: Exprs, node: Node, child: Node) -> Exprs:
    """The expressions over a child whose outputs the operator puts out under ids of its own, in their order."""
    theirs = {a[1]: f"#{b[1]}" for a, b in zip(outputs(node), outputs(child), strict=False)}
    return tuple(ID.sub(lambda m: theirs.get(int(m[1]), m[0]), e) for e in exprs)


def all_of(exprs: Exprs, node: Node) -> bool:
    """Whether an operator puts out all that the expressions are made of."""
    ids = {i for _, i in outputs(node)}
    return all(int(i) in ids for e in exprs for i in ID.findall(e))


def by_name(expr: str, node: Node) -> str:
    """An expression over an operator's outputs with each attribute as its name, in backticks."""
    names = {i: f"`{name}`" for name, i in outputs(node)}
    return ID.sub(lambda m: names.get(int(m[1]), m[0]), expr)


def first_by_name(plan: Node) -> str | None:
    """The first expression that a projection computes, in the same form."""
    found = definition(split(plan.lists[-1])[0]) if plan.operator == "Project" else None
    return by_name(Expressions(plan).text(found[0]), plan.children[-1]) if found else None


def in_sql(text: str) -> str:
    """An analysed expression as the SQL it may have come from; whoever uses it has to see that it did."""
    plain = re.sub(r", Some\([^)]*\)", "", text)
    return re.sub(r"\b(date_trunc)\((\w+), ", r"\1('\2', ", re.sub(r"\b(trunc\(.*), (\w+)\)", r"\1, '\2')", plain))


def _conjuncts(condition: str) -> list[str]:
    inner = condition[1:-1] if condition.startswith("(") and _closes_last(condition) else condition
    parts = split(inner, " AND ")
    return [inner] if len(parts) <= 1 else [c for part in parts for c in _conjuncts(part)]


def _closes_last(text: str) -> bool:
    depth = 0
    for position, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return position == len(text) - 1
    return False
