"""The `lakehouse` command. Only what computes (`run`, `sql`) starts Spark; the rest reads Delta logs."""

from __future__ import annotations

import sys

from lakehouse_assets.cli import engine, look, work
from lakehouse_assets.cli.app import app, console
from lakehouse_assets.engine.errors import LakehouseError

__all__ = ["app", "engine", "look", "main", "work"]


def main() -> None:
    """Run the command line; an error of ours is one message and exit code 1."""
    try:
        app(standalone_mode=True)
    except LakehouseError as error:
        console.print(f"[bold red]Error[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
