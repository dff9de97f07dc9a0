"""Runs of one sink at the same time, where each shuts out those that began before it."""

from __future__ import annotations

import time
from collections.abc import Callable

from lakehouse_assets.engine.errors import SinkError, Superseded
from lakehouse_assets.engine.sinks.held import Brought, Held, Work

ATTEMPTS = 5
# A run that has been shut out by another lets that do it, and only then begins again.
PATIENCE_SECONDS, LOOK_SECONDS = 30.0, 0.5


def in_turn(
    work: Work, attempt: Callable[[], Brought], held: Callable[[], Held | None], patience: float = PATIENCE_SECONDS
) -> Brought:
    """Bring a store to its table, again after another run shut this one out; `held` says what the store has.

    Raises:
        SinkError: other runs kept beginning first.
    """
    for _ in range(ATTEMPTS):
        try:
            return attempt()
        except Superseded as superseded:
            last = superseded
            _let_the_other(work, held, patience)
    raise SinkError(f"{last}; gave up after {ATTEMPTS} attempts. Let the other run end, then run this one again")


def _let_the_other(work: Work, held: Callable[[], Held | None], patience: float) -> None:
    """Wait until the store has the version that the table has now, but not for ever."""
    log, until = work.log(), time.monotonic() + patience
    while log and time.monotonic() < until:
        if held() == work.held(log):
            return
        time.sleep(LOOK_SECONDS)
