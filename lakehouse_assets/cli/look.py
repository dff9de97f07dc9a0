"""Commands that look: none of them starts a JVM."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_assets.cli.app import (
    NotFound,
    app,
    built,
    complain,
    count,
    find,
    select_assets,
)
from lakehouse_assets.cli.terminal import Cell, console, grid, line, tell
from lakehouse_assets.engine.errors import DamagedTable
from lakehouse_assets.environment import open_lake, open_lakehouse

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_assets.engine.lake.delta_log import TableLog
    from lakehouse_assets.engine.lake.places import Lake
    from lakehouse_assets.engine.spec.table import Table

Name = Annotated[str, typer.Argument(metavar="TABLE", help="domain.layer.name, or as much of its end as is unique")]
Names = Annotated[list[str] | None, typer.Argument(metavar="[TABLE|DOMAIN]...", help="all, if none is named")]
Rows = Annotated[int, typer.Option("--rows", "-n", min=1, help="how many rows to show")]
Full = Annotated[bool, typer.Option("--full", help="rebuild the tables from all they read")]

STYLES = {"nothing": "dim", "full": "yellow", "append": "green", "merge": "green", "refresh": "green", "refused": "red",
          "task": "green", "train": "yellow", "upsert": "green"}  # fmt: skip


@app.command()
def plan(names: Names = None, full: Full = False) -> None:
    """What a run would do to each table, model and sink, how, and why."""
    from lakehouse_assets.engine.modes.refresh.small_refresh import planned
    from lakehouse_assets.engine.plan.plan import Plan
    from lakehouse_assets.engine.plan.planner import plan_all

    lakehouse = open_lakehouse()
    lake = open_lake(lakehouse)
    complain(lakehouse)
    shown = grid("table", "strategy", "why")
    for p in plan_all(lakehouse, lake, select_assets(lakehouse, names or []), full):
        counted = planned(p, lake) if isinstance(p, Plan) else p
        groups = f"; {counted.groups} groups" if isinstance(counted, Plan) and counted.groups is not None else ""
        style = STYLES[counted.strategy]
        shown.add_row(p.key, line((counted.strategy, style)), line((counted.reason + groups, style)))
    console.print(shown)


@app.command()
def tables() -> None:
    """Every declared table: rows, those with rescued values, rejected rows, size, version, and when it was written."""
    lakehouse, damaged = open_lakehouse(), list[str]()
    lake = open_lake(lakehouse)
    numbers = ["rows", "rescued", "rejected", "MB", "version"]
    shown = grid("table", *numbers, "written (UTC)", right=numbers)
    for key in lakehouse.tables:
        try:
            shown.add_row(key, *_measures(key, lake))
        except DamagedTable as error:  # which costs itself, and none of the others
            damaged.append(str(error))
            shown.add_row(key, line(("damaged", "red")))
    console.print(shown)
    for problem in damaged:
        tell(("✗", "red"), f" {problem}")


def _measures(key: str, lake: Lake) -> tuple[Cell, ...]:
    """What `tables` shows of a table beside its name."""
    from lakehouse_assets.engine.lake.delta_log import read_log
    from lakehouse_assets.engine.quality.quarantine import waiting

    log, kept = read_log(lake.table(key)), read_log(lake.quarantine(key))
    if log is None:
        return (line(("not built", "dim")),)
    at = log.commits[0].at.strftime("%Y-%m-%d %H:%M:%S") if log.commits else ""
    rejected = count(waiting(kept)) if kept else ""
    return count(log.rows), count(log.rescued), rejected, f"{log.bytes / 1e6:.1f}", str(log.version), at


@app.command()
def show(
    name: Name, rows: Rows = 20, version: Annotated[int | None, typer.Option(help="as of a Delta version")] = None
) -> None:
    """Some rows of a table."""
    from deltalake.exceptions import DeltaError

    table, log = _built(name)
    if version is not None:
        try:
            log.table.load_as_version(version)
        except (DeltaError, OverflowError) as error:
            raise NotFound(
                f"{table.key} has no version {version} to read; `lakehouse history {name}` lists them"
            ) from error
    print_rows(log.head(rows))


@app.command()
def history(name: Name, rows: Rows = 20) -> None:
    """The commits of a table, newest first: operation, rows, and what our run had read."""
    _, log = _built(name)
    shown = grid("version", "at (UTC)", "operation", "run", "rows", "read", right=["version", "run", "rows"])
    for commit in log.commits[:rows]:
        run = commit.run or {}
        read = ", ".join(f"{key}@{r['to']}" for key, r in run.get("read", {}).items())
        written = commit.metrics.get("numOutputRows") or commit.metrics.get("num_added_rows") or ""
        operation = f"{commit.operation} {commit.mode}".strip().lower()
        at = commit.at.strftime("%Y-%m-%d %H:%M:%S")
        shown.add_row(str(commit.version), at, operation, str(run.get("run", "")), str(written), read)
    console.print(shown)


@app.command()
def files(
    name: Name, rows: Rows = 50, failed: Annotated[bool, typer.Option(help="only those that failed")] = False
) -> None:
    """The arrivals ledger of a table: which file was read in which batch, and what became of it and its values."""
    from lakehouse_assets.engine.lake.delta_log import read_log
    from lakehouse_assets.engine.sources.arrivals.ledger import Ledger

    lakehouse = open_lakehouse()
    lake, table = open_lake(lakehouse), find(lakehouse, name)
    if table.source is None:
        raise NotFound(f"{table.key} reads tables, not files; `lakehouse history {name}` shows what it read")
    entries = Ledger(lake.arrivals(table.key), lake.storage).entries()
    entries = [e for e in entries if not failed or e.status == "failed"]
    log, last = read_log(lake.table(table.key)), entries[-rows:]
    rescued = log.rescued_by_file({e.path for e in last if e.rows}) if log else Counter[tuple[str, int]]()
    numbers = ["batch", "rows", "rescued", "bytes"]
    shown = grid("file", "status", *numbers, "error", right=numbers)
    for e in last:
        told = [str(e.batch), count(e.rows), count(rescued[e.path, e.batch] if e.rows else None), count(e.size)]
        shown.add_row(e.path, e.status, *told, e.error or "")
    console.print(shown)
    if len(entries) > rows:
        tell((f"the last {rows} of {len(entries):,}; more with --rows", "dim"))


@app.command()
def quarantine(name: Name, rows: Rows = 20) -> None:
    """The rows of a table that broke an expectation and were set aside, with its name and the file they came from."""
    from lakehouse_assets.engine.lake.delta_log import read_log
    from lakehouse_assets.engine.lake.delta_rs import select as query
    from lakehouse_assets.engine.quality.quarantine import latest, waiting

    lakehouse = open_lakehouse()
    lake, table = open_lake(lakehouse), find(lakehouse, name)
    log = read_log(lake.quarantine(table.key))
    number = waiting(log) if log else 0
    if log is None or not number:
        tell(f"No row of {table.key} is in quarantine.")
        return
    for row in query(log.table, "kept", f"{latest('kept')} LIMIT {rows}"):
        judged = f"run {row['run']}" + (f", replay {row['replay']}" if row["replay"] else "")
        tell((", ".join(row["broken"]), "red"), f"  {row['source']}  ", (judged, "dim"))
        tell(f"  {row['row']}")
    tell((f"{count(number)} rows in all; expectations now {table.expectations_version}", "dim"))


def _built(name: str) -> tuple[Table, TableLog]:
    lakehouse = open_lakehouse()
    table = find(lakehouse, name)
    return table, built(open_lake(lakehouse), table)


def print_rows(rows: pa.Table) -> None:
    """Rows as a console table."""
    shown = grid(*rows.column_names)
    for row in rows.to_pylist():
        shown.add_row(*(_cell(v) for v in row.values()))
    console.print(shown)


def _cell(value: object) -> Cell:
    if value is None:
        return line(("null", "dim"))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
