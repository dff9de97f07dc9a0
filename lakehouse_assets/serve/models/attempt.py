"""Calling what may raise anything: the code of a model, and what loads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lakehouse_assets.serve.models.refused import cut

T = TypeVar("T")
REASON = 300  # characters


def attempt(work: Callable[[], T]) -> T | Failed:
    """What it returns, or what it raised."""
    try:
        return work()
    except (Exception, SystemExit) as error:  # noqa: BLE001  (a model may raise anything, and the server goes on)
        return Failed(error)


class Failed:
    """What was raised in the place of an answer."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    @property
    def reason(self) -> str:
        """The kind of the error and its first line, which may be long: numpy puts whole arrays there."""
        lines = str(self.error).strip().splitlines()
        return f"{type(self.error).__name__}: {cut(lines[0], REASON)}" if lines else type(self.error).__name__
