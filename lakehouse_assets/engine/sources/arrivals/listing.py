"""What lies under a source's path: every version of every file that has arrived, local or in a store.

Names that begin with `_` or `.`, of files and of folders below the fixed part of the path, are left out: by the
convention of Spark and Hadoop they are not there yet. A name that isn't valid UTF-8 is listed with its bytes escaped
(`\\xff`), so that it shows up in the ledger as a file that can't be opened, and doesn't stop the others. So is what
isn't to be opened (see `links`).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.lake.stores import blobs_below, errors_of_stores, is_misread, opened, unreachable
from lakehouse_assets.engine.sources.arrivals.globs import (
    Matcher,
    closure,
    descend,
    fixed_folder,
    matchers_of,
    matches,
    of_days,
)
from lakehouse_assets.engine.sources.arrivals.links import BARRED, is_barred, within
from lakehouse_assets.private.adlfs import is_azure

if TYPE_CHECKING:
    from lakehouse_assets.engine.spec.inputs import Files

States = frozenset[int]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One version of one file.

    `path` is absolute; a remote one keeps its protocol. `etag` changes with every version: locally the modification
    time in nanoseconds, the size and the inode, in hex; elsewhere the store's own, or the size and the time.
    `size` is in bytes; `modified` is in UTC.
    """

    path: str
    etag: str
    size: int
    modified: datetime


def version_of(file: Arrival) -> str:
    """One string for a version of a file: its etag, which has no space in it, and its path."""
    return f"{file.etag} {file.path}"


def list_arrivals(
    source: Files, landing: str, known: Set[str] = frozenset(), days: Sequence[date] = ()
) -> list[Arrival]:
    """Every file that `source.path` names now, sorted by path; a missing folder has none.

    With `days`, only those in the folders of these days are looked for, where the path has dates. Left out are the
    `known` versions (as `version_of` writes them), so that many old files cost a tick little.

    The path is a glob (`*`, `?`, `[…]`, and `**` as a whole segment for any depth) relative to the folder or URL
    `landing`, which is taken literally, unless it's absolute or a URL itself.

    Raises:
        SourceError: a folder may not be listed, the store can't be reached, or the glob can't be understood.
    """
    return [found for path in of_days(source.path, days) for found in _list(path, landing, known)]


def covers(source: Files, landing: str, path: str) -> bool:
    """Whether a file at a URL is one of the source's."""
    (named,) = of_days(source.path)
    root, pattern = root_and_pattern(named, landing)
    inside = path.startswith(f"{root}/")
    return inside and matches(path.removeprefix(f"{root}/").split("/"), matchers_of(pattern))


def _list(path: str, landing: str, known: Set[str]) -> list[Arrival]:
    root, pattern = root_and_pattern(path, landing)
    matchers = matchers_of(pattern)
    if is_remote(root):
        listed = (a for a in _list_remote(root, pattern, matchers) if version_of(a) not in known)
        return sorted(listed, key=lambda a: a.path)
    found = _list_local(root, _Walk(os.path.realpath(root), matchers, known))
    found.sort(key=lambda a: a.path)
    return found


def still_there(files: Sequence[Arrival]) -> tuple[list[Arrival], list[Arrival]]:
    """The files that exist with the same etag, as they are now, and those that are gone or have changed.

    Of a file that a notification told of, the time is that of its event until it's looked at.
    """
    now = as_now(files)
    same = [found for f, found in zip(files, now, strict=True) if found and found.etag == f.etag]
    changed = [f for f, found in zip(files, now, strict=True) if not found or found.etag != f.etag]
    return same, changed


def as_now(files: Sequence[Arrival]) -> list[Arrival | None]:
    """Each of the files as it is now; None if it's gone."""
    if not any(is_remote(f.path) for f in files):
        return [_current(f) for f in files]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(_current, files))


def is_remote(path: str) -> bool:
    """Whether the path is a URL of a store rather than a local path."""
    return "://" in path and not path.startswith(("file://", "local://"))


def local_path(path: str) -> str:
    """An absolute local path, `file://` taken off and `..` resolved; symbolic links are kept."""
    return os.path.abspath(re.sub(r"^(file|local)://", "", path))  # noqa: PTH100  (Path.absolute keeps `..`)


def root_and_pattern(path: str, landing: str) -> tuple[str, str]:
    """The literal folder to walk from, and the glob below it."""
    if "://" in path or path.startswith("/"):
        fixed = re.split(r"[*?\[]", path, maxsplit=1)[0].rpartition("/")[0]
        root, pattern = fixed or "/", path[len(fixed) :].lstrip("/")
    else:
        root, pattern = landing, path.removeprefix("./")
    if is_remote(root):
        return root.rstrip("/"), pattern
    return local_path(root), pattern


@dataclass
class _Walk:
    """A listing under way below a folder, `real` without links; `linked` are the folders it has followed links to."""

    real: str
    matchers: Sequence[Matcher]
    known: Set[str]
    found: list[Arrival] = field(default_factory=list)
    linked: set[tuple[str, States]] = field(default_factory=set)


def _list_local(root: str, walk: _Walk) -> list[Arrival]:
    todo = [(root, closure(frozenset({0}), walk.matchers))]
    while todo:
        folder, states = todo.pop()
        try:
            todo += _scan(walk, folder.rstrip("/") + "/", states)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as e:
            raise SourceError(f"Listing files in {folder}: {e.strerror}; give this user read access to it") from e
    return walk.found


def _scan(walk: _Walk, inside: str, states: States) -> list[tuple[str, States]]:
    """Add the matching files of one folder, whose paths begin with `inside`; the folders to go on with."""
    last = walk.matchers[-1]
    match = last.match if last is not None and len(walk.matchers) - 1 in states else None
    folders: list[tuple[str, States]] = []
    with _entries(inside) as entries:
        for entry in entries:
            name = entry.name
            if name[0] in "._":
                continue
            real = within(inside + name, walk.real) if entry.is_symlink() else ""
            if entry.is_dir() if real == "" else _leads_to_folder(inside + name):
                below = descend(name, states, walk.matchers)
                if below and real is None:
                    walk.found += _arrival(entry, inside + name, walk.known, barred=True)
                elif below and not (real and (_loops(inside, real) or _was_followed(walk, real, below))):
                    folders.append((inside + name, below))
            elif match is not None and match(name):
                walk.found += _arrival(entry, inside + name, walk.known, barred=real is None)
    return folders


def _leads_to_folder(link: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(link).st_mode)  # noqa: PTH116
    except OSError:  # it leads nowhere, or in a circle
        return False


def _was_followed(walk: _Walk, real: str, below: States) -> bool:
    """Whether a link leads where a link has led before; else folders that link to each other would have no end."""
    again = (real, below) in walk.linked
    walk.linked.add((real, below))
    return again


def _loops(inside: str, real: str) -> bool:
    """Whether a link in a folder leads back to one that this lies in."""
    return f"{os.path.realpath(inside)}/".startswith(f"{real.rstrip('/')}/")


@contextmanager
def _entries(folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    """By a descriptor: a `stat` that needn't look for the folder takes a fifth less time."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with os.scandir(opened) as entries:
            yield entries
    finally:
        os.close(opened)


def _arrival(entry: os.DirEntry[str], path: str, known: Set[str], *, barred: bool) -> list[Arrival]:
    """The version that is there now, unless it's known."""
    try:
        info = entry.stat(follow_symlinks=not barred)
        if not barred and not stat.S_ISREG(info.st_mode):
            barred, info = True, entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # removed since the folder was read
        return []
    etag = barred_etag(info) if barred else local_etag(info)
    if f"{etag} {path}" in known:  # as `version_of`, for all names but a few
        return []
    if not path.isascii():
        path = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    # What isn't opened isn't empty either.
    arrival = Arrival(path, etag, max(info.st_size, int(barred)), _utc(info.st_mtime_ns))
    return [] if version_of(arrival) in known else [arrival]


def barred_etag(info: os.stat_result) -> str:
    return BARRED + local_etag(info)


def local_etag(info: os.stat_result) -> str:
    return "%x-%x-%x" % (info.st_mtime_ns, info.st_size, info.st_ino)  # noqa: UP031  (twice as fast as an f-string)


def _utc(nanoseconds: int) -> datetime:
    # In whole microseconds, as the ledger keeps it; a float of seconds would round.
    return _EPOCH + timedelta(0, 0, nanoseconds // 1000)


def _list_remote(root: str, pattern: str, matchers: Sequence[Matcher]) -> Iterator[Arrival]:
    try:
        base, infos = _found_below(root, fixed_folder(pattern))
    except FileNotFoundError:
        return
    except errors_of_stores() as e:
        raise unreachable("Listing files in", root, e) from e
    for name, info in infos.items():
        relative = name.removeprefix(f"{base}/")
        if matches(relative.split("/"), matchers):
            yield _remote_arrival(f"{root}/{relative}", info)


def _found_below(root: str, folder: str) -> tuple[str, Mapping[str, Mapping[str, Any]]]:
    """The root as the store calls it, and what lies in a folder of it, asked anew and not from fsspec's cache."""
    fs, base = opened(root)
    fs.invalidate_cache()
    inside = f"{base}/{folder}".rstrip("/")
    infos = blobs_below(fs, inside) if is_azure(fs) else fs.find(inside, detail=True)
    bucket = base.partition("/")[0]
    if not infos and bucket and ":" not in bucket and not fs.exists(bucket):
        raise OSError(f"there is no container {bucket!r}")
    return base, infos


def _remote_arrival(path: str, info: Mapping[str, Any]) -> Arrival:
    times = (info.get(k) for k in ("LastModified", "last_modified", "modified", "updated", "mtime", "created"))
    modified = next((t for t in times if t is not None), 0)
    if isinstance(modified, str):
        modified = datetime.fromisoformat(modified)
    if not isinstance(modified, datetime):
        modified = datetime.fromtimestamp(modified, UTC)
    tag = info.get("ETag") or info.get("etag") or f"{info['size']:x}-{modified.isoformat()}"
    return Arrival(path, str(tag).strip('"'), int(info["size"]), modified.astimezone(UTC))


def _current(file: Arrival) -> Arrival | None:
    try:
        if is_barred(file.etag):
            info = os.lstat(file.path)
            return replace(file, etag=local_etag(info) if stat.S_ISREG(info.st_mode) else barred_etag(info))
        if not is_remote(file.path):
            info = os.stat(file.path)  # noqa: PTH116  (no pathlib object a file)
            return Arrival(file.path, local_etag(info), info.st_size, _utc(info.st_mtime_ns))
        if is_misread(file.path):  # it can't be asked for, and isn't gone for that
            return file
        fs, name = opened(file.path)
        fs.invalidate_cache()
        info = fs.info(name)
        return None if info["type"] == "directory" else _remote_arrival(file.path, info)
    except FileNotFoundError:
        return None
    except errors_of_stores() as e:
        raise unreachable("Looking at", file.path, e) from e
