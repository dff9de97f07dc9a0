"""Commands about alerts: which episodes are open and what waits to be sent, and a test of a channel."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_assets.cli.app import NotFound, app, complain, select
from lakehouse_assets.cli.look import Names
from lakehouse_assets.cli.terminal import console, grid, line, tell
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.environment import open_lake, open_lakehouse
from lakehouse_assets.settings import read_settings

if TYPE_CHECKING:
    from lakehouse_assets.engine.alerts.deliver import Told
    from lakehouse_assets.engine.graph.discover import Lakehouse
    from lakehouse_assets.engine.lake.places import TableRef
    from lakehouse_assets.engine.spec.table import Table


@app.command()
def alerts(names: Names = None) -> None:
    """The episodes of alerts that are open, of tables or of all, and how many messages wait to be sent."""
    from lakehouse_assets.engine.alerts.outbox import read_outbox

    lakehouse = open_lakehouse()
    complain(lakehouse)
    shown, waiting = grid("since", "table", "alert", "to", "text", "episode"), 0
    for about, place in _outboxes(lakehouse, open_lake(lakehouse), names or []).items():
        outbox = read_outbox(place)
        if outbox is None:
            continue
        found = outbox.unfinished()
        waiting += len(found.waiting)
        for it in found.open:
            since = f"{it.since:%Y-%m-%d %H:%M:%S}"
            shown.add_row(since, about, it.alert, it.channel, it.text, line((it.episode, "dim")))
    if shown.row_count:
        console.print(shown)
    tell(f"Open episodes: {shown.row_count}. Messages that wait to be sent: {waiting}.")


def _outboxes(lakehouse: Lakehouse, lake: Lake, names: list[str]) -> dict[str, TableRef]:
    """By table or domain, where its outbox is; those of domains where no names are given."""
    domains = [name for name, domain in lakehouse.domains.items() if domain.notify and not names]
    tables = [key for key in select(lakehouse, names) if lakehouse.tables[key].alerts]
    return {name: lake.notices(name) for name in domains} | {key: lake.alerts(key) for key in tables}


@app.command()
def notify(name: Annotated[str, typer.Argument(help="a channel, as in alert(…, to=NAME)")]) -> None:
    """Send a message to a channel, to see whether it comes through."""
    from lakehouse_assets.engine.alerts.channels import channel, variable_of
    from lakehouse_assets.engine.alerts.messages import Notice
    from lakehouse_assets.engine.alerts.send import send

    to = channel(name)
    if to.kind == "log":
        raise NotFound(f"{variable_of(name)} isn't set, so {name!r} is told by the log of runs; set it to an address")
    text = "a message by hand; nothing is wrong"
    send(Notice(uuid.uuid4().hex, "test", "lakehouse notify", "test", "", datetime.now(UTC), text), to)
    tell(f"{to.where} took the message.")


def tell_of_alerts(table: Table, lakehouse: Lakehouse, lake: Lake) -> None:
    """Judge and send what a run that was killed has left undone."""
    from lakehouse_assets.engine.alerts.tell import tell_alerts
    from lakehouse_assets.resources.spark import SparkResource

    if table.alerts:
        spark = SparkResource.from_settings(read_settings(), lakehouse.elsewhere)
        print_told(tell_alerts(table, Context(lakehouse, lake, spark.session)))


def print_told(told: Told | None) -> None:
    """The messages of channels that are the log, and why others couldn't be sent."""
    for text in (*told.logged, *told.problems) if told else ():
        tell(("!", "yellow"), f" {text}")
