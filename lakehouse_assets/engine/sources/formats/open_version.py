"""Files as Spark opens them: each by its literal path, and only as the version of it that was planned."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.lake.capabilities import capabilities
from lakehouse_assets.engine.lake.stores import is_misread
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, is_remote
from lakehouse_assets.engine.spec.encodings import WITHOUT_SETTINGS, needs_setting

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession

GLOB = re.compile(r"[*?\[\]{}\\]")
# Folders named like `day=1` say nothing about the rows. Hadoop's checksummed file system can't open a local name with
# a colon, and would believe a stale `.crc` file; a cached one would be taken in spite of the setting.
OPENING = {
    "recursiveFileLookup": "true",
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}
# Spark Connect keeps the last few plans that it has analysed, and with them what it listed of the files they read.
_KEPT_PLANS = "spark.connect.session.planCache.enabled"
_UNPLANNED = "not the version that was planned: "
_IN_AZURE = ("abfs://", "abfss://", "az://")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Milliseconds until 2109 take 42 of 64 bits.
_SIZE_BITS = 22


def load(reader: DataFrameReader, kind: str, files: Sequence[Arrival]) -> DataFrame:
    """The rows of files in a format of Spark's; another version of one than was planned ends the query.

    What Spark lists of a file, its size and time, is held against its `Arrival`: on a disk, of which Hadoop gives the
    time in milliseconds, and in Azure Storage, where it's in seconds for everyone. Other stores may tell Hadoop and
    fsspec different times of one version, so nothing is compared there; nor is it for an `Arrival` without an etag.

    Not noticed is a version of the same size that was written in the same millisecond, or second, as the planned one or
    another of these files; nor one that comes after Spark has listed the file, when the plan is first analysed, and
    before it opens it: 0.2 s for a small file, up to 4 s for the last of 5,000 on two cores. Both show after the commit
    (see `run/ingest/overwritten_files.py`). What is open stays one version: Hadoop reads a blob on condition of the
    etag that it had then, and a file that is replaced on a disk lives on. One that's written over in place is read as
    it comes, and a file in several parts is opened for each.
    """
    df = reader.format(kind).options(**OPENING).load(literal_paths(files))
    return df.where(_as_planned(df, files)) if all(map(is_comparable, files)) else df


@contextmanager
def listed_anew(spark: SparkSession, *, needed: bool) -> Iterator[None]:
    """Queries in the block list files anew. Elsewhere than on Spark Connect, a DataFrame keeps what it once listed."""
    if not needed or not capabilities(spark).settings or not spark.conf.isModifiable(_KEPT_PLANS):
        yield
        return
    before = str(spark.conf.get(_KEPT_PLANS))  # to unset it would undo the engine's own setting as well
    spark.conf.set(_KEPT_PLANS, "false")
    try:
        yield
    finally:
        spark.conf.set(_KEPT_PLANS, before)


def allow_encoding(spark: SparkSession, encoding: str) -> None:
    """Let a session read an encoding beyond those that Spark takes by itself.

    Raises:
        SourceError: its engine lets nobody.
    """
    if not needs_setting(encoding):
        return
    if not capabilities(spark).settings:
        raise SourceError(f"Reading files in {encoding}: {WITHOUT_SETTINGS}")
    spark.conf.set("spark.sql.legacy.javaCharsets", "true")


def is_comparable(file: Arrival) -> bool:
    """Whether every look at a version of a file in its store tells the same of it."""
    return bool(file.etag) and (not is_remote(file.path) or file.path.startswith(_IN_AZURE))


def is_unplanned(error: Exception) -> bool:
    """Whether a query ended for another version of a file than was planned."""
    return str(error).startswith(f"[USER_RAISED_EXCEPTION] {_UNPLANNED}")


def literal_paths(files: Sequence[Arrival]) -> list[str]:
    """The paths in the way that Spark, which takes globs, reads each as it is."""
    return [GLOB.sub(r"\\\g<0>", f.path) for f in files]


def unopenable(path: str) -> str | None:
    """Why a file can't be opened by its path, or another would be in its place; None if it can."""
    name = path.rpartition("://")[2]
    if GLOB.search(name) and ":" in name:
        return "its path has a colon and one of * ? [ ] { } \\; Hadoop can't open that; rename it"
    if is_remote(path) and "//" in name:
        return "its path has nothing between two slashes; Hadoop would take one of them for it; rename it"
    if is_remote(path) and is_misread(path):
        return "its name has a tab, a line break, '::', or a ? or # where it means something else; rename it"
    return None


def _as_planned(df: DataFrame, files: Sequence[Arrival]) -> Column:
    """A condition that is always true, or else ends the query: each row is of a version that was planned.

    It's about the files alone, so Spark tests it for each of them as it plans the query, before it reads a row. Then it
    does so for each row, in 30 ns: most of that is to have time and size there.
    """
    from pyspark.sql import functions as F

    listed = df.metadataColumn("_metadata")
    version = F.shiftleft(F.unix_millis(listed["file_modification_time"]), _SIZE_BITS).bitwiseXOR(listed["file_size"])
    stop = F.raise_error(F.concat(F.lit(_UNPLANNED), listed["file_path"])).cast("boolean")
    return F.when(version.isin({_version(f) for f in files}), F.lit(True)).otherwise(stop)


def _version(file: Arrival) -> int:
    """The time and the size in one number, as Java has it: of 64 bits and signed."""
    number = ((file.modified - _EPOCH) // timedelta(milliseconds=1) << _SIZE_BITS) ^ file.size
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
