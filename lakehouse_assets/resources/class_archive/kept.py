"""Where the archive of the engine's classes is kept, and whether it may be used.

A JVM maps its classes from the archive, parsed and verified, in the place of reading them out of 280 JARs. So the
archive is code: its folder is its user's alone, and its name is its digest. The JVM itself refuses an archive of other
JARs or of another Java, and goes on without. Of one that was cut it would crash.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lakehouse_assets.engine.errors import UnsafeFolder
from lakehouse_assets.folders import ROOT, refuse_unsafe

MAKE = Path(__file__).with_name("make.py")
MADE = "made.log"  # what was said while one was made; it stays only if that failed
WRITABLE_BY_OTHERS = 0o022


@dataclass(frozen=True)
class Archive:
    """The archive that an engine may use, or why there is none.

    `missing`: one is to be made. Where that has failed, it's left to who reads why.
    """

    path: Path | None
    why: str = ""
    missing: bool = False


def archive_folder(cache: Path, java: Path, files: Iterable[Path], flags: str) -> Path:
    """The folder of one archive: of this Java, these JARs as they lie there now, and these flags of the JVM."""
    server = java.resolve().parents[1] / "lib" / "server"
    of_java = [java.resolve(), server / "libjvm.so", server / "classes.jsa"]
    parts = repr((flags, [_identity(file) for file in (*of_java, *files)]))
    return cache / "classes" / hashlib.sha256(parts.encode()).hexdigest()[:12]


def _identity(file: Path) -> tuple[str, int, int]:
    """By what the JVM tells whether a JAR is the one of the archive: path, size and time of its change."""
    if not file.is_file():
        return str(file), 0, 0
    return str(file), file.stat().st_size, file.stat().st_mtime_ns


def find_archive(folder: Path) -> Archive:
    """The archive in its folder, if nobody else could have put it there and it's whole."""
    if (folder / MADE).exists():
        remedy = "see there, and try again by `lakehouse engine prepare`"
        return Archive(None, f"The archive of the engine's classes wasn't made: {folder / MADE}; {remedy}")
    try:
        refuse_unsafe(folder, "the folder of the engine's classes")
        made = sorted(folder.glob("*.jsa"))
        wrong = _wrong(made[0]) if made else "none was made yet"
    except (OSError, UnsafeFolder) as error:
        return Archive(None, f"Starting without an archive of classes: {error}")
    return Archive(None, f"Starting without an archive of classes: {wrong}", True) if wrong else Archive(made[0])


def _wrong(archive: Path) -> str:
    """Why an archive can't be used; nothing if it can."""
    with os.fdopen(os.open(archive, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_uid not in (os.geteuid(), ROOT) or found.st_mode & WRITABLE_BY_OTHERS:
            return f"{archive} isn't this user's alone"
        if hashlib.file_digest(file, "sha256").hexdigest() != archive.stem:
            return f"{archive} isn't as it was made"
    return ""
