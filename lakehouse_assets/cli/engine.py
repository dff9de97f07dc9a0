"""The warm engine, and whether this machine has all it takes."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.markup import escape

from lakehouse_assets.cli.app import app, console, grid, open_lakehouse
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.azure import in_azure
from lakehouse_assets.resources.spark_server import ServerSettings
from lakehouse_assets.settings import PROJECT, Settings, read_settings

engine = typer.Typer(help="The warm Spark engine that steps and runs share.", no_args_is_help=True)
app.add_typer(engine, name="engine")

Found = tuple[bool, str, str]


def server_settings(settings: Settings) -> ServerSettings:
    """The local engine of the settings."""
    memory, cores, idle = settings.spark_memory, settings.spark_cores, settings.spark_idle_minutes
    return ServerSettings(settings.cache, memory, cores, idle, in_azure(*settings.stores))


@engine.command()
def status() -> None:
    """Whether the engine is up."""
    server = spark_server.running(server_settings(read_settings()))
    if server is None:
        console.print("The engine is not running; a run starts it, or `lakehouse engine start`.")
        return
    since = datetime.fromtimestamp(server.started, UTC).strftime("%Y-%m-%d %H:%M:%S")
    console.print(f"The engine is up since {since} UTC: process {server.pid}, loopback port {server.port}.")


@engine.command()
def start() -> None:
    """Start the engine, if it isn't up."""
    begun = time.monotonic()
    server = spark_server.attach(server_settings(read_settings()))
    console.print(f"The engine is up: process {server.pid}, port {server.port} ({time.monotonic() - begun:.1f} s).")


@engine.command()
def stop() -> None:
    """Stop the engine; whatever is computing on it fails."""
    stopped = spark_server.stop(server_settings(read_settings()))
    console.print("The engine is stopped." if stopped else "The engine was not running.")


@app.command()
def doctor() -> None:
    """Check what this machine needs, a line each; exit code 1 if something is missing."""
    settings = read_settings()
    shown, sound = grid("", "what", "found"), True
    for fine, what, found in _findings(settings):
        sound = sound and fine
        shown.add_row("[green]✓[/]" if fine else "[red]✗[/]", what, escape(found))
    console.print(shown)
    if not sound:
        raise typer.Exit(1)


def _findings(settings: Settings) -> Iterator[Found]:
    version = platform.python_version()
    yield sys.version_info[:2] == (3, 11), "Python", f"{version} (3.11 is needed)"
    yield _java()
    yield _jars(settings)
    yield _declared()
    yield _space(settings)
    yield (PROJECT / "dagster.yaml").is_file(), "Dagster instance", str(PROJECT / "dagster.yaml")
    server = spark_server.running(server_settings(settings))
    yield True, "engine", f"up, process {server.pid}" if server else "not running; a run starts it"


def _java() -> Found:
    from lakehouse_assets.resources.jars import java

    try:
        told = subprocess.run([java(), "-version"], capture_output=True, text=True, check=False, timeout=30).stderr
    except LakehouseError as error:
        return False, "Java", str(error)
    first = told.splitlines()[0] if told else "no version"
    number = first.split('"')[1].split(".")[0] if '"' in first else "0"
    return number.isdigit() and int(number) >= 17, "Java", f"{first} (17 or later is needed)"


def _jars(settings: Settings) -> Found:
    from lakehouse_assets.resources.jars import jar_folder

    try:
        return True, "JARs", str(jar_folder(settings.cache, azure=in_azure(*settings.stores)))
    except LakehouseError as error:
        return False, "JARs", str(error)


def _declared() -> Found:
    try:
        return True, "declared tables", f"{len(open_lakehouse().tables)}, and they fit together"
    except LakehouseError as error:
        return False, "declared tables", str(error)


def _space(settings: Settings) -> Found:
    if "://" in settings.lake:
        return True, "lake", f"{settings.lake} (not on this machine's disk)"
    there = next(p for p in [Path(settings.lake), *Path(settings.lake).parents] if p.exists())
    free = shutil.disk_usage(there).free / 1e9
    return free > 2, "lake", f"{settings.lake}, {free:.0f} GB free (2 are needed)"
