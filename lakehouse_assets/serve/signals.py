"""Ctrl-C and its like as something to look at. As exceptions they land anywhere, also in the C code of a library."""

import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def caught_signals() -> Iterator[list[int]]:
    """Collect SIGINT, SIGTERM and SIGHUP in a list in place of what they do."""
    received: list[int] = []
    numbers = _ending()
    before = {number: signal.signal(number, lambda caught, _frame: received.append(caught)) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def until_interrupted() -> Iterator[Callable[[], bool]]:
    """Whether to go on, which SIGINT, SIGTERM and SIGHUP end; another one then ends the process at once.

    Raises:
        KeyboardInterrupt: the block has ended after one of them.
    """
    numbers, received = _ending(), list[int]()

    def note(caught: int, _frame: object) -> None:
        received.append(caught)
        for number in numbers:  # so that the kernel ends the process, wherever it is, also in what follows the block
            signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield lambda: not received
    finally:
        if not received:
            for number, handler in before.items():
                signal.signal(number, handler)
    if received:
        raise KeyboardInterrupt


def _ending() -> list[signal.Signals]:
    """The signals by which a person ends a program.

    A shell that is not interactive starts its background jobs with SIGINT ignored, which children inherit and Dagster
    copies to SIGTERM; a handler of our own is also what resets both to the default in the children. SIGHUP stays
    ignored where it was, for nohup.
    """
    nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([] if nohup else [signal.SIGHUP])]
