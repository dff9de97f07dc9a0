"""The `lakehouse` command. Only what computes (`run`, `sql`) starts Spark; the rest reads Delta logs."""

from __future__ import annotations

import signal
import sys

import typer
from typer.main import get_command

from lakehouse_assets.cli import (
    alerts,
    engine,
    generate,
    look,
    maintain,
    sink,
    verify,
    work,
)
from lakehouse_assets.cli.app import app
from lakehouse_assets.cli.doctor import findings
from lakehouse_assets.cli.models import lookup, model, serve_model
from lakehouse_assets.cli.streams import simulate, stream, topics
from lakehouse_assets.cli.terminal import complaints, console, print_all_as_text, tell, tell_lines
from lakehouse_assets.engine.errors import LakehouseError

__all__ = [
    "alerts",
    "app",
    "console",
    "engine",
    "findings",
    "generate",
    "look",
    "lookup",
    "main",
    "maintain",
    "model",
    "serve_model",
    "simulate",
    "sink",
    "stream",
    "topics",
    "verify",
    "work",
]


INTERRUPTED = 130  # what a shell expects of a command that Ctrl-C ended, and Typer gives
_ERROR = (("Error", "bold red"), " ")


def main() -> None:
    """Run the command line; an error of ours is one message and exit code 1, an interrupt one line and 130."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print_all_as_text()
    try:
        # Else Typer itself prints what is wrong, and what it was given.
        code = get_command(app)(prog_name="lakehouse", standalone_mode=False)
    except typer.TyperException as error:
        _tell_usage(error)
        sys.exit(error.exit_code)
    except (LakehouseError, OSError) as error:  # of a full disk, say, the cause is all that there is to say
        tell_lines(str(error), *_ERROR)
        sys.exit(1)
    if code == INTERRUPTED:
        tell(("Interrupted.", "bold red"), " What was committed stays; the same command goes on from there.")
    sys.exit(code)


def _tell_usage(error: typer.TyperException) -> None:
    """What is wrong with a command line; nothing where its help was shown already."""
    context, message = getattr(error, "ctx", None), error.format_message()
    if message and context is not None:
        tell_lines(context.get_usage(), where=complaints)
        tell(f"Try `{context.command_path} --help`.", where=complaints)
    if message:
        tell_lines(message, *_ERROR, where=complaints)
