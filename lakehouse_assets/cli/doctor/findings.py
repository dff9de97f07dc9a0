"""`lakehouse doctor`: whether this machine has all it takes, each thing tried and told in a line."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import typer

from lakehouse_assets.cli.app import app
from lakehouse_assets.cli.doctor.databricks import attempts
from lakehouse_assets.cli.engine import server_settings
from lakehouse_assets.cli.ready import require_writable
from lakehouse_assets.cli.terminal import console, grid, line
from lakehouse_assets.engine.alerts.channels import variable_of as channel_variable
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.sources.kafka.connection import unset, variable_of
from lakehouse_assets.engine.spec.inputs import VARIABLE, Topic
from lakehouse_assets.engine.spec.sinks.sink import Sink
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.azure import in_azure, lake_at
from lakehouse_assets.resources.class_archive.kept import find_archive
from lakehouse_assets.resources.trials import MARKS, Found, Untold, kept_and_found, tried
from lakehouse_assets.settings import Settings, dagster_home, sound_settings

COLOURS = {True: "green", False: "red", None: "yellow"}
GIGABYTES = 2


@app.command()
def doctor() -> None:
    """Try what this machine needs, a line each; exit code 1 if something is wrong."""
    shown, sound = grid("", "what", "found"), True
    for fine, what, found in _findings():
        sound = sound and fine is not False
        shown.add_row(line((MARKS[fine], COLOURS[fine])), what, found)
    console.print(shown)
    if not sound:
        raise typer.Exit(1)


def _findings() -> Iterator[Found]:
    version = platform.python_version()
    yield sys.version_info[:2] == (3, 11), "Python", f"{version} (3.11 is needed)"
    lakehouse = open_lakehouse(sound_settings()[0])
    named = {name for table, source in lakehouse.source_tables() for name in VARIABLE.findall(repr(source))}
    named |= {variable_of(topic.connection) for _, topic in lakehouse.topic_tables()}
    named |= {sink.to.variable for sink in lakehouse.sinks.values()}
    channels = lakehouse.channels()
    settings, told = sound_settings(named | {channel_variable(name) for name in channels})
    yield from told
    yield _java()
    yield tried("JARs", lambda: _jars(settings))
    yield tried("archive of classes", lambda: _classes(settings))
    yield from ((False, "declared tables", problem) for problem in lakehouse.problems)
    if not lakehouse.problems:
        yield True, "declared tables", f"{len(lakehouse.tables)}, and they fit together"
    yield tried("lake", lambda: kept_and_found(settings.lake))
    yield tried("lake by delta-rs", lambda: _delta_rs(settings))
    yield tried("landing folder", lambda: kept_and_found(settings.landing))
    yield _space(settings)
    yield tried("Dagster's folder", _dagster)
    yield tried("Spark", lambda: _spark(settings))
    if settings.compute == "databricks":
        yield from _databricks(settings, lakehouse)
    if settings.queue:
        yield tried("arrivals queue", lambda: _queue(settings))
    if settings.data_factory:
        yield tried("data factory", lambda: _data_factory(settings))
    for topic in dict.fromkeys(topic for _, topic in lakehouse.topic_tables()):
        off = unset(topic.connection)
        what = f"topic {topic.name}"
        yield (None, what, f"{off} isn't set, so it's read by nobody") if off else tried(what, partial(_topic, topic))
    for sink in lakehouse.sinks.values():
        what, off = f"sink {sink.key}", sink.unset
        yield (None, what, f"{off} isn't set, so it waits") if off else tried(what, partial(_sink, sink))
    for name in channels:
        yield tried(f"channel {name}", partial(_channel, name))


def _java() -> Found:
    from lakehouse_assets.resources.jars import java

    try:
        told = subprocess.run([java(), "-version"], capture_output=True, text=True, check=False, timeout=30).stderr
    except (LakehouseError, OSError, subprocess.TimeoutExpired) as error:
        return False, "Java", str(error)
    first = told.splitlines()[0] if told else "no version"
    number = first.split('"')[1].split(".")[0] if '"' in first else "0"
    return number.isdigit() and int(number) >= 17, "Java", f"{first} (17 or later is needed)"


def _jars(settings: Settings) -> str:
    from lakehouse_assets.resources.jars import AZURE, ENGINE, jar_folder

    return str(jar_folder(settings.cache, AZURE if in_azure(*settings.stores) else ENGINE))


def _classes(settings: Settings) -> str:
    """The archive by which the engine starts sooner; without it all works."""
    found = find_archive(spark_server.classes_folder(server_settings(settings)))
    if found.path:
        return f"{found.path.parent}: {found.path.stat().st_size / 1e6:.0f} MB"
    if found.missing:
        return f"{found.why}; one is made when the engine was idle, or by `lakehouse engine prepare`"
    raise Untold(found.why)


def _delta_rs(settings: Settings) -> str:
    from deltalake import DeltaTable

    lake = lake_at(settings.lake, settings.landing)
    DeltaTable.is_deltatable(f"{settings.lake}/_doctor", storage_options=dict(lake.storage))
    return f"{settings.lake}: answers"


def _space(settings: Settings) -> Found:
    if "://" in settings.lake:
        return True, "room", f"{settings.lake} is not on this machine's disk"
    there = next(p for p in [Path(settings.lake), *Path(settings.lake).parents] if p.exists())
    free = shutil.disk_usage(there).free / 1e9
    return free > GIGABYTES, "room", f"{free:.1f} GB free for {settings.lake} ({GIGABYTES} are needed)"


def _dagster() -> str:
    folder = os.environ.get("DAGSTER_HOME") or str(dagster_home() / ".dagster")
    require_writable("Dagster's folder", folder)
    return folder


def _spark(settings: Settings) -> str:
    """A query, if an engine is there; one of this machine is started by whoever needs it."""
    from lakehouse_assets.resources.spark import SparkResource

    server = spark_server.running(server_settings(settings)) if settings.spark == "local" else None
    if settings.spark == "local" and server is None:
        return "the engine is not running; a run starts it"
    SparkResource.from_settings(settings).session().sql("SELECT 1").collect()
    return f"the engine answers, process {server.pid}" if server else f"{settings.spark.split(';')[0]} answers"


def _databricks(settings: Settings, lakehouse: Lakehouse) -> Iterator[Found]:
    for what, attempt in attempts(settings, lakehouse):
        found = tried(what, attempt)
        yield found
        if what == "Databricks" and not found[0]:
            return  # who isn't let in can try nothing else


def _queue(settings: Settings) -> str:
    from lakehouse_assets.resources.azure import queues_at

    queues = queues_at(settings.queue, settings.landing)
    for queue in (queues.events, queues.poison):
        queue.get_queue_properties()  # type: ignore[attr-defined]  # of Azure's client, which it is here
    return f"{settings.queue} and the one beside it answer"


def _topic(topic: Topic) -> str:
    from lakehouse_assets.engine.sources.kafka.topic import standing

    now = standing(topic)
    return f"{len(now.ends)} partitions, and {sum(now.ends.values()) - sum(now.begins.values()):,} offsets in them"


def _sink(sink: Sink) -> str:
    from lakehouse_assets.engine.sinks.bring import held

    now = held(sink)
    return f"{sink.to.kind} answers; {sink.to.target!r} has {f'version {now.version}' if now else 'no version yet'}"


def _channel(name: str) -> str:
    """What a channel is; no message is sent for it."""
    from lakehouse_assets.engine.alerts.channels import channel

    found = channel(name)
    unset_ = f"{channel_variable(name)} isn't set, so the log of runs is told"
    return unset_ if found.kind == "log" else f"{found.kind}: {found.where}; `lakehouse notify {name}` tries it"


def _data_factory(settings: Settings) -> str:
    from lakehouse_assets.resources.data_factory import DataFactoryResource

    with DataFactoryResource.from_settings(settings).opened() as factory:
        factory.client.factories.get(factory.group, factory.name)
    return f"{settings.data_factory.rpartition('/')[2]} answers"
