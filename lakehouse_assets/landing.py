"""Puts files into landing folders, each under its name only when it's complete: samples, and files a person has."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lakehouse_assets.engine.errors import LakehouseError


class NothingToLand(LakehouseError):
    """The files that should land aren't there; the message says which, and where they're had."""


@dataclass(frozen=True)
class Needed:
    """Files that a person has to bring: the table they're for, the globs of their names, and where they're published.

    They land in the folder of the table.
    """

    table: str
    names: tuple[str, ...]
    published: str


def put(path: Path, write: Callable[[Path], object]) -> int:
    """Have a file written, unless it's there; returns how many were, 1 or 0. Nothing reads half of one."""
    if path.exists():
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"_{path.name}")
    write(scratch)
    scratch.replace(path)
    return 1


def unpack(samples: Path, folder: Path, places: Mapping[str, str]) -> int:
    """Unzip samples into a landing folder: `places` has the sample's name, without `.gz`, and where in it it goes.

    Raises:
        NothingToLand: a sample isn't there, as where the wheel is installed, which has none.
    """
    missing = [name for name in places if not (samples / f"{name}.gz").is_file()]
    if missing:
        raise NothingToLand(
            f"The samples {', '.join(missing)} are not in {samples}; a checkout of the project has them, its wheel none"
        )
    return sum(put(folder / place, _unzipper(samples / f"{name}.gz")) for name, place in places.items())


def _unzipper(sample: Path) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(gzip.decompress(sample.read_bytes()))


def take(needed: Sequence[Needed], given: Path | None, folder: Path) -> int:
    """Copy a person's files into a landing folder, of those that are needed the ones that are there.

    Raises:
        NothingToLand: no folder is given, or it has none of them.
    """
    found = [(one, file) for one in needed for file in _files_of(one, given)]
    if not found:
        where = f"{given} has none of the files" if given else "Name the folder that has the files by --from"
        raise NothingToLand(f"{where}. They may not be passed on with this project. {_told(needed)}")
    return sum(put(folder / one.table / file.name, _copier(file)) for one, file in found)


def _files_of(needed: Needed, given: Path | None) -> list[Path]:
    return sorted({file for name in needed.names for file in given.glob(name)}) if given else []


def _copier(file: Path) -> Callable[[Path], object]:
    return lambda path: shutil.copyfile(file, path)


def _told(needed: Iterable[Needed]) -> str:
    return " ".join(f"For {one.table}: {' or '.join(one.names)}, published as {one.published}." for one in needed)
