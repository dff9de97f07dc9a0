"""Upkeep of tables: `lakehouse maintain`, which tells what became of their files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_assets.cli.app import app, complain, count, select
from lakehouse_assets.cli.look import Names
from lakehouse_assets.cli.ready import refuse_left_out
from lakehouse_assets.cli.terminal import Cell, console, grid, line, tell
from lakehouse_assets.engine.run.maintain import KEEP_DAYS, maintain, require_keepable
from lakehouse_assets.environment import open_context

if TYPE_CHECKING:
    from lakehouse_assets.engine.graph.discover import Lakehouse
    from lakehouse_assets.engine.run.maintain import Maintained, Part

_NUMBERS = ["files", "MB", "deleted", "seconds"]


@app.command(name="maintain")
def upkeep(
    names: Names = None,
    keep_days: Annotated[
        int, typer.Option("--keep-days", help=f"how long files stay once they're out of a table; {KEEP_DAYS} or more")
    ] = KEEP_DAYS,
) -> None:
    """Compact the files of tables, and delete those that were taken out of them days ago; exit code 1 if one fails."""
    require_keepable(keep_days)
    context = open_context()
    complain(context.lakehouse)
    keys = _chosen(names or [], context.lakehouse)
    done = [maintain(context.lakehouse.tables[key], context, keep_days) for key in keys]
    _tell(done)
    refuse_left_out(names or [], context.lakehouse)
    if any(it.failed for it in done):
        raise typer.Exit(1)


def _chosen(names: list[str], lakehouse: Lakehouse) -> list[str]:
    """The tables of ours that are chosen, and those of others that are named one by one, of which it's then told."""
    named = {found[0] for name in names if len(found := select(lakehouse, [name])) == 1}
    return [key for key in select(lakehouse, names) if key in lakehouse.runnable or key in named]


def _tell(done: list[Maintained]) -> None:
    shown = grid("table", *_NUMBERS, right=_NUMBERS)
    for it in done:
        for part in it.parts:
            shown.add_row(it.table if part.name == "rows" else f"  its {part.name}", *_cells(part))
    console.print(shown)
    for problem in (part.problem for it in done for part in it.parts if part.problem):
        tell(("✗", "red"), f" {problem}")
    if missing := [it.table for it in done if not it.parts]:
        tell(f"Not built yet: {', '.join(missing)}")


def _cells(part: Part) -> list[Cell]:
    if part.problem and not part.seconds:
        return [line(("✗", "red")), "", "", ""]
    files = f"{count(part.files_before)} → {count(part.files_after)}"
    size = f"{part.bytes_before / 1e6:,.1f} → {part.bytes_after / 1e6:,.1f}"
    return [files, size, count(part.deleted), f"{part.seconds:.1f}"]
