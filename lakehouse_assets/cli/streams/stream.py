"""`lakehouse stream`: messages as they come, and what is made of them, with how far each table is."""

from __future__ import annotations

import time
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_assets.cli.alerts import print_told
from lakehouse_assets.cli.app import NotFound, app, count
from lakehouse_assets.cli.terminal import Grid, console, drawn, grid, line, tell, tell_lines
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.environment import open_lake, open_lakehouse
from lakehouse_assets.settings import read_settings

if TYPE_CHECKING:
    from lakehouse_assets.engine.run.live import GoesOn, Live
    from lakehouse_assets.engine.run.report import Report

WINDOW_SECONDS = 60  # over which rows a second are told
STOPPING = "It ends once the table is written; Ctrl-C again ends it at once."


@dataclass
class Seen:
    """What is shown of a table: when it last took rows in, and how many, how far behind it is, and its last error."""

    rows: deque[tuple[float, int]] = field(default_factory=deque)
    total: int = 0
    behind: int | None = None
    latency: float | None = None
    at: str = ""
    error: str = ""

    def per_second(self) -> float:
        while self.rows and self.rows[0][0] < time.monotonic() - WINDOW_SECONDS:
            self.rows.popleft()
        return sum(number for _, number in self.rows) / WINDOW_SECONDS

    def take(self, report: Report, latency: float | None) -> None:
        self.error = ""
        if report.stream:
            self.behind = report.stream.lag - report.stream.taken
        if report.strategy != "nothing":
            self.rows.append((time.monotonic(), report.taken))
            self.total += report.taken
            self.at, self.latency = _now(), latency


@dataclass(frozen=True)
class Board:
    """The tables of a live loop, as a grid that is drawn again and again."""

    live: Live
    seen: dict[str, Seen]
    goes_on: GoesOn

    def tell(self, key: str, found: Report | LakehouseError) -> None:
        if isinstance(found, LakehouseError):
            self.seen[key].error = str(found)
            tell_lines(str(found), (_now(), "dim"), " ", ("✗", "red"), f" {key}  ")
        else:
            print_told(found.alerts)
            self.seen[key].take(found, self.live.latency(key))

    def picture(self) -> Grid:
        numbers = ["rows", "rows/s", "behind", "newest", "latency"]
        shown = grid("table", *numbers, "last", right=numbers)
        for key, it in self.seen.items():
            newest = self.live.newest.get(key)
            shown.add_row(
                key, count(it.total), f"{it.per_second():.1f}", "" if it.behind is None else count(it.behind),
                f"{newest:%H:%M:%S}" if newest else "", "" if it.latency is None else f"{it.latency:.1f} s",
                line(("failed", "red")) if it.error else it.at,
            )  # fmt: skip
        if not self.goes_on():
            shown.caption = STOPPING
        return shown


@app.command()
def stream(domain: Annotated[str, typer.Argument(help="a domain with a topic that is continuous")]) -> None:
    """Take in messages as they come, and what is made of them, until Ctrl-C; Dagster isn't told of it.

    A table that is being written then is finished first; another Ctrl-C ends it at once.

    In a terminal it shows, table by table, the rows taken in, how many messages of the topic wait, when the newest
    message was sent that has come to the table, and how long that took.
    """
    from lakehouse_assets.serve.signals import until_interrupted

    with until_interrupted() as goes_on:
        _stream(domain, goes_on)


def _stream(domain: str, goes_on: GoesOn) -> None:
    from lakehouse_assets.engine.run.live import Live, run_live
    from lakehouse_assets.resources.spark import SparkResource

    settings = read_settings()
    lakehouse = open_lakehouse(settings)
    live = Live.of(domain, lakehouse)
    if not live.topics:
        raise NotFound(f"The domain {domain!r} has no table of a topic that is continuous; see `lakehouse tables`")
    context = Context(lakehouse, open_lake(lakehouse), SparkResource.from_settings(settings).session)
    tell(f"{', '.join(live.topics)}, and {len(live.order) - len(live.topics)} tables made of them (Ctrl-C stops it)")
    board = Board(live, {key: Seen() for key in live.order}, goes_on)
    with drawn(board.picture) if console.is_terminal else nullcontext():
        run_live(live, context, board.tell if console.is_terminal else _tell, goes_on)


def _tell(key: str, found: Report | LakehouseError) -> None:
    if isinstance(found, LakehouseError):
        tell_lines(str(found), ("✗", "red"), f" {key}  ")
        return
    print_told(found.alerts)
    if found.strategy != "nothing":
        newest = f", the newest of {found.stream.newest[11:19]}" if found.stream and found.stream.newest else ""
        told = f"{count(found.taken)} rows in {found.seconds:.2f} s{newest}"
        tell((_now(), "dim"), " ", ("✓", "green"), f" {key}  ", (told, "dim"))


def _now() -> str:
    return datetime.now(UTC).strftime("%H:%M:%S")
