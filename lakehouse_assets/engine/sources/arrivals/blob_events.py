"""Messages that tell of blobs, in the schema of Event Grid or of CloudEvents: what can be read of them.

Anyone who may write to a queue can put anything into it. So each value is held to what Azure Storage writes there, and
to what the ledgers can keep, before it's used.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lakehouse_assets.engine.sources.arrivals.listing import Arrival

CREATED = "Microsoft.Storage.BlobCreated"
# In a hierarchical namespace a file is created, appended to, and whole when it was closed: another event.
_UNFINISHED = ("CreateFile", "AppendFile", "FlushFile")
_SUBJECT = re.compile(r"/blobServices/default/containers/(?P<container>[^/]+)/blobs/(?P<path>.+)", re.DOTALL)
_HOME = re.compile(r"abfss?://(?P<container>[^@]+)@[^/]+")
# A store lists its blobs in XML, so their names have no other characters than that; and 1,024 at most.
# https://www.w3.org/TR/xml/#charsets
# https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
_NAME = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]{1,1024}")
_ETAG = re.compile("[!-~]{1,200}")
_MOST_BYTES = 2**63 - 1


@dataclass(frozen=True)
class Told:
    """What a message tells of: files in our container, and how many of its events could be read, those included.

    It's `whole` if each of its events could be.
    """

    files: tuple[Arrival, ...] = ()
    events: int = 0
    whole: bool = True


def read_message(content: str | None, landing: str) -> Told:
    """What a message tells of the container of the landing folders. Whatever it holds, nothing is raised."""
    events = _events(content or "")
    files, readable = list[Arrival](), 0
    for event in events:
        try:
            found = _arrival(event, landing)
        except ValueError:
            continue
        readable += 1
        files += [found] if found else []
    return Told(tuple(files), readable, bool(events) and readable == len(events))


def _events(content: str) -> list[Any]:
    """What may be the events of a message, as JSON or as that in Base64; none if there's no reading it."""
    for decoded in (str, _of_base64):
        try:
            found = json.loads(decoded(content))
        except (ValueError, RecursionError):  # thousands of brackets in one another, a number of thousands of digits
            continue
        return found if isinstance(found, list) else [found]
    return []


def _of_base64(content: str) -> str:
    return base64.b64decode(content, validate=True).decode()


def _arrival(event: Any, landing: str) -> Arrival | None:
    """The file that an event tells of, if it's a whole one in the container of the landing folders.

    Raises:
        ValueError: the event isn't one, or what it says of such a file isn't what a store says.
    """
    if not isinstance(event, dict) or not (kind := _text(event, "eventType", "type")):
        raise ValueError("not an event")
    home = _HOME.match(landing)
    if kind != CREATED or not home:
        return None
    where = _SUBJECT.fullmatch(_text(event, "subject"))
    data = {} if event.get("data") is None else event["data"]
    if not where or where["container"] != home["container"]:
        return None
    if not isinstance(data, dict):
        raise ValueError("no data")
    etag, at = _text(data, "eTag").strip('"'), _text(event, "eventTime", "time")
    if not etag or not at or _text(data, "api") in _UNFINISHED:
        return None
    if not _NAME.fullmatch(where["path"]) or not _ETAG.fullmatch(etag):
        raise ValueError("no name or version of a blob")
    return Arrival(f"{home[0]}/{where['path']}", etag, _size(data.get("contentLength")), _time(at))


def _text(said: Mapping[str, Any], *names: str) -> str:
    """The first of some values that is there, if it's a text; empty if none is."""
    found = next((said[name] for name in names if said.get(name) is not None), "")
    if not isinstance(found, str):
        raise ValueError("not a text")
    return found


def _size(said: Any) -> int:
    size = 0 if said is None else said
    if type(size) is not int or not 0 <= size <= _MOST_BYTES:
        raise ValueError("not a number of bytes")
    return size


def _time(said: str) -> datetime:
    """In UTC, as is one without a zone. That of the store takes its place before the file is read."""
    at = datetime.fromisoformat(said)
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("a time before the year 1 or after 9999") from None
