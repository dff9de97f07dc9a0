"""Commands about tables of messages: how far each has read its topic, and going on where messages are gone."""

from __future__ import annotations

from getpass import getuser
from typing import TYPE_CHECKING

from lakehouse_assets.cli.app import app, count, find
from lakehouse_assets.cli.look import Name
from lakehouse_assets.cli.ready import NotApplicable
from lakehouse_assets.cli.terminal import console, grid, tell
from lakehouse_assets.environment import open_lake, open_lakehouse

if TYPE_CHECKING:
    from lakehouse_assets.engine.graph.discover import Lakehouse
    from lakehouse_assets.engine.spec.table import Table


@app.command()
def offsets(name: Name) -> None:
    """How far a table has read its topic, and how far that goes, partition by partition."""
    from lakehouse_assets.engine.lake.delta_log import read_log
    from lakehouse_assets.engine.sources.kafka.position import place_of, topic_of
    from lakehouse_assets.engine.sources.kafka.topic import standing

    lakehouse = open_lakehouse()
    table = _of_messages(lakehouse, name)
    now = standing(topic_of(table))
    nexts = place_of(table, read_log(open_lake(lakehouse).table(table.key))).nexts
    numbers = ["first", "read up to", "end", "behind"]
    shown = grid("partition", *numbers, right=["partition", *numbers])
    for partition, end in sorted(now.ends.items()):
        first, at = now.begins[partition], nexts.get(partition)
        behind = end - (first if at is None else at)
        shown.add_row(str(partition), count(first), "" if at is None else count(at), count(end), count(behind))
    console.print(shown)


@app.command()
def seek(name: Name) -> None:
    """Have a table go on with what its topic has, where a run tells that messages are gone which weren't read."""
    from lakehouse_assets.engine.run.ingest import messages

    lakehouse = open_lakehouse()
    table = _of_messages(lakehouse, name)
    here, there = messages.seek(table, open_lake(lakehouse), getuser())
    if here == there:
        tell(f"{table.key} goes on where it is: what comes next is there.")
    for partition in sorted(there.nexts):
        before, now = here.nexts.get(partition), there.nexts[partition]
        if before != now or here.id != there.id:
            tell(f"partition {partition}: from offset {now:,}, not {'any' if before is None else f'{before:,}'}")


def _of_messages(lakehouse: Lakehouse, name: str) -> Table:
    table = find(lakehouse, name)
    if table.topic is None:
        raise NotApplicable(f"{table.key} reads no topic; `lakehouse plan` says what it reads")
    return table
