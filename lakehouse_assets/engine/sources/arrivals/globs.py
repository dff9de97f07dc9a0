"""The globs of sources: `*`, `?` and `[…]` within a segment of a path, and `**` as a whole one, for any depth.

`%Y`, `%m`, `%d` and `%H` stand for the digits of a date.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from lakehouse_assets.engine.errors import SourceError

_DIGITS = {"%Y": "[0-9][0-9][0-9][0-9]", "%m": "[0-9][0-9]", "%d": "[0-9][0-9]"}
Matcher = re.Pattern[str] | None  # None stands for `**`


def dated(pattern: str) -> bool:
    """Whether the pattern says where the files of a day are."""
    return all(code in pattern for code in _DIGITS)


def of_days(pattern: str, days: Iterable[date] = ()) -> list[str]:
    """The globs of a pattern for some days; one for all days without any, or if the pattern isn't by day."""
    spelled = [{code: day.strftime(code) for code in _DIGITS} for day in days] if dated(pattern) else []
    return [_spelled(pattern.replace("%H", "[0-9][0-9]"), codes) for codes in spelled or [_DIGITS]]


def _spelled(pattern: str, codes: Mapping[str, str]) -> str:
    for code, digits in codes.items():
        pattern = pattern.replace(code, digits)
    return pattern


def fixed_folder(pattern: str) -> str:
    """The folders that a glob begins with, up to the first that isn't literal."""
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition("/")[0]
    return "/".join(_segments(fixed))


def _segments(pattern: str) -> list[str]:
    return [s for s in pattern.split("/") if s not in ("", ".")]


def matchers_of(pattern: str) -> tuple[Matcher, ...]:
    """One matcher a segment of the glob."""
    segments = _segments(pattern)
    if not segments or ".." in segments:
        raise SourceError(f"Listing files: the path {pattern!r} must name files below the landing folder")
    if any("**" in s and s != "**" for s in segments):
        raise SourceError(f"Listing files: in {pattern!r}, ** must be a whole segment, as in 'day/**/*.csv'")
    if segments[-1] == "**":
        segments.append("*")
    return tuple(None if s == "**" else re.compile(fnmatch.translate(s)) for s in segments)


def closure(states: frozenset[int], matchers: Sequence[Matcher]) -> frozenset[int]:
    """The segments that may match next; `**` may also match no folder at all."""
    reached = set(states)
    for state in sorted(states):
        while matchers[state] is None:
            state += 1
            reached.add(state)
    return frozenset(reached)


def descend(name: str, states: frozenset[int], matchers: Sequence[Matcher]) -> frozenset[int]:
    """The segments that may match inside the folder `name`; none if nothing in there can."""
    below = {s for s in states if matchers[s] is None}
    last = len(matchers) - 1
    below |= {s + 1 for s in states if s < last and (m := matchers[s]) is not None and m.match(name)}
    return closure(frozenset(below), matchers)


def matches(segments: Sequence[str], matchers: Sequence[Matcher]) -> bool:
    states = closure(frozenset({0}), matchers)
    for folder in segments[:-1]:
        states = descend(folder, states, matchers)
    last, name = matchers[-1], segments[-1]
    hidden = any(s.startswith(("_", ".")) for s in segments)
    return not hidden and last is not None and len(matchers) - 1 in states and bool(last.match(name))
