"""Commands about sinks: list, resync."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_assets.cli.app import app, complain, find_sink
from lakehouse_assets.cli.ready import NotApplicable
from lakehouse_assets.cli.terminal import Cell, console, grid, line
from lakehouse_assets.cli.work import launch_run
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.environment import open_lake, open_lakehouse
from lakehouse_assets.settings import read_settings

if TYPE_CHECKING:
    from lakehouse_assets.engine.spec.sinks.sink import Sink

commands = typer.Typer(name="sink", help="Sinks: which version of its table each store has.", no_args_is_help=True)
app.add_typer(commands)

SinkName = Annotated[str, typer.Argument(help="name, sinks.name or domain.sinks.name", metavar="SINK")]


@commands.command("list")
def list_sinks() -> None:
    """Every declared sink: its store, the version of its table that this has, and the version that there is."""
    from lakehouse_assets.engine.lake.delta_log import read_log

    lakehouse = open_lakehouse()
    lake = open_lake(lakehouse)
    complain(lakehouse)
    shown = grid("sink", "store", "table", "in the store", "there is", right=["in the store", "there is"])
    for key, sink in lakehouse.sinks.items():
        table = lakehouse.upstreams(sink)["rows"]
        log = read_log(lake.table(table))
        newest = str(log.version) if log else line(("not built", "dim"))
        shown.add_row(key, f"{sink.to.kind} {sink.to.target}", table, _version(sink, log.id if log else ""), newest)
    console.print(shown)


def _version(sink: Sink, table_id: str) -> Cell:
    """What a store has of its table, or why nobody can tell."""
    from lakehouse_assets.engine.sinks.bring import held

    if sink.unset:
        return line((f"{sink.unset} isn't set", "yellow"))
    try:
        found = held(sink)
    except LakehouseError as error:
        return line((str(error), "red"))
    if found is None:
        return line(("nothing", "dim"))
    return str(found.version) if found.id == table_id else line((f"{found.version} of an earlier table", "yellow"))


@commands.command("resync")
def resync(name: SinkName) -> None:
    """Compare all rows of a store with its table, by key, and mend what is other, as what a person changed there."""
    lakehouse = open_lakehouse()
    sink = find_sink(lakehouse, name)
    if sink.unset:
        raise NotApplicable(f"{sink.key} waits, as {sink.unset} isn't set; it says where its store is")
    launch_run([sink.key], lakehouse, read_settings(), full_refresh=True)
