"""Waiting for what another process does, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest


def holds_within(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came to hold before the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)  # between two looks, not in the place of one
    return True


def wait_until(condition: Callable[[], bool], seconds: float, log: Path | None = None) -> None:
    """Return once the condition holds; fail with the log after the deadline."""
    if not holds_within(condition, seconds):
        pytest.fail(f"not within {seconds:.0f} s:\n{log.read_text() if log else ''}")
