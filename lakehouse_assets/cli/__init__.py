"""The `lakehouse` command. Only what computes (`run`, `sql`) starts Spark; the rest reads Delta logs."""

from __future__ import annotations

import signal
import sys

from rich.markup import escape

from lakehouse_assets.cli import doctor, engine, look, verify, work
from lakehouse_assets.cli.app import app, console
from lakehouse_assets.engine.errors import LakehouseError

__all__ = ["app", "doctor", "engine", "look", "main", "verify", "work"]


INTERRUPTED = 130  # what a shell expects of a command that Ctrl-C ended, and Typer gives


def main() -> None:
    """Run the command line; an error of ours is one message and exit code 1, an interrupt one line and 130."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(standalone_mode=True)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            console.print("[bold red]Interrupted.[/] What was committed stays; the same command goes on from there.")
        raise
    except OSError as error:  # a disk that is full, a folder of someone else: the cause is all that there is to say
        console.print(f"[bold red]Error[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except LakehouseError as error:
        console.print(f"[bold red]Error[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
