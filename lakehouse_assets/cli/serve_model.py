"""`lakehouse serve`: the champion of a registered model by REST."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lakehouse_assets.cli.app import app
from lakehouse_assets.settings import read_settings


@app.command()
def serve(
    model: Annotated[str, typer.Argument(help="the registered name, domain.models.name")],
    port: Annotated[int, typer.Option(help="on loopback; 0 takes a free one")] = 5000,
    poll: Annotated[float, typer.Option(min=0.1, help="seconds between looks for a new champion")] = 1.0,
    megabytes: Annotated[float, typer.Option(min=0.001, help="of the longest body that is taken")] = 20.0,
    record: Annotated[Path | None, typer.Option(help="folder of the prediction log")] = None,
    trusted_user: Annotated[list[str] | None, typer.Option(help="user of a proxy that may ask too")] = None,
) -> None:
    """Answer requests with the champion of a model, in MLflow's protocol; Ctrl-C stops it."""
    from lakehouse_assets.serve.models import Options, serve_model

    options = Options(port, poll, int(megabytes * 1_000_000), tuple(trusted_user or ()), record)
    settings = read_settings()
    serve_model(model, settings.mlflow, settings.mlflow_registry, options)
