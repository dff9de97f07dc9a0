"""Stores of files as fsspec opens them, for how long they're asked again, and what they raise."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.private.adlfs import ask, is_azure, set_waits

# By these Azure's client waits 3, 5 and 9 seconds before it asks a busy account again, three more or less. By itself it
# waits 18, 24 and 42: a listing, which is two requests, held a tick up for three minutes.
WAITS: Mapping[str, Any] = {"initial_backoff": 1, "increment_base": 2}

# What a disk says → what to do.
_REMEDIES = {
    "No space left on device": "free some space there, and run again",
    "quota exceeded": "free some space there, and run again",
    "Read-only file system": "mount it so that it can be written to, and run again",
    "Permission denied": "give the user of this process, or of the Spark engine, the right to write there",
    "Unsupported table features": "take that feature off the table, or move its folder away, and run again",
    "DELTA_CANNOT_CREATE_LOG_PATH": "give the Spark engine's user the right to write there, or choose another lake",
}


def opened(url: str) -> tuple[Any, str]:
    """The file system of a path or URL, and what that calls the path."""
    import fsspec

    store, path = fsspec.core.url_to_fs(url)
    if is_azure(store):
        set_waits(store, WAITS)
    return store, path


def remove(url: str) -> None:
    """Delete a folder with all that is in it, if it's there."""
    store, folder = opened(url)
    if store.exists(folder):
        store.rm(folder, recursive=True)


def blobs_below(store: Any, folder: str) -> dict[str, dict[str, Any]]:
    """The blobs in a folder of a container, with etag, time and size; none if there is no container.

    Not by adlfs's `find`, which takes a blob `1.csv/` for `1.csv`, and finds one alone if it's named as the folder.
    """
    container, _, prefix = f"{folder}/".partition("/")
    return ask(store, _listed, container, prefix)


async def _listed(service: Any, container: str, prefix: str) -> dict[str, dict[str, Any]]:
    from azure.core.exceptions import ResourceNotFoundError

    found = service.get_container_client(container).list_blobs(name_starts_with=prefix, include=["metadata"])
    blobs = dict[str, dict[str, Any]]()
    with suppress(ResourceNotFoundError):
        async for blob in found:
            if not _is_folder(blob):
                told = {"etag": blob.etag, "last_modified": blob.last_modified, "size": blob.size}
                blobs[f"{container}/{blob.name}"] = told
    return blobs


def _is_folder(blob: Any) -> bool:
    """Whether a blob stands for a folder: that of a hierarchical namespace is marked, others mark it by its name."""
    marks = {name.lower(): value for name, value in (blob.metadata or {}).items()}
    return blob.name.endswith("/") or "true" in (marks.get("hdi_isfolder"), marks.get("is_directory"))


def is_misread(url: str) -> bool:
    """Whether fsspec would take a URL for that of another file, as it can't be told where its name ends."""
    if "::" in url:
        return True
    if not re.search(r"[\t\n\r?#]", url):
        return False
    path = opened(url)[1]
    return "?versionid=" in path or not url.endswith(f"/{path.partition('/')[2]}")


def errors_of_stores() -> tuple[type[Exception], ...]:
    """What a store raises: Python's own errors, and those of the packages in use that have others."""
    return (OSError, ValueError, ImportError, *refusals())


def refusals() -> tuple[type[Exception], ...]:
    """What a store raises that is no error of Python's own, and so is never about one file that is gone or damaged."""
    azure = sys.modules.get("azure.core.exceptions")
    return (azure.AzureError,) if azure else ()


@contextmanager
def reaching(doing: str, path: str) -> Iterator[None]:
    """Says what was being done at a path where its store can't be reached or refuses.

    Raises:
        SourceError: that.
    """
    try:
        yield
    except errors_in_reaching() as e:
        raise unreachable(doing, path, e) from e


def errors_in_reaching() -> tuple[type[Exception], ...]:
    return (OSError, *refusals())


def unreachable(doing: str, path: str, error: Exception) -> SourceError:
    why = plain(error)
    remedy = remedy_of(why) or "check the address, the access rights and the network"
    return SourceError(f"{doing} {path}: {why}; {remedy}")


def remedy_of(why: str) -> str | None:
    """What to do about a disk, or a table, that can't be written to; None if that isn't the trouble."""
    return next((remedy for mark, remedy in _REMEDIES.items() if mark in why), None)


def plain(error: Exception) -> str:
    """The first line; of the tree of causes that delta-rs draws in colours, all but the store's answer in full."""
    first, *causes = [re.sub(r"\x1b\[\d+m|↳", "", line).strip() for line in str(error).splitlines()] or [""]
    told = [line for line in causes[: next((n for n, c in enumerate(causes) if c.startswith("<")), None)] if line]
    return ": ".join([first, *told] if "\x1b" in str(error) else [first]) or type(error).__name__
