"""Which of many files Spark fails on, and why, in words for the person who has to get a better one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lakehouse_assets.engine.errors import SourceError, SparkUnavailable
from lakehouse_assets.engine.sources.first_look.contents import Unreadable
from lakehouse_assets.engine.sources.first_look.text_head import text_of
from lakehouse_assets.engine.sources.formats.open_version import is_unplanned
from lakehouse_assets.engine.spec.formats import Format, Json, TextFormat
from lakehouse_assets.private.pyspark import errors_of_connect, stack_of

if TYPE_CHECKING:
    from lakehouse_assets.engine.sources.arrivals.listing import Arrival

TOO_LARGE = "it takes more memory than the engine has; land it in smaller records or parts, or give the engine more"
# How Hadoop's client tells of an answer that is about the account, or of none, once it has asked again.
_REFUSED = re.compile(r'Operation failed: "[^"]*", (-1|401|403|429|5\d\d), |Status code: -1 ')


def bisect(kind: Format, files: Sequence[Arrival], probe: Callable[[Sequence[Arrival]], object]) -> dict[str, str]:
    """Path → reason, for the files with which `probe`, a Spark job over some of them, fails.

    Raises:
        SparkUnavailable: the engine went away, which says nothing about the files.
        SourceError: nor does an account that is busy, or has let nobody in.
        PySparkException: Spark came upon another version of a file than was planned.
    """
    from pyspark.errors import PySparkException

    try:
        if files:
            probe(files)
    except (PySparkException, Unreadable) as e:
        raise_if_gone(e)
        if is_unplanned(e):  # which file that is, is seen without Spark
            raise
        if len(files) == 1:
            return {files[0].path: str(e) if isinstance(e, Unreadable) else reason(kind, files[0], told(e))}
        half = len(files) // 2
        return bisect(kind, files[:half], probe) | bisect(kind, files[half:], probe)
    return {}


def told(error: Exception) -> str:
    """What an error says, and the causes that Spark Connect tells of beside it."""
    return f"{error}\n{stack_of(error)}"


def named_in(error: Exception, files: Sequence[Arrival]) -> dict[str, str]:
    """Path → reason, for the file that Spark says it failed on; one that it reads alone may fail among others."""
    found = re.search(r"reading file (?:file:/+)?(/?\S+)\.\s", told(error))
    path = unquote(found[1]) if found else ""
    why = f"Spark can't read it together with others: {_root_cause(told(error))}"
    return {f.path: why for f in files if path and f.path.lstrip("/") == path.lstrip("/")}


def raise_if_gone(error: Exception) -> None:
    """Raises what an error is about that isn't about the files.

    Raises:
        SparkUnavailable: the engine went away.
        SourceError: an account is busy, or has let nobody in.
    """
    _, of_transport = errors_of_connect()
    # A failed query has a class of its own; this one itself is what the transport raises.
    if type(error) is of_transport and re.search("UNAVAILABLE|DEADLINE_EXCEEDED|_Rendezvous", str(error)):
        problem = f"the Spark engine stopped answering: {_first_line(str(error))}"
        raise SparkUnavailable(f"Reading files: {problem}; run again") from error
    if _REFUSED.search(str(error)):
        why = _root_cause(str(error))
        raise SourceError(f"Reading files: {why}; check the access rights and the network, and run again") from error


def reason(kind: Format, file: Arrival, error: str) -> str:
    """Why a file can't be read: found out by Python where it can, else the root cause that Spark names."""
    if isinstance(kind, TextFormat):
        try:
            text = text_of(file.path, kind.encoding)
            problem = _not_json("".join(text)) if isinstance(kind, Json) else _lost(any("\ufffd" in t for t in text))
        except Unreadable as e:
            return str(e)
        if problem:
            return problem
    return f"Spark can't read it: {_root_cause(error)}"


def _not_json(text: str) -> str | None:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as e:
        return f"not a JSON document: {e}; a file with one object a line has format='jsonl'"
    return None


def _lost(found: bool) -> str | None:
    lost = "its text has U+FFFD, the mark of characters lost before it arrived; ask for a copy as it first was"
    return lost if found else None


def _root_cause(error: str) -> str:
    if re.search("OutOfMemoryError|Java heap space", error):
        return TOO_LARGE
    causes: list[str] = re.findall(r"^Caused by: (.*)$", error, re.MULTILINE)
    return _first_line(causes[-1] if causes else error)


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= 400 else line[:400] + "…"
