"""What can be made of a batch as it was planned: files that can't be read are left out, and those that have changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from pyspark.errors import PySparkException

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.sources.arrivals.ledger import VANISHED
from lakehouse_assets.engine.sources.arrivals.links import is_barred
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, still_there
from lakehouse_assets.engine.sources.formats.open_version import is_comparable, is_unplanned
from lakehouse_assets.engine.sources.formats.reader import Reading, find_endless, find_unreadable, read_files
from lakehouse_assets.engine.sources.formats.unreadable import named_in
from lakehouse_assets.engine.spark_errors.explained import about_rows
from lakehouse_assets.engine.spec.inputs import Files
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

T = TypeVar("T")


@dataclass(frozen=True)
class Reader:
    """How the files of a table are read; `known` has the types of the columns that it has already.

    Not `strict`, it reads whichever versions are there.
    """

    context: Context
    table: Table
    known: Mapping[str, str]
    strict: bool = True

    def read(self, files: Sequence[Arrival]) -> Reading:
        return read_files(
            self.context.session(), source_of(self.table), self._asked(files), self.known, self.table.columns
        )

    def endless(self, files: Sequence[Arrival]) -> dict[str, str]:
        return find_endless(self.context.session(), source_of(self.table).format, files)

    def unreadable(self, files: Sequence[Arrival]) -> dict[str, str]:
        return find_unreadable(
            self.context.session(), source_of(self.table), self._asked(files), self.known, self.table.columns
        )

    def _asked(self, files: Sequence[Arrival]) -> Sequence[Arrival]:
        return files if self.strict else [f if is_barred(f.etag) else replace(f, etag="") for f in files]


def source_of(table: Table) -> Files:
    """The files of a table that is made of arriving ones."""
    assert table.source is not None  # noqa: S101  (only tables with a source come here)
    return table.source


@dataclass(frozen=True)
class WithoutBad(Generic[T]):
    """What was made of the `read` files, None if there was nothing in them; those left out, `failed` with the reason.

    `added` are the columns that the table didn't have, with their types.
    """

    made: T | None
    read: Sequence[Arrival]
    failed: Mapping[str, str]
    vanished: frozenset[str]
    added: Mapping[str, str]


def without_bad_files(reader: Reader, files: Sequence[Arrival], make: Callable[[DataFrame], T]) -> WithoutBad[T]:
    """Make something, by jobs of Spark, of the rows of the files that can be read as the versions that were planned.

    Where a job fails about rows, all is done again without the files that are to blame. A file that is gone or was
    overwritten since it was planned has vanished, whatever it seemed to fail for.

    Raises:
        PySparkException: a job failed, and no file is to blame.
    """
    failed = reader.endless(files)
    while True:
        good = [f for f in files if f.path not in failed]
        try:
            reading = reader.read(good)
            made = None if reading.df is None else make(reading.df)
        except PySparkException as error:
            blamed = _blamed(error, reader, good)
            if not blamed and not _mistaken(error, reader):
                raise
            reader = reader if blamed else replace(reader, strict=False)
            failed |= blamed
        else:
            read = [f for f in good if f.path not in reading.failed]
            return WithoutBad(made, read, *_parted(files, {**failed, **reading.failed}), reading.added)


def _blamed(error: PySparkException, reader: Reader, files: Sequence[Arrival]) -> dict[str, str]:
    """The files that an error is about, with the reason."""
    if not about_rows(error):
        return {}
    lost = gone(files)
    if lost or _mistaken(error, reader):
        return dict.fromkeys(lost, VANISHED)
    try:
        return reader.unreadable(files) or named_in(error, files)
    except PySparkException as another:  # of a file that was overwritten meanwhile
        return _blamed(another, reader, files)


def _mistaken(error: PySparkException, reader: Reader) -> bool:
    """Spark sees other versions. If all are as they were planned, the times that their store gives can't be relied on:
    they're read as where that is known (see `opening.load`).
    """
    return reader.strict and is_unplanned(error)


def _parted(files: Sequence[Arrival], failed: Mapping[str, str]) -> tuple[dict[str, str], frozenset[str]]:
    """The files that failed, and among them those that have vanished."""
    lost = gone([f for f in files if f.path in failed]) | {path for path, why in failed.items() if why == VANISHED}
    return {path: why for path, why in failed.items() if path not in lost}, lost


def gone(files: Sequence[Arrival]) -> frozenset[str]:
    """Those that aren't there any more as they were planned.

    A store that tells different things of one version isn't asked. Nor can a file be asked for that is listed with
    bytes of its name escaped: taken for gone, it would be listed, planned and gone again at every tick.
    """
    asked = [f for f in files if is_comparable(f) and "\\x" not in f.path]
    return frozenset(f.path for f in still_there(asked)[1])
