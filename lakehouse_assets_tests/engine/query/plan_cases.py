"""Cases of query analysis as files: a query, the plan Spark made of it, and what is to be read off the plan.

A file of `plans/*/` has a remark in its first lines, then sections that each begin with `== name`:

- `query`: SQL over the tables by their short names, `table KEY` for a table that the project declares, or `function
  NAME` for one of `record_plans.py`;
- `tables`: `short name = key: columns with their types`;
- `plan`: what Spark 4.0.5 printed, but for the ids of attributes, which are counted anew from 1 in each file;
- `asked`: SQL expressions that were asked of Spark for the routes, each followed by a line `= the answer`;
- `lineage`: `column <- key.column, key.column`; a column made of no input isn't listed;
- `routes by COLUMNS`, any number: a line for each route, or `key: whole, because …`. `a: x -> b: y => z` says that
  changed rows of `a` by the value of `x` lead to the rows of `b` with the same `y`, and those by `z` to the groups.
- either of the last two is `not understood` where a run does without: with no lineage, and a refresh of everything.

What is expected was reasoned from the SQL, and is never written by a program.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lakehouse_assets.engine.modes.refresh.group_routes import find_routes
from lakehouse_assets.engine.modes.refresh.routes import Route, Routes
from lakehouse_assets.engine.query.column_lineage import Lineage
from lakehouse_assets.engine.query.query_plan import Node, if_understood, parse

NOT_UNDERSTOOD = "not understood"
PLANS = Path(__file__).parent / "plans"
# The heading by which Spark's own explanation introduces the part that is kept here, and the schema above the plan.
_HEADING = "== Analyzed Logical Plan ==\nthe schema\n"


@dataclass(frozen=True)
class PlanCase:
    """One file."""

    path: Path
    sections: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def tables(self) -> dict[str, tuple[str, str]]:
        """By the short name of a table, its key and columns."""
        lines = (line.split(" = ", 1) for line in self.sections["tables"].splitlines())
        return {name: (told.split(": ", 1)[0], told.split(": ", 1)[1]) for name, told in lines}

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.tables.values()]

    @property
    def explained(self) -> str:
        return _HEADING + self.sections["plan"]

    @property
    def plan(self) -> Node:
        return parse(self.explained).children[0]  # below the filter under which a run has Spark explain

    @property
    def answers(self) -> dict[tuple[str, str], str | None]:
        """By key and SQL, how Spark understands it."""
        lines = self.sections.get("asked", "").splitlines()
        pairs = ((asked.split(": ", 1), answer) for asked, answer in zip(lines[::2], lines[1::2], strict=True))
        return {(key, sql): answer[4:] if answer.startswith("  = ") else None for (key, sql), answer in pairs}

    @property
    def lineage(self) -> Lineage | None:
        if self.sections["lineage"] == NOT_UNDERSTOOD:
            return None
        lines = (line.split(" <- ") for line in self.sections["lineage"].splitlines())
        return {column: [_column(one) for one in told.split(", ")] for column, told in lines}

    @property
    def routes(self) -> dict[tuple[str, ...], list[str]]:
        """By the columns of the groups, the lines that tell of the routes."""
        asked = {k.removeprefix("routes by "): v for k, v in self.sections.items() if k.startswith("routes by ")}
        return {tuple(by.split(", ")): sorted(lines.splitlines()) for by, lines in asked.items()}

    def found(self, by: Sequence[str]) -> list[str]:
        """The routes that the program finds, in the same words."""
        answers = self.answers
        routes = if_understood(lambda: find_routes(self.plan, by, self.keys, lambda key, sql: answers.get((key, sql))))
        return [NOT_UNDERSTOOD] if routes is None else told(routes)


def cases() -> list[PlanCase]:
    return [read(path) for path in sorted(PLANS.glob("*/*.txt"))]


def read(path: Path) -> PlanCase:
    parts = path.read_text().split("\n== ")
    found = (part.split("\n", 1) for part in parts[1:])
    return PlanCase(path, {"": parts[0].strip("\n"), **{name: text.strip("\n") for name, text in found}})


def write(case: PlanCase) -> None:
    told = [f"== {name}\n{text}\n" for name, text in case.sections.items() if name]
    case.path.write_text("\n".join([f"{case.sections['']}\n", *told]))


def told(routes: Routes) -> list[str]:
    """Routes as the files have them."""
    lines = []
    for key, found in routes.items():
        lines += [f"{key}: whole, because {found}"] if isinstance(found, str) else [w for r in found for w in _ways(r)]
    return sorted(lines)


def _ways(route: Route) -> Iterator[str]:
    own = ", ".join(route.own)
    if not route.via:
        yield f"{route.key}: {own}"
    for hop in route.via:
        for way in _ways(hop.route):
            key, rest = way.split(": ", 1)
            yield f"{route.key}: {own} -> {key}: {', '.join(hop.theirs)} => {rest}"


def _column(text: str) -> tuple[str, str]:
    key, _, name = text.rpartition(".")
    return key, name
