"""The prediction log: what was asked and answered, as JSON lines in files that the lakehouse's file ingest reads.

A file has a name that begins with `_` while it's written, which no ingest reads, and gets its own in one step. So each
line is read once. Writing is the work of a thread: an answer waits for no disk, and what can't be written is counted.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from lakehouse_assets.folders import own_folder
from lakehouse_assets.serve.models.attempt import Failed, attempt
from lakehouse_assets.serve.models.score import Scored

ROWS = 1_000  # of a file
SECONDS = 60.0  # until a file is complete, however few rows it has
WAITING = 100_000  # rows in memory, at most
log = logging.getLogger(__name__)


@dataclass
class Counts:
    """Rows that were written into complete files, and rows that were dropped: for too many waiting, or by the disk."""

    written: int = 0
    dropped: int = 0


@dataclass
class _Open:
    """The file that is being written: its scratch name, its descriptor, the lines in it, and when it was begun."""

    path: Path
    descriptor: int
    rows: int = 0
    bytes: int = 0
    begun: float = field(default_factory=time.monotonic)

    def append(self, lines: Sequence[str]) -> None:
        """Write the lines, all or none. Raises OSError."""
        left = text = memoryview("".join(lines).encode())
        try:
            while left:
                left = left[os.write(self.descriptor, left) :]
        except OSError:
            os.ftruncate(self.descriptor, self.bytes)
            raise
        self.rows, self.bytes = self.rows + len(lines), self.bytes + len(text)


class Recorder:
    """Appends scored requests to files in a folder, one line a row, until it's closed."""

    def __init__(self, folder: Path, rows: int = ROWS, seconds: float = SECONDS, waiting: int = WAITING) -> None:
        self.folder = own_folder(folder, "the folder of the prediction log")
        self.counts = Counts()
        self._rows, self._seconds, self._most = rows, seconds, waiting
        self._queue = deque[tuple[str, Scored]]()
        self._waiting = 0
        self._changed, self._counting = threading.Condition(), threading.Lock()
        self._closing = False
        self._open: _Open | None = None
        self._numbers = count(1)
        _publish_left(folder)
        self._thread = threading.Thread(target=self._write_all, name="prediction log", daemon=True)
        self._thread.start()

    def put(self, request_id: str, scored: Scored) -> None:
        """Take a request to be written soon, unless too many wait; it never waits itself."""
        rows = _rows_of(scored)
        with self._changed:
            taken = self._waiting + rows <= self._most
            if taken:
                self._waiting += rows
                self._queue.append((request_id, scored))
                self._changed.notify()
        if not taken:
            self._drop(rows, f"more than {self._most:,} rows wait to be written")

    def close(self) -> None:
        """Write what waits, and complete the file."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _write_all(self) -> None:
        while (taken := self._next()) is not None:
            for request_id, scored in taken:
                lines = attempt(partial(_lines, request_id, scored))
                if isinstance(lines, Failed):
                    self._drop(_rows_of(scored), lines.reason)
                else:
                    self._write(lines)
            if self._open and time.monotonic() - self._open.begun >= self._seconds:
                self._complete()
        self._complete()

    def _next(self) -> list[tuple[str, Scored]] | None:
        """What waits, or nothing once a file has to be completed, or None at the end."""
        with self._changed:
            left = self._open.begun + self._seconds - time.monotonic() if self._open else None
            self._changed.wait_for(lambda: self._queue or self._closing, left)
            if not self._queue and self._closing:
                return None
            taken = list(self._queue)
            self._queue.clear()
            self._waiting = 0
            return taken

    def _write(self, lines: list[str]) -> None:
        while lines:
            try:
                self._open = self._open or _begin(self.folder, next(self._numbers))
                room = self._rows - self._open.rows
                self._open.append(lines[:room])
            except OSError as error:
                self._drop(len(lines), str(error))
                lines = []
            else:
                lines = lines[room:]
            if self._open and (lines or self._open.rows >= self._rows):
                self._complete()

    def _complete(self) -> None:
        """Give the file its name, once it's on the disk."""
        if self._open is None:
            return
        done, self._open = self._open, None
        try:
            os.fsync(done.descriptor)
            done.path.replace(done.path.with_name(done.path.name[1:])) if done.rows else done.path.unlink()
            self.counts.written += done.rows
        except OSError as error:
            self._drop(done.rows, str(error))
        finally:
            os.close(done.descriptor)

    def _drop(self, rows: int, why: str) -> None:
        with self._counting:
            if not self.counts.dropped:
                log.error("The prediction log %s lacks rows from now on: %s", self.folder, why)
            self.counts.dropped += rows


def _rows_of(scored: Scored) -> int:
    columns = scored.given.columns
    return len(next(iter(columns.values()))) if columns else 1


def _lines(request_id: str, scored: Scored) -> list[str]:
    """A line a row; of an input that has no columns, or of predictions that aren't one a row, a line for the whole."""
    rows, columns, said = _rows_of(scored), scored.given.columns, scored.predictions
    inputs: list[Any] = [scored.given.value]
    if columns:
        inputs = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    scores = said if isinstance(said, list) and len(said) == rows and columns else [said] * rows
    of, at = scored.of, _time(scored)
    told = {"request_id": request_id, "model": of.name, "version": of.version, "run_id": of.run_id, "scored_at": at}
    pairs = enumerate(zip(inputs, scores, strict=True))
    lines = [{**told, "row": row, "inputs": given, "score": said} for row, (given, said) in pairs]
    return [json.dumps(line, default=_jsonable) + "\n" for line in lines]


def _jsonable(value: Any) -> Any:
    """What of numpy is in a prediction, or a text for anything else."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _time(scored: Scored) -> str:
    return datetime.fromtimestamp(scored.at, UTC).isoformat(timespec="milliseconds")


def _begin(folder: Path, number: int) -> _Open:
    path = folder / f"_{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}-{number:06}.jsonl"
    return _Open(path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600))


def _publish_left(folder: Path) -> None:
    """Complete what a killed process left: its whole lines, without one that is cut."""
    for path in sorted(folder.glob("_*-*-*.jsonl")):
        process = path.name.split("-")[1]
        if process.isdecimal() and not _runs(int(process)):
            text = path.read_bytes()
            os.truncate(path, text.rfind(b"\n") + 1)
            path.replace(path.with_name(path.name[1:])) if b"\n" in text else path.unlink()


def _runs(process: int) -> bool:
    """Whether another process has that id: one with ours is gone, and its id was given anew."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
