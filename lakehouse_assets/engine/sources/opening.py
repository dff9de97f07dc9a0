"""Files as Spark opens them: each by its literal path, whatever characters it has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse_assets.engine.sources.listing import Arrival, is_remote
from lakehouse_assets.engine.sources.stores import is_misread

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameReader

GLOB = re.compile(r"[*?\[\]{}\\]")
# Folders named like `day=1` say nothing about the rows. Hadoop's checksummed file system can't open a local name with
# a colon, and would believe a stale `.crc` file; a cached one would be taken in spite of the setting.
OPENING = {
    "recursiveFileLookup": "true",
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}
_IN_AZURE = ("abfs://", "abfss://", "az://")


def load(reader: DataFrameReader, kind: str, files: Sequence[Arrival]) -> DataFrame:
    """The rows of files in a format of Spark's."""
    return reader.format(kind).options(**OPENING).load(literal_paths(files))


def is_comparable(file: Arrival) -> bool:
    """Whether every look at a version of a file in its store tells the same of it."""
    return bool(file.etag) and (not is_remote(file.path) or file.path.startswith(_IN_AZURE))


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
