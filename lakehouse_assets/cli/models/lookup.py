"""`lakehouse lookup`: the latest features of an entity, as the online store has them."""

from __future__ import annotations

from typing import Annotated

import typer

from lakehouse_assets.cli.app import NotFound, app, find
from lakehouse_assets.cli.look import Name
from lakehouse_assets.cli.terminal import tell
from lakehouse_assets.environment import open_lake, open_lakehouse

Keys = Annotated[list[str], typer.Argument(metavar="COLUMN=VALUE…", help="the key of the entity, as in carrier=UA")]


@app.command()
def lookup(name: Name, key: Keys) -> None:
    """The latest features of an entity in the online store, and of which version of the table they are."""
    import pandas as pd

    from lakehouse_assets.engine.feature_store.online import OnlineStore
    from lakehouse_assets.engine.feature_store.serving import lookup as look_up

    lakehouse = open_lakehouse()
    table, store = find(lakehouse, name), OnlineStore(open_lake(lakehouse).online)
    given = dict(part.partition("=")[::2] for part in key)
    (row,) = look_up(store, table, pd.DataFrame([given])).to_dict("records")
    held = store.held(table.key)
    if held is None:
        raise NotFound(f"{table.key} isn't in the online store yet; `lakehouse run {table.key}` brings it there")
    if all(pd.isna(value) for value in row.values()):
        raise NotFound(f"{table.key} has no {' '.join(key)}, of {held.rows:,} entities in the online store")
    for column, value in row.items():
        tell(f"{column}  ", ("null" if pd.isna(value) else str(value), "bold"))
    tell((f"version {held.version} of {table.key}", "dim"))
