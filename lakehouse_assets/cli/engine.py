"""The warm engine: whether it is up, and by hand up or down."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime

import typer

from lakehouse_assets.cli.app import app
from lakehouse_assets.cli.terminal import tell
from lakehouse_assets.engine.errors import SparkUnavailable
from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.azure import in_azure
from lakehouse_assets.resources.class_archive.kept import find_archive
from lakehouse_assets.resources.spark_server import ServerSettings
from lakehouse_assets.settings import Settings, read_settings

engine = typer.Typer(help="The warm Spark engine that steps and runs share.", no_args_is_help=True)
app.add_typer(engine, name="engine")


def server_settings(settings: Settings) -> ServerSettings:
    """The local engine of the settings."""
    memory, cores, idle = settings.spark_memory, settings.spark_cores, settings.spark_idle_minutes
    return ServerSettings(settings.cache, memory, cores, idle, in_azure(*settings.stores))


@engine.command()
def status() -> None:
    """Whether the engine is up."""
    server = spark_server.running(server_settings(read_settings()))
    if server is None:
        tell("The engine is not running; a run starts it, or `lakehouse engine start`.")
        return
    since = datetime.fromtimestamp(server.started, UTC).strftime("%Y-%m-%d %H:%M:%S")
    tell(f"The engine is up since {since} UTC: process {server.pid}, loopback port {server.port}.")


@engine.command()
def start() -> None:
    """Start the engine, if it isn't up."""
    begun = time.monotonic()
    server = spark_server.attach(server_settings(read_settings()))
    tell(f"The engine is up: process {server.pid}, port {server.port} ({time.monotonic() - begun:.1f} s).")


@engine.command()
def prepare() -> None:
    """Make the archive of classes that halves the engine's start, now and not when the engine was idle."""
    settings = server_settings(read_settings())
    subprocess.run(spark_server.make_command(settings), check=False)
    found = find_archive(spark_server.classes_folder(settings))
    if found.path is None:
        raise SparkUnavailable(found.why)
    tell(f"The next engine starts with the classes of {found.path}.")


@engine.command()
def stop() -> None:
    """Stop the engine; whatever is computing on it fails."""
    stopped = spark_server.stop(server_settings(read_settings()))
    tell("The engine is stopped." if stopped else "The engine was not running.")
