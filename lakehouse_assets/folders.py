"""Folders that belong to the user who runs the lakehouse, and to nobody else of the machine."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from lakehouse_assets.engine.errors import UnsafeFolder

ROOT = 0


def own_folder(folder: Path, what: str) -> Path:
    """A folder of this user, made for this user alone if it isn't there.

    Raises:
        UnsafeFolder: as `refuse_unsafe`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    refuse_unsafe(folder, what)
    return folder


def private_folder(folder: Path, what: str) -> Path:
    """A folder that this user alone may look into, which an earlier version may have made for more.

    Raises:
        UnsafeFolder: it's another user's.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_uid == os.geteuid():
        folder.chmod(0o700)
    refuse_unsafe(folder, what)
    return folder


def refuse_unsafe(folder: Path, what: str) -> None:
    """Look who may put files into a folder, if it's there. Its group may: giving one is its owner's choice.

    Raises:
        UnsafeFolder: it belongs to another user, or every user may write to it.
    """
    try:
        found = folder.stat()
    except FileNotFoundError:
        return
    if found.st_uid not in (os.geteuid(), ROOT):
        raise UnsafeFolder(
            f"Opening {what}, {folder}: it belongs to the user {_name(found.st_uid)}, who could put anything there; "
            f"run as that user, give it to {_name(os.geteuid())} by `chown`, or set another folder"
        )
    if found.st_mode & stat.S_IWOTH:
        raise UnsafeFolder(
            f"Opening {what}, {folder}: every user of this machine may write to it; run `chmod o-w {folder}`, or set "
            "another folder"
        )


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
