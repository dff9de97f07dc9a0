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
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.lake.stores import opened
from lakehouse_assets.engine.sources.arrivals.listing import is_remote
from lakehouse_assets.engine.spec.inputs import VARIABLE, Files, Http

_CHUNK = 1 << 20
_KNOWN = "_downloads.json"  # a name that isn't taken for an arrival
# A file's name has 255 bytes at most. These leave room for the number, the digest and what tells addresses apart.
_STEM_BYTES = 150
_END_BYTES = 50


def downloaded(source: Files, lake: Lake) -> Http | None:
    """How a lake downloads the files of a source itself; None where they come otherwise."""
    by = source.delivered_by
    return by if isinstance(by, Http) and lake.downloads else None


def fetch(source: Http, folder: str, suffix: str) -> dict[str, str]:
    """Land what changed at the addresses in a folder; address → reason, for those where that failed.

    An address that the server says is unchanged (by ETag or time of change) isn't transferred. `suffix` is for
    addresses that don't end as files do.
    """
    import requests
    from urllib3.exceptions import HTTPError

    from lakehouse_assets.engine.sources.arrivals.http_pages import Asking, pages
    from lakehouse_assets.engine.sources.arrivals.http_session import Patience, Refused, session_with

    store, base = opened(folder)
    store.makedirs(base, exist_ok=True)
    failed, patience = dict[str, str](), Patience(source.patience)
    with session_with(patience) as session:
        for number, url in enumerate(source.urls):
            time.sleep(source.pause if number else 0)
            patience.begins()
            try:
                given = pages(Asking(source, session, patience), url, _conditions(_known(store, base).get(url, {})))
                for page, (body, told) in enumerate(given):
                    _land(body, store, base, _name(url, source, suffix, page))
                    if told and not source.pages:
                        _learn(store, base, url, told)
            except (Refused, requests.RequestException, HTTPError) as error:
                failed[url] = _plain(error)
    return failed


def _land(body: IO[bytes], store: Any, base: str, name: tuple[str, str]) -> None:
    """Put a body under the next number, unless the last one there is the same."""
    from lakehouse_assets.engine.sources.arrivals.http_pages import digest_of

    stem, suffix = name
    digest = digest_of(body)[:10]
    shape = re.compile(rf"{re.escape(stem)}-(\d{{6}})-([0-9a-f]{{10}}){re.escape(suffix)}")
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


def _name(url: str, source: Http, suffix: str, page: int) -> tuple[str, str]:
    """What a file is called, and how its name ends; addresses that end alike are told apart by a digest."""
    stem = _stem(url)
    if [_stem(other) for other in source.urls].count(stem) > 1:
        stem += f"-{hashlib.sha256(url.encode()).hexdigest()[:6]}"
    end = PurePosixPath(_path(url)).name.partition(".")[2]
    return (f"{stem}-p{page + 1}" if source.pages else stem), (f".{_end(end)}" if _end(end) else suffix)


def _path(url: str) -> str:
    """The path of an address as it's declared, before anything is filled in."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _stem(url: str) -> str:
    name = PurePosixPath(_path(url)).name.partition(".")[0]
    return _text(re.sub(r"[^\w-]", "_", name).strip("_").encode()[:_STEM_BYTES]) or "download"


def _end(text: str) -> str:
    """Of a long one the last part, which says how it's read; without what no name of a file may have."""
    plain = re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "_", text).strip(".")
    return _text(plain.encode()[-_END_BYTES:])


def _text(cut: bytes) -> str:
    return cut.decode(errors="ignore")


def _known(store: Any, base: str) -> dict[str, dict[str, str]]:
    """What the servers said of the versions that are landed, by address; nothing if that can't be read any more."""
    try:
        found = json.loads(store.cat_file(f"{base}/{_KNOWN}"))
    except (FileNotFoundError, ValueError, RecursionError):
        found = None  # then all is asked for, and what is the same isn't landed again
    known = found if isinstance(found, dict) else {}
    return {url: told for url, told in known.items() if isinstance(told, dict)}


def _conditions(told: Mapping[str, str]) -> dict[str, str]:
    """What asks a server for what has changed since."""
    from lakehouse_assets.engine.sources.arrivals.http_pages import versions

    asked = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
    return {asked[name]: value for name, value in versions(told).items()}


def _learn(store: Any, base: str, url: str, told: Mapping[str, str]) -> None:
    store.pipe_file(f"{base}/{_KNOWN}", json.dumps(_known(store, base) | {url: dict(told)}, indent=1).encode())


_PLAIN = {
    "ConnectTimeout": "the server can't be reached",
    "ReadTimeout": "the server is too slow",
    "ConnectionError": "the connection can't be made, or broke off",
    "ProxyError": "the proxy of the environment can't be reached, or refuses",
    "SSLError": "its certificate isn't trusted",
    "ChunkedEncodingError": "the answer broke off",
    "ContentDecodingError": "the answer isn't encoded as it says",
    "InvalidHeader": "the server's headers contradict one another",
    "InvalidURL": "it's no address that can be asked; look at what is filled in",
    "LocationParseError": "it's no address that can be asked; look at what is filled in",
    "InvalidSchema": "it doesn't begin with http:// or https://; look at what is filled in",
    "MissingSchema": "it doesn't begin with http:// or https://; look at what is filled in",
}


def _plain(error: Exception) -> str:
    """The reason without the address that was asked, in which a secret may have been filled in."""
    from lakehouse_assets.engine.sources.arrivals.http_session import Refused

    kind = type(error).__name__
    return str(error) if isinstance(error, Refused) else _PLAIN.get(kind, f"it can't be asked ({kind})")


def unset(source: Http) -> list[str]:
    """The variables of the environment that the addresses name and that aren't set: then they're not asked."""
    return sorted({name for url in source.urls for name in VARIABLE.findall(url) if name not in os.environ})


def refused(key: str, failed: Mapping[str, str]) -> SourceError:
    """The error of a table some of whose downloads failed; without a user's name and password in an address."""
    told = "; ".join(f"{re.sub('//[^/@]*@', '//…@', url)}: {why}" for url, why in failed.items())
    return SourceError(f"Downloading for {key}: {told}. What could be downloaded was read; run it again for the rest")
