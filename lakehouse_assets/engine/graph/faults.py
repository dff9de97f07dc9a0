"""What a person's code raises while it is loaded, as a problem with file and line, so that all else goes on."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True)
class Fault:
    """Why something can't be loaded: file, line, key, reason and remedy."""

    text: str


def attempt(action: Callable[[], _T], key: str, where: str, root: Path | None = None) -> _T | Fault:
    """What an action on a person's code gives, or what it raised.

    The place named is the last one below `root` that the error passed through; `where` if there's none.
    """
    try:
        return action()
    except (Exception, SystemExit) as error:  # noqa: BLE001  (a domain file may raise anything; no other has to suffer)
        return Fault(f"{_place(error, root) or where}: {key}: can't be loaded ({_said(error)}); mend it there")


def _place(error: BaseException, root: Path | None) -> str | None:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno or 1}"
    if root is None:
        return None
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(root)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def _said(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
