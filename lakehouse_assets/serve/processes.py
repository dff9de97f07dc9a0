"""Child processes as one group: started together, watched together, and gone together."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from lakehouse_assets.engine.printable import printable

STOP_SECONDS = 10.0  # for children to end by themselves; measured 2 to 3
KILL_SECONDS = 5.0  # for the kernel to clear away what was killed
POLL_SECONDS = 0.1
TAIL_LINES = 20

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class ChildDied(Exception):
    """A child ended by itself. Fields: the child's name, its exit code, its last lines."""

    def __init__(self, name: str, code: int, tail: Sequence[str]) -> None:
        self.name, self.code, self.tail = name, code, tuple(tail)
        said = "\n".join(f"    {line}" for line in tail) or "    (it printed nothing)"
        super().__init__(f"the {name} stopped by itself with exit code {code}; its last lines:\n{said}")


class StopRequested(Exception):
    """Somebody pressed Ctrl-C, or sent SIGTERM or SIGHUP."""


@dataclass(frozen=True)
class Child:
    """A running process, its last lines, and the thread that copies its output to ours."""

    name: str
    process: subprocess.Popen[str]
    tail: deque[str]
    copier: threading.Thread

    def require_alive(self) -> None:
        """Raise ChildDied when the process has ended."""
        if (code := self.process.poll()) is not None:
            self.copier.join(timeout=1)
            raise ChildDied(self.name, code, self.tail)


@dataclass(frozen=True)
class Group:
    """The children of one server. All are in the process group of the keeper, and so are their own children."""

    keeper: subprocess.Popen[bytes]
    environment: Mapping[str, str]
    signals: Sequence[int]
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, command: Sequence[str], pass_fds: Sequence[int] = ()) -> None:
        """Start a child whose output appears in ours under its name."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self.environment,
            pass_fds=pass_fds,
            process_group=self.keeper.pid,
        )
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        copier = threading.Thread(target=_copy, args=(name, process.stdout, tail), daemon=True)
        copier.start()
        self.children.append(Child(name, process, tail, copier))

    def watch(self, until: Callable[[], bool]) -> None:
        """Return when `until` is true. Raises StopRequested, or ChildDied as soon as a child ends."""
        while not until():
            if self.signals:
                raise StopRequested
            if (code := self.keeper.poll()) is not None:
                raise ChildDied("keeper", code, ())
            for child in self.children:
                child.require_alive()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End every process of the group: asked first, then killed; a second Ctrl-C kills at once."""
        heard = len(self.signals)
        deadline = time.monotonic() + STOP_SECONDS
        _signal_group(self.keeper.pid, signal.SIGTERM)
        while any(child.process.poll() is None for child in self.children):
            if time.monotonic() > deadline or len(self.signals) > heard:
                break
            time.sleep(POLL_SECONDS)
        _signal_group(self.keeper.pid, signal.SIGKILL)
        self._bury()

    def _bury(self) -> None:
        """Reap the killed, then wait until the kernel knows the group no more."""
        self.keeper.wait()
        for child in self.children:
            child.process.wait()
        deadline = time.monotonic() + KILL_SECONDS
        while _signal_group(self.keeper.pid, 0) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        for child in self.children:
            child.copier.join(timeout=1)


@contextlib.contextmanager
def process_group(environment: Mapping[str, str], signals: Sequence[int], scratch: Path) -> Iterator[Group]:
    """A group with its keeper; on leaving the block nothing of it is left. `signals` grows when one arrives."""
    command = [sys.executable, "-m", "lakehouse_assets.serve.keeper", str(scratch)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, process_group=0) as keeper:
        group = Group(keeper, environment, signals)
        try:
            yield group
        finally:
            group.stop()


def _signal_group(group: int, number: int) -> bool:
    """Signal a process group; False when it has no processes."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _copy(name: str, output: IO[str], tail: deque[str]) -> None:
    """Copy lines under the child's name until it closes its output, as text: they tell of files and values.

    Dagster colours them even into a file. What colours can also hide, so a terminal gets none either.
    """
    with output:
        for line in output:
            plain = printable(_COLOUR.sub("", line).expandtabs(4).rstrip())
            tail.append(plain)
            with contextlib.suppress(OSError):  # our own output is closed: the child must still not block on its
                sys.stdout.write(f"{name:<11} | {plain}\n")
                sys.stdout.flush()
