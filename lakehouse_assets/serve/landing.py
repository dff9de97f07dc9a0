"""Lands the events of a simulation as files of JSON lines, each event when its time has come."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from lakehouse_assets.landing import put
from lakehouse_assets.serve.sending import LOOK_SECONDS
from lakehouse_assets.simulation import Event, Timed

FILE_SECONDS = 5.0  # of which a file has the events; a small file costs a table as much as a large one
SECOND = timedelta(seconds=1)


def landed(
    timed: Iterable[Timed], folder: Path, start: datetime, speed: float, goes_on: Callable[[], bool]
) -> Iterator[Event]:
    """Land each event at its time, which goes by `speed` times as fast as ours and is `start` now; gives each one that
    came to its time. Those of a topic go to the folder of its name, a file for every few seconds.

    It ends with the events, or once it doesn't go on; what has come by then is landed.
    """
    waiting, begun = defaultdict[str, list[Event]](list), time.monotonic()
    file_at = begun + FILE_SECONDS
    try:
        for due, event in timed:
            at = begun + (due - start) / SECOND / speed
            while at > time.monotonic() and goes_on():
                file_at = _land_if_time(waiting, folder, file_at)
                time.sleep(max(0.0, min(LOOK_SECONDS, at - time.monotonic())))
            if not goes_on():
                break
            file_at = _land_if_time(waiting, folder, file_at)
            waiting[event.topic].append(event)
            yield event
    finally:
        _land(waiting, folder)


def _land_if_time(waiting: dict[str, list[Event]], folder: Path, file_at: float) -> float:
    """Land what waits if it's time; when it's time again."""
    if time.monotonic() < file_at:
        return file_at
    _land(waiting, folder)
    return time.monotonic() + FILE_SECONDS


def _land(waiting: dict[str, list[Event]], folder: Path) -> None:
    for topic, events in waiting.items():
        text = "".join(f"{json.dumps(event.value)}\n" for event in events)
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.jsonl"
        put(folder / topic / name, partial(Path.write_text, data=text))
    waiting.clear()
