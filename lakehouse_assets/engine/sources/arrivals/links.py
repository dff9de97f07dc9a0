"""What lies in a landing folder and is no file of it: links that lead out of it, pipes, devices. None is opened.

A link is followed as far as the landing folder, whatever that is itself a link to: it's a second name of what it leads
to. A link beyond it would have a table read what its owner can read, and whoever landed it can't. Each is listed as a
version of its own, marked in its etag, so that the ledger tells of it as of a file that can't be read.
"""

from __future__ import annotations

import errno
import os
import stat

BARRED = "barred-"
_KINDS = (
    (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"),
)  # fmt: skip
_LAND = "land the file itself"


def is_barred(etag: str) -> bool:
    """Whether a version is that of something which isn't opened."""
    return etag.startswith(BARRED)


def within(path: str, folder: str) -> str | None:
    """Where a path leads, by all its links; None if that isn't in a folder (given without links), or is nowhere."""
    try:
        real = os.path.realpath(path, strict=True)
    except OSError:
        return None
    return real if f"{real}/".startswith(f"{folder.rstrip('/')}/") else None


def why_barred(path: str) -> str:
    """Why something isn't opened that was listed as barred, and what to do."""
    try:
        info = os.lstat(path)
        if stat.S_ISLNK(info.st_mode):
            return _of_link(path)
    except OSError as e:
        return f"it's gone, or can't be looked at ({e.strerror}); {_LAND}"
    kind = next((name for is_one, name in _KINDS if is_one(info.st_mode)), None)
    return f"it's {kind}, and no file; {_LAND}" if kind else "it was no file when it was listed; retry it"


def _of_link(path: str) -> str:
    try:
        real = os.path.realpath(path, strict=True)
    except OSError as e:
        nowhere = "in a circle" if e.errno == errno.ELOOP else f"to {os.readlink(path)!r}, which isn't there"  # noqa: PTH115
        return f"it's a link {nowhere}; {_LAND}"
    kind = next((f"{name} at " for is_one, name in _KINDS if is_one(os.stat(real).st_mode)), "")  # noqa: PTH116
    what = f"it's a link to {kind}{real!r}, which is no file of the landing folder"
    return f"{what}; {_LAND}, or declare the path that it leads to"
