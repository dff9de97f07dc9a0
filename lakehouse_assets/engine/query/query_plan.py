"""A query as Spark has analysed it: a tree of operators, read off the text in which Spark explains it.

Spark Connect hands a client no other form of the plan. Every attribute has an expression id (`delay#12L`), so an
attribute is the same one wherever its id is, whatever it's called on the way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from lakehouse_assets.private.pyspark import explained

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_LINE = re.compile(r"(?P<indent>(?:[ :]  )*(?:[+:]- )?)(?P<text>.*)")
# A column that was given no name has its expression for one: `max(day)#12`.
_ATTRIBUTE = re.compile(r"(?P<name>(?:(?!#\d+L?[),]| AS ).)+)#(?P<id>\d+)L?", re.DOTALL)
_ALIASED = re.compile(r"(?P<expr>.*) AS (?P<name>.+)#(?P<id>\d+)L?", re.DOTALL)
# Texts are printed without quotes, so a bracket in one may hide where the next item begins.
_TWO_ITEMS = re.compile(r" AS [^,]+#\d+L?, ")

T = TypeVar("T")
# Name and id of an attribute.
Attribute = tuple[str, int]


@dataclass
class Node:
    """One operator: its line of the explanation, and the operators it reads, those of its subqueries first."""

    text: str
    children: list[Node] = field(default_factory=list)

    @property
    def operator(self) -> str:
        return self.text.split(" ", 1)[0]

    @property
    def alias(self) -> str:
        """The name a `SubqueryAlias` gives to what it reads."""
        return self.text.removeprefix("SubqueryAlias ").strip("`")

    @property
    def number(self) -> str:
        """By which the definition of a named subquery, and the references to it, know one another."""
        return self.text.split()[1].rstrip(",")

    @property
    def lists(self) -> list[str]:
        """The contents of the outermost square brackets of the line."""
        found, depth, start = [], 0, 0
        for position, char in enumerate(self.text):
            if char == "[":
                depth, start = depth + 1, position + 1 if depth == 0 else start
            elif char == "]" and depth:
                depth -= 1
                if depth == 0:
                    found.append(self.text[start:position])
        return found


# Of a long list Spark says how many more there are, where an engine isn't told to write out all.
_CUT = re.compile(r"\.\.\. \d+ more fields")


def if_understood(read: Callable[[], T]) -> T | None:
    """What is read off an explanation; None where its text isn't as it's expected to be.

    The text of a plan is nobody's promise: what can't be read costs the lineage, or a whole refresh, and never the run.
    """
    try:
        return read()
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def analysed(df: DataFrame) -> Node | None:
    """The operator that puts out a DataFrame's rows; None if Spark's explanation isn't understood."""
    # Spark explains how it would run, too, for which Delta looks for files, or for a table's size: up to 0.4 s, without
    # any rows 0.02.
    text = explained(df.where("false"))
    return if_understood(lambda: parse(text).children[0])


def parse(text: str) -> Node:
    """The same from the text of an extended explain.

    Raises:
        ValueError, LookupError: it isn't one, or a list in it was cut.
    """
    plan = text.split("== Analyzed Logical Plan ==\n", 1)[1].split("\n== Optimized", 1)[0]
    if _CUT.search(plan):
        raise ValueError("a list is cut")
    lines = [line for line in plan.splitlines()[1:] if line.strip()]  # the first line is the schema
    above: list[tuple[int, Node]] = []
    for line in lines:
        match = _LINE.match(line)
        assert match is not None  # noqa: S101  (it matches any line)
        depth, node = len(match["indent"]) // 3, Node(match["text"])
        below = [(d, n) for d, n in above if d < depth]  # the plan of a subquery is two steps below its operator
        if below:
            below[-1][1].children.append(node)
        above = [*below, (depth, node)]
    return above[0][1]


def nodes(node: Node) -> Iterator[Node]:
    """An operator and all below it."""
    yield node
    for child in node.children:
        yield from nodes(child)


def split(listed: str, separator: str = ",") -> list[str]:
    """The items of a list, at its outermost separators."""
    items, depth, start = [], 0, 0
    for position, char in enumerate(listed):
        if char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif depth == 0 and listed.startswith(separator, position):
            items.append(listed[start:position].strip())
            start = position + len(separator)
    return [*items, listed[start:].strip()] if listed else []


def attributes(listed: str) -> list[Attribute]:
    """The items of a list that are attributes."""
    found = (_ATTRIBUTE.fullmatch(item) for item in split(listed))
    return [(m["name"], int(m["id"])) for m in found if m]


def only_attributes(listed: str) -> list[Attribute]:
    """The same of a list of nothing else, whose places matter.

    Raises:
        ValueError: an item isn't one.
    """
    found = attributes(listed)
    if len(found) != len(split(listed)):
        raise ValueError(f"not attributes: {listed}")
    return found


def definition(item: str) -> tuple[str, str, int] | None:
    """The expression, name and id of an item that gives an expression a name; None for others.

    Raises:
        ValueError: it isn't seen where the item ends.
    """
    if _TWO_ITEMS.search(item):
        raise ValueError(f"more than one item: {item}")
    found = _ALIASED.fullmatch(item)
    return (found["expr"], found["name"], int(found["id"])) if found else None
