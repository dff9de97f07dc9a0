"""Durations as they are written in declarations: `30s`, `1m`, `2h`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


def duration(text: str) -> timedelta:
    """A whole number of seconds, minutes or hours.

    Raises:
        ValueError: it isn't one.
    """
    told = re.fullmatch(r"([1-9]\d*)([smh])", text)
    if told is None:
        raise ValueError(f"{text!r} is no time; write it as '30s', '1m' or '2h'")
    return timedelta(**{_UNITS[told[2]]: int(told[1])})
