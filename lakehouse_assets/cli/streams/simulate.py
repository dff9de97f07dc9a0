"""Command that replays a time gone by, as live messages or as files that land."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from lakehouse_assets.cli.app import app, count, module_of
from lakehouse_assets.cli.ready import landing_folder
from lakehouse_assets.cli.terminal import tell
from lakehouse_assets.engine.sources.kafka.connection import Connection, connection, unset, variable_of
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.folders import own_folder
from lakehouse_assets.settings import Settings, read_settings
from lakehouse_assets.simulation import Event, Timed, sent_in_disorder, sent_in_order

TELL_SECONDS = 10


class Target(StrEnum):
    """Where messages go."""

    KAFKA = "kafka"
    FILES = "files"


Start = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%dT%H:%M"], help="local time; else it goes on where the last one ended"),
]
To = Annotated[Target, typer.Option(help="topics, or files of JSON lines in the landing folder")]
Seed = Annotated[int | None, typer.Option(metavar="SEED", help="have messages come late, and some twice, by this seed")]


@dataclass(frozen=True)
class Replay:
    """What is replayed, from when on and how fast; `mark` is the file that says how far it came."""

    module: ModuleType
    begin: datetime
    speed: float
    mark: Path

    def shown(self, at: datetime) -> str:
        return f"{at.astimezone(self.module.ZONE):%Y-%m-%d %H:%M}"

    def begun(self, where: object) -> None:
        tell(f"From {self.shown(self.begin)} on, {self.speed:g} times as fast, to {where} (Ctrl-C ends it)")

    def told(self, events: Iterable[Event]) -> None:
        """Tell now and then how far it is that events are sent, and note how far it came."""
        number, told, at = 0, time.monotonic(), self.begin
        try:
            for event in events:
                number, at = number + 1, max(at, event.at)
                if time.monotonic() - told > TELL_SECONDS:
                    told = time.monotonic()
                    tell(f"{self.shown(at)}: {count(number)} messages sent")
        finally:
            self.mark.write_text(at.isoformat())
            until = self.shown(at)
            tell(f"{count(number)} messages sent, up to {until}; the next simulation goes on from there.")


@app.command()
def simulate(
    domain: Annotated[str, typer.Argument(help="airlines, or one of yours with a simulation.py")] = "airlines",
    speed: Annotated[float, typer.Option(min=0.1, help="how much faster than it was")] = 60,
    start: Start = None,
    hours: Annotated[float | None, typer.Option(min=0, help="of simulated time; else until Ctrl-C")] = None,
    disorder: Seed = None,
    positions: Annotated[Path | None, typer.Option(help="recorded ADS-B, in place of derived positions")] = None,
    to: To = Target.KAFKA,
) -> None:
    """Replay real flights as live messages, which `lakehouse dev` or `lakehouse stream` takes in; Ctrl-C ends it.

    Without LAKEHOUSE_KAFKA it has a broker of its own, which ends with it and keeps what it has.
    """
    settings = read_settings()
    module = module_of(domain, "simulation", settings.domains, open_lakehouse(settings))
    mark = own_folder(settings.home, "the lakehouse's folder") / f"simulated_{domain}"
    begin = start.replace(tzinfo=module.ZONE) if start else _last(mark) or module.START
    events = module.events(begin, positions)
    timed = sent_in_order(events) if disorder is None else sent_in_disorder(events, disorder)
    if hours is not None:
        end = begin + timedelta(hours=hours)
        timed = takewhile(lambda it: it[0] < end, timed)
    replay = Replay(module, begin, speed, mark)
    if to is Target.FILES:
        _to_files(timed, replay, landing_folder(domain, settings))
    else:
        _to_topics(timed, replay, settings)


def _to_files(timed: Iterable[Timed], replay: Replay, folder: Path) -> None:
    from lakehouse_assets.serve.landing import landed
    from lakehouse_assets.serve.signals import until_interrupted

    with until_interrupted() as goes_on:
        replay.begun(folder)
        replay.told(landed(timed, folder, replay.begin, replay.speed, goes_on))


def _to_topics(timed: Iterable[Timed], replay: Replay, settings: Settings) -> None:
    from lakehouse_assets.serve.sending import LOOK_SECONDS, sent
    from lakehouse_assets.serve.signals import until_interrupted

    with _broker(settings, replay.module) as (where, own), until_interrupted() as goes_on:
        replay.begun(where.brokers)
        replay.told(sent(timed, where, replay.begin, replay.speed, goes_on))
        if own and goes_on():
            tell("The broker stays until Ctrl-C, so that what was sent can be read.")
        while own and goes_on():
            time.sleep(LOOK_SECONDS)


@contextmanager
def _broker(settings: Settings, module: ModuleType) -> Iterator[tuple[Connection, bool]]:
    """The broker that the environment tells of, or one of our own, with the topics; and whether it's our own."""
    from lakehouse_assets.serve.broker import local_broker
    from lakehouse_assets.serve.sending import make_topics

    if not unset(""):
        make_topics(connection(), module.TOPICS)
        yield connection(), False
        return
    tell("Starting a Kafka broker, which takes some seconds (the first time also to download it)")
    with local_broker(
        settings.home, settings.cache, lambda client: make_topics(Connection(variable_of(""), client), module.TOPICS)
    ) as broker:
        yield Connection(variable_of(""), broker.client), True


def _last(mark: Path) -> datetime | None:
    """How far the last simulation came; None if there was none, or something else stands there."""
    try:
        return datetime.fromisoformat(mark.read_text())
    except (OSError, ValueError):
        return None
