"""`lakehouse serve`: the champion of a registered model by REST."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_assets.cli.app import NotFound, app, find_model
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.settings import Settings, read_settings

if TYPE_CHECKING:
    import pandas as pd


@app.command()
def serve(
    model: Annotated[str, typer.Argument(help="a declared model's name, or any registered one's", metavar="MODEL")],
    port: Annotated[int, typer.Option(help="on loopback; 0 takes a free one")] = 5000,
    poll: Annotated[float, typer.Option(min=0.1, help="seconds between looks for a new champion")] = 1.0,
    megabytes: Annotated[float, typer.Option(min=0.001, help="of the longest body that is taken")] = 20.0,
    record: Annotated[Path | None, typer.Option(help="folder of the prediction log")] = None,
    by_key: Annotated[bool, typer.Option("--by-key", help="look features up in the online store")] = False,
    trusted_user: Annotated[list[str] | None, typer.Option(help="user of a proxy that may ask too")] = None,
) -> None:
    """Answer requests with the champion of a model, in MLflow's protocol; Ctrl-C stops it."""
    from lakehouse_assets.serve.models import Options, serve_model

    settings = read_settings()
    lookup = _by_key(model, settings) if by_key else None
    name = _registered(model, settings)
    options = Options(port, poll, int(megabytes * 1_000_000), tuple(trusted_user or ()), record, lookup)
    serve_model(name, settings.models, options)


def _registered(model: str, settings: Settings) -> str:
    """What the registry calls a declared model; any other is called as it's given."""
    try:
        return settings.models.name(find_model(open_lakehouse(settings), model).key)
    except NotFound:
        return model


def _by_key(model: str, settings: Settings) -> Callable[[pd.DataFrame], pd.DataFrame]:
    from lakehouse_assets.engine.errors import FeatureError
    from lakehouse_assets.engine.scoring.online import by_key
    from lakehouse_assets.serve.models import Refused

    lakehouse = open_lakehouse(settings)
    look_up = by_key(find_model(lakehouse, model), lakehouse, settings.online)

    def filled(sent: pd.DataFrame) -> pd.DataFrame:
        try:
            return look_up(sent)
        except FeatureError as error:
            raise Refused(str(error)) from error

    return filled
