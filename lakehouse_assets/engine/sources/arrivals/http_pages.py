"""What is found at an address, followed through redirects and pages, and asked for again where that may help.

All that a server answers may be wrong, or meant to do harm. What isn't understood refuses this address, in words that
neither the server's nor the environment's texts are part of.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import IO
from urllib.parse import urljoin, urlsplit

import requests

from lakehouse_assets.engine.sources.arrivals.http_session import Patience, Refused
from lakehouse_assets.engine.spec.inputs import VARIABLE, Http

REDIRECTS = 5
PAGES = 10_000
CHUNK = 1 << 20
LONGEST_BACKOFF = 60.0
_RETRIED = (429, 500, 502, 503, 504)
_BROKEN_OFF = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
# https://www.rfc-editor.org/rfc/rfc9110#section-5
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True)
class Asking:
    """What is declared of some addresses, and what asks them."""

    source: Http
    session: requests.Session
    patience: Patience


def pages(asking: Asking, url: str, conditions: Mapping[str, str]) -> Iterator[tuple[IO[bytes], dict[str, str]]]:
    """The bodies at an address and, if pages are followed, at those that each answer names as the next.

    With each comes what tells its version, as headers; `conditions` ask for what has changed since one. A page that
    names itself or an earlier one is the last: all that can be reached was asked for.

    Raises:
        Refused: an answer isn't one to be landed, or a page has what another had, at another address; so the server
            gives one page for all.
        requests.RequestException: the server can't be reached, or doesn't speak HTTP.
    """
    source, at = asking.source, _filled(url)
    if not _is_address(at):
        raise Refused("it's no address, as when something is filled in that has a line break")
    home, asked, contents = _host(at), set[str](), dict[str, int]()
    for number in range(1, PAGES + 1):
        asked.add(_address(at))
        if number > 1:
            asking.patience.wait(source.pause)
        with tempfile.TemporaryFile() as body:
            answer = _complete(asking, at, home, conditions, body)
            if answer is None:
                return
            digest = digest_of(body)
            _refuse_content(digest, source.sha256.get(url), contents.get(digest), number, body)
            contents[digest] = number
            yield body, versions(answer.headers)
            following = answer.links.get("next", {}).get("url") if source.pages else None
        if not following or _address(at := _allowed(source, at, following)) in asked:
            return
    raise Refused(f"it has more than {PAGES:,} pages")


def digest_of(body: IO[bytes]) -> str:
    body.seek(0)
    return hashlib.file_digest(body, "sha256").hexdigest()  # type: ignore[arg-type]


def versions(headers: Mapping[str, str]) -> dict[str, str]:
    """Those of the headers that tell a version, and can be sent back: one with a line break in it would be refused."""
    told = {name: headers.get(name) for name in ("ETag", "Last-Modified")}
    return {n: v for n, v in told.items() if isinstance(v, str) and 0 < len(v) < 1000 and _is_header(n, v)}


def _refuse_content(digest: str, declared: str | None, before: int | None, number: int, body: IO[bytes]) -> None:
    if declared and digest != declared:
        raise Refused(f"its SHA-256 is {digest}, not {declared} as declared")
    if before and not _is_empty(body):
        raise Refused(
            f"its page {number} has what page {before} had, at another address, so it may give one page for all; look "
            "at the links to the next page"
        )


def _is_empty(body: IO[bytes]) -> bool:
    """Whether a page has no record: nothing, or an empty list or object."""
    body.seek(0)
    return re.sub(rb"\s", b"", body.read(64)) in (b"", b"[]", b"{}", b"null")


def _address(url: str) -> str:
    """An address as its server takes it, in whatever order things are asked for."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path or '/'}?{'&'.join(sorted(parts.query.split('&')))}"


def _complete(
    asking: Asking, url: str, home: str, conditions: Mapping[str, str], body: IO[bytes]
) -> requests.Response | None:
    """Write a whole body, asked for again if that may help; None if the server says that it's what is known."""
    source, attempt = asking.source, 0
    while True:
        body.seek(0)
        body.truncate()
        wait = min(source.backoff * 2 ** min(attempt, 10), LONGEST_BACKOFF)
        try:
            answer = _answer(asking, url, home, conditions)
            if answer.status_code not in _RETRIED or attempt == source.retries:
                return _written(answer, body, source.limit)
            with answer:
                wait = _asked_to_wait(answer, wait, source.timeout)
        except _BROKEN_OFF:
            if attempt == source.retries and asking.patience.left > 0:
                raise
        asking.patience.wait(wait)
        attempt += 1


def _asked_to_wait(answer: requests.Response, otherwise: float, longest: float) -> float:
    """The seconds that a server asks to wait before it's asked again, or some others if that can't be understood.

    Raises:
        Refused: they are more than the longest.
    """
    text = answer.headers.get("Retry-After", "").strip()
    try:
        seconds = float(text) if re.fullmatch("[0-9]+", text) else _seconds_until(text)
    except (ValueError, OverflowError):
        return otherwise
    if seconds > longest:
        raise Refused(
            f"the server answered {_status(answer)}, and asks to wait for {min(seconds, 1e9):,.0f} s; the next run "
            "asks it again, or give a greater timeout=… if so long a wait is meant"
        )
    return max(seconds, 0.0)


def _seconds_until(date: str) -> float:
    at = parsedate_to_datetime(date)
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()


def _answer(asking: Asking, url: str, home: str, conditions: Mapping[str, str]) -> requests.Response:
    """The answer to a request, redirects followed where they may lead; only the host `home` is sent the headers."""
    source = asking.source
    headers = {**_headers(source), **conditions}
    for _ in range(REDIRECTS + 1):
        told = headers if _host(url) == home else {}
        timeout = (10, source.timeout)
        answer = asking.session.get(url, headers=told, stream=True, allow_redirects=False, timeout=timeout)
        if not answer.is_redirect:
            return answer
        with answer:
            url = _allowed(source, url, answer.headers["Location"])
    raise Refused(f"it redirects more than {REDIRECTS} times")


def _headers(source: Http) -> dict[str, str]:
    """The declared headers, with the environment's values.

    Raises:
        Refused: one can't be sent, as that would begin another header, or another request.
    """
    found = {name: _filled(value).strip(" \t") for name, value in source.headers.items()}
    for name, value in found.items():
        if not _is_header(name, value):
            named = " or ".join(VARIABLE.findall(source.headers[name])) or "the declaration"
            raise Refused(f"its header {name!r} has a character that none may have, as a line break; mend {named}")
    return found


def _is_header(name: str, value: str) -> bool:
    return bool(_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value))


def _allowed(source: Http, url: str, to: str) -> str:
    """The address that a server leads to.

    Raises:
        Refused: it may not, or it's none.
    """
    try:
        to = urljoin(url, to)
    except ValueError:
        to = ""
    if not _is_address(to):
        raise Refused("it leads to something that is no address")
    here, there = urlsplit(url), urlsplit(to)
    if there.scheme not in ("http", "https") or (here.scheme == "https" and there.scheme == "http"):
        raise Refused(f"it leads to {there.scheme[:20]}://{(there.hostname or '')[:100]}, which is less safe")
    if _host(to) != _host(url) and there.hostname not in source.hosts:
        host = (there.hostname or "")[:100]
        raise Refused(f"it leads to another host, {host}; name that in hosts=… if it's meant")
    return to


def _is_address(url: str) -> bool:
    try:
        parts, _ = urlsplit(url), url.encode()
        return bool(parts.scheme and parts.port != 0) and not re.search(r"[\x00-\x1f\x7f]", url)
    except ValueError:
        return False


def _host(url: str) -> str:
    """Whom an address asks, without a user's name, and without the port if that goes without saying."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2].lower().removesuffix(_PORTS.get(parts.scheme, ""))


def _written(answer: requests.Response, body: IO[bytes], limit: int) -> requests.Response | None:
    with answer:
        if answer.status_code == HTTPStatus.NOT_MODIFIED:
            return None
        if answer.status_code != HTTPStatus.OK:
            raise Refused(f"the server answered {_status(answer)}")
        for chunk in answer.iter_content(CHUNK):
            body.write(chunk)
            if body.tell() > limit:
                raise Refused(f"it's longer than {limit:,} bytes; give a greater limit=… if it's meant")
    return answer


def _status(answer: requests.Response) -> str:
    """Its number and what that means; not the server's own words, which may have our secret in them."""
    known = {status.value: status.phrase for status in HTTPStatus}
    return f"{answer.status_code} {known.get(answer.status_code, '')}".strip()


def _filled(text: str) -> str:
    """The text with `${NAME}` replaced from the environment, so that no secret is in a declaration."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise Refused(f"the environment variable {match[1]} isn't set")
        return os.environ[match[1]]

    return VARIABLE.sub(value, text)
