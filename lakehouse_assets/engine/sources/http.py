"""Downloads by HTTP: what changed at some addresses is landed as files, which are then read as any others.

A file lands when it's complete, under the name of its address with a number and the beginning of its SHA-256, as
`titles-000002-9f86d0818c.csv`. What is the same as the last one landed isn't landed again, so a download may be killed
and repeated.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.inputs import VARIABLE, Http
from lakehouse_assets.engine.sources.listing import is_remote
from lakehouse_assets.engine.sources.stores import opened

if TYPE_CHECKING:
    import requests

REDIRECTS = 5
PAGES = 10_000
_CHUNK = 1 << 20
_KNOWN = "_downloads.json"  # a name that isn't taken for an arrival
_RETRIED = (429, 500, 502, 503, 504)


class _Refused(Exception):
    """Why a download wasn't landed."""


def fetch(source: Http, folder: str, suffix: str) -> dict[str, str]:
    """Land what changed at the addresses in a folder; address → reason, for those where that failed.

    An address that the server says is unchanged (by ETag or time of change) isn't transferred. `suffix` is for
    addresses that don't end as files do.
    """
    import requests

    store, base = opened(folder)
    store.makedirs(base, exist_ok=True)
    failed: dict[str, str] = {}
    with _session(source) as session:
        for number, url in enumerate(source.urls):
            time.sleep(source.pause if number else 0)
            try:
                for page, (body, told) in enumerate(_pages(session, source, url, _known(store, base).get(url, {}))):
                    _land(body, store, base, _name(url, source, suffix, page))
                    if told and not source.pages:
                        _learn(store, base, url, told)
            except (_Refused, requests.RequestException) as error:
                failed[url] = _plain(error)
    return failed


def _session(source: Http) -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    # It tries again what a server refuses for now; a connection that breaks off is ours, as its body may be half read.
    again = Retry(
        source.retries, connect=0, read=False, redirect=False, status_forcelist=_RETRIED, raise_on_status=False,
        backoff_factor=source.backoff, backoff_jitter=source.backoff, backoff_max=60,
    )  # fmt: skip
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=again))
    session.mount("https://", HTTPAdapter(max_retries=again))
    return session


def _pages(
    session: requests.Session, source: Http, url: str, known: Mapping[str, str]
) -> Iterator[tuple[IO[bytes], Mapping[str, str]]]:
    """The bodies at an address and, if pages are followed, at those that each answer names as the next.

    A page that names itself or an earlier one is the last: all that can be reached was asked for.

    Raises:
        _Refused: a page has what another had, at another address; so the server gives one page for all.
    """
    at: str | None = _filled(url)
    home, asked, contents = urlsplit(_filled(url)).netloc, set[str](), dict[str, int]()
    for number in range(1, PAGES + 1):
        if at is None or _address(at) in asked:
            return
        asked.add(_address(at))
        time.sleep(source.pause if number > 1 else 0)
        with tempfile.TemporaryFile() as body:
            answer = _complete(session, source, at, home, known, body)
            if answer is None:
                return
            digest = _digest(body)
            _refuse_content(digest, source.sha256.get(url), contents.get(digest), number, body)
            contents[digest] = number
            yield body, {h: answer.headers[h] for h in ("ETag", "Last-Modified") if h in answer.headers}
            following = answer.links.get("next", {}).get("url") if source.pages else None
            at = _allowed(source, at, urljoin(at, following)) if following else None
    raise _Refused(f"it has more than {PAGES:,} pages")


def _refuse_content(digest: str, declared: str | None, before: int | None, number: int, body: IO[bytes]) -> None:
    if declared and digest != declared:
        raise _Refused(f"its SHA-256 is {digest}, not {declared} as declared")
    if before and not _is_empty(body):
        raise _Refused(
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
    session: requests.Session, source: Http, url: str, home: str, known: Mapping[str, str], body: IO[bytes]
) -> requests.Response | None:
    """Write a whole body, asked for again if it breaks off; None if the server says that it's what is known."""
    import requests

    attempt = 0
    while True:
        try:
            body.seek(0)
            body.truncate()
            return _written(_answer(session, source, url, home, known), body, source.limit)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
            if attempt == source.retries:
                raise
            time.sleep(source.backoff * 2**attempt)
            attempt += 1


def _answer(
    session: requests.Session, source: Http, url: str, home: str, known: Mapping[str, str]
) -> requests.Response:
    """The answer to a request, redirects followed where they may lead; only the host `home` is sent the headers."""
    headers = {name: _filled(value) for name, value in source.headers.items()}
    asked = {"If-None-Match": known.get("ETag"), "If-Modified-Since": known.get("Last-Modified")}
    headers |= {name: value for name, value in asked.items() if value}
    for _ in range(REDIRECTS + 1):
        told = headers if urlsplit(url).netloc == home else {}
        answer = session.get(url, headers=told, stream=True, allow_redirects=False, timeout=(10, source.timeout))
        if not answer.is_redirect:
            return answer
        url = _allowed(source, url, urljoin(url, answer.headers["Location"]))
    raise _Refused(f"it redirects more than {REDIRECTS} times")


def _allowed(source: Http, url: str, to: str) -> str:
    here, there = urlsplit(url), urlsplit(to)
    if there.scheme not in ("http", "https") or (here.scheme == "https" and there.scheme == "http"):
        raise _Refused(f"it leads to {there.scheme}://{there.hostname}, which is less safe")
    if there.netloc != here.netloc and there.hostname not in source.hosts:
        raise _Refused(f"it leads to another host, {there.hostname}; name that in hosts=… if it's meant")
    return to


def _written(answer: requests.Response, body: IO[bytes], limit: int) -> requests.Response | None:
    with answer:
        if answer.status_code == 304:
            return None
        if answer.status_code != 200:
            raise _Refused(f"the server answered {answer.status_code} {answer.reason}")
        for chunk in answer.iter_content(_CHUNK):
            body.write(chunk)
            if body.tell() > limit:
                raise _Refused(f"it's longer than {limit:,} bytes; give a greater limit=… if it's meant")
    return answer


def _land(body: IO[bytes], store: Any, base: str, name: tuple[str, str]) -> None:
    """Put a body under the next number, unless the last one there is the same."""
    stem, suffix = name
    digest, shape = _digest(body)[:10], re.compile(rf"{re.escape(stem)}-(\d{{6}})-([0-9a-f]{{10}}){re.escape(suffix)}")
    store.invalidate_cache()
    names = (PurePosixPath(path).name for path in store.find(base))  # a store has no folder until something is in it
    there = sorted(match.groups() for found in names if (match := shape.fullmatch(found)))
    if there and there[-1][1] == digest:
        return
    number = int(there[-1][0]) + 1 if there else 1
    _put(body, store, base, f"{stem}-{number:06}-{digest}{suffix}")


def _put(body: IO[bytes], store: Any, base: str, name: str) -> None:
    body.seek(0)
    # A store shows an object when it's complete; a disk a file from its first byte, but for its name.
    scratch = f"{base}/{name}" if is_remote(store.unstrip_protocol(base)) else f"{base}/_{name}"
    with store.open(scratch, "wb") as file:
        while chunk := body.read(_CHUNK):
            file.write(chunk)
    if scratch != f"{base}/{name}":
        Path(scratch).replace(f"{base}/{name}")


def _digest(body: IO[bytes]) -> str:
    body.seek(0)
    return hashlib.file_digest(body, "sha256").hexdigest()  # type: ignore[arg-type]


def _name(url: str, source: Http, suffix: str, page: int) -> tuple[str, str]:
    """What a file is called, and how its name ends; addresses that end alike are told apart by a digest."""
    stem = _stem(url)
    if [_stem(other) for other in source.urls].count(stem) > 1:
        stem += f"-{hashlib.sha256(url.encode()).hexdigest()[:6]}"
    end = PurePosixPath(urlsplit(url).path).name.partition(".")[2]
    return (f"{stem}-p{page + 1}" if source.pages else stem), (f".{end}" if end else suffix)


def _stem(url: str) -> str:
    name = PurePosixPath(urlsplit(url).path).name.partition(".")[0]
    return re.sub(r"[^\w-]", "_", name).strip("_") or "download"


def _known(store: Any, base: str) -> dict[str, dict[str, str]]:
    """What the servers said of the versions that are landed, by address."""
    try:
        found: dict[str, dict[str, str]] = json.loads(store.cat_file(f"{base}/{_KNOWN}"))
    except FileNotFoundError:
        return {}
    return found


def _learn(store: Any, base: str, url: str, told: Mapping[str, str]) -> None:
    store.pipe_file(f"{base}/{_KNOWN}", json.dumps(_known(store, base) | {url: dict(told)}, indent=1).encode())


def _filled(text: str) -> str:
    """The text with `${NAME}` replaced from the environment, so that no secret is in a declaration."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise _Refused(f"the environment variable {match[1]} isn't set")
        return os.environ[match[1]]

    return VARIABLE.sub(value, text)


def _plain(error: Exception) -> str:
    """The reason without the address that was asked, in which a secret may have been filled in."""
    if isinstance(error, _Refused):
        return str(error)
    return {"ConnectTimeout": "the server can't be reached", "ReadTimeout": "the server is too slow",
            "ConnectionError": "the connection can't be made, or broke off",
            "SSLError": "its certificate isn't trusted",
            "ChunkedEncodingError": "the answer broke off"}.get(type(error).__name__, type(error).__name__)  # fmt: skip


def unset(source: Http) -> list[str]:
    """The variables of the environment that the addresses name and that aren't set: then they're not asked."""
    return sorted({name for url in source.urls for name in VARIABLE.findall(url) if name not in os.environ})


def refused(key: str, failed: Mapping[str, str]) -> SourceError:
    """The error of a table some of whose downloads failed."""
    told = "; ".join(f"{url}: {why}" for url, why in failed.items())
    return SourceError(f"Downloading for {key}: {told}. What could be downloaded was read; run it again for the rest")
