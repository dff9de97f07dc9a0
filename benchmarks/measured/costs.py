"""Computing the groups that changed beside the whole table, and which of the two the engine takes by itself.

A cell is a table of some size of which some groups are touched. Both ways are forced in it. Where the engine rebuilds
the table by itself, the run that comes to this is measured too, as it may have looked for the groups before.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from benchmarks.measure import Bench, Row, Side, timed
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.plan.plan import Logs, Plan, Strategy, rebuilding
from lakehouse_assets.engine.plan.planner import plan_table
from lakehouse_assets.engine.run.update import execute
from lakehouse_assets_tests.project import Project, listed

Way = Literal["refresh", "full", "chosen"]
# What comes out: a row for each group, or for each row that went in.
MADE = {
    "totals": (
        "part int, n bigint, total double, biggest double, mean double",
        "SELECT part, count(*) AS n, sum(amount) AS total, max(amount) AS biggest, avg(amount) AS mean"
        " FROM events GROUP BY part",
    ),
    "ranked": (
        "id bigint, part int, amount double, place string, nth int, last_mean double",
        "SELECT *, rank() OVER (PARTITION BY part ORDER BY amount DESC) AS nth,"
        " avg(amount) OVER (PARTITION BY part ORDER BY id ROWS 10 PRECEDING) AS last_mean FROM events",
    ),
}


@dataclass(frozen=True)
class Case:
    """A table that is made of so many rows in so many groups, of which so many are touched in turn."""

    made: str
    rows: int
    groups: int
    touched: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"{self.made}_{self.rows}_{self.groups}"


@dataclass(frozen=True)
class Cell:
    """A table of which some groups are touched."""

    case: Case
    touched: int

    def __str__(self) -> str:
        case = self.case
        return f"{case.made} of {case.rows:,} rows, {self.touched:,} of {case.groups:,} groups"


def run(bench: Bench) -> list[Row]:
    cases = _cases(bench)
    project = _declared(bench, cases)
    context = project.context()
    for case in cases:
        _bring(project, context, Cell(case, 1), "full")
    cells = [Cell(case, touched) for case in cases for touched in case.touched]
    taken = {cell: _bring(project, context, cell, "chosen")[0] for cell in cells}
    sides: dict[str, Side] = {case.name: _side(project, context, Cell(case, 1), "full") for case in cases}
    for cell in cells:
        sides[f"{cell}"] = _side(project, context, cell, "refresh")
        if taken[cell] == "full":
            sides[f"{cell}, rebuilt"] = _side(project, context, cell, "chosen")
    return [_worst(cells, bench.turns(sides, warm=True))]


def _cases(bench: Bench) -> list[Case]:
    small, middle, large = 2_000, bench.size(150_000, 4_000), bench.size(3_000_000, 8_000)
    many = bench.size(20_000, 2_000)
    return [
        Case("totals", small, 200, (1, 160)),
        Case("ranked", small, 500, (1, 160)),
        Case("totals", middle, 500, (1, 160)),
        Case("ranked", middle, many, (1, 160, 1_500, many * 3 // 10)),
        Case("totals", large, 500, (1, 160)),
        Case("totals", large, many, (1_500, many * 3 // 10)),
        Case("ranked", large, many, (1, 160, bench.size(1_000, 500), many * 3 // 10)),
    ]


def _worst(cells: Sequence[Cell], medians: Mapping[str, float]) -> Row:
    """The cell in which the way that the engine took does worst beside the better one, and what was seen of all."""
    rows = [_row(cell, medians) for cell in cells]
    worst = max(rows, key=lambda row: row.ratio)
    seen = "; ".join(row.seen for row in rows)
    return Row(f"the worst of {len(rows)} cells: {worst.what}", worst.ours, worst.against, worst.aim, seen)


def _row(cell: Cell, medians: Mapping[str, float]) -> Row:
    refreshed, rebuilt = medians[f"{cell}"], medians[cell.case.name]
    chosen = medians.get(f"{cell}, rebuilt", refreshed)
    took = "refreshed" if chosen is refreshed else f"rebuilt in {chosen:.2f} s"
    seen = f"{cell}: {refreshed:.2f} s, all {rebuilt:.2f} s, {took}"
    return Row(f"{cell}", chosen, min(refreshed, rebuilt), "at most 1.2", seen)


def _declared(bench: Bench, cases: Sequence[Case]) -> Project:
    folder = bench.folder / "costs"
    folder.mkdir()
    sys.path.insert(0, str(folder))
    project = Project(folder, "costs_domains", bench.engine)
    for case in cases:
        columns, sql = MADE[case.made]
        project.external(f"silver.of_{case.name}", str(folder / "events" / case.name))
        project.table(
            f"gold.{case.name}",
            f'{case.name} = sql_table(events="silver.of_{case.name}", columns=[{listed(columns)}],'
            f' write=refresh(by="part"), sql="""{sql}""")',
        )
        _add(project, case, range(case.rows), case.groups)
    return project


def _add(project: Project, case: Case, ids: range, touched: int) -> None:
    """Add rows to what a table is made of, in so many of its groups, which lie in no order."""
    import numpy as np
    from deltalake import write_deltalake

    random = np.random.default_rng(ids.start)
    part = random.permutation(np.arange(len(ids)) % touched) * (case.groups // touched)
    rows = pa.table(
        {
            "id": pa.array(np.arange(ids.start, ids.stop)),
            "part": pa.array(part.astype("int32")),
            "amount": pa.array(random.random(len(ids))),
            "place": pa.array(np.char.add("place ", (part % 97).astype(str))),
        }
    )
    path = project.lake.table(f"shop.silver.of_{case.name}").path
    write_deltalake(path, rows, mode="append", configuration={"delta.enableChangeDataFeed": "true"})


def _side(project: Project, context: Context, cell: Cell, way: Way) -> Side:
    return lambda: _bring(project, context, cell, way)[1]


def _bring(project: Project, context: Context, cell: Cell, way: Way) -> tuple[Strategy, float]:
    """Touch the groups, and bring the table up to date in some way: by what strategy, and how long it took."""
    there, seen = project.log(f"silver.of_{cell.case.name}").rows, list[Plan]()
    _add(project, cell.case, range(there, there + cell.touched), cell.touched)
    seconds = timed(lambda: seen.append(_carried_out(context, cell.case, way)))()
    return seen[0].strategy, seconds


def _carried_out(context: Context, case: Case, way: Way) -> Plan:
    table = context.lakehouse.tables[f"shop.gold.{case.name}"]
    plan = plan_table(table, context.lakehouse, Logs(context.lake))
    plan = rebuilding(plan, "to measure it") if way == "full" else plan
    return execute(plan, context, bound=way == "refresh").plan
