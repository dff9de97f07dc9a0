"""Files as Spark opens them: each by its literal path, whatever characters it has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameReader

    from lakehouse_assets.engine.sources.listing import Arrival

GLOB = re.compile(r"[*?\[\]{}\\]")
# Folders named like `day=1` say nothing about the rows. Hadoop's checksummed file system can't open a local name with
# a colon, and would believe a stale `.crc` file; a cached one would be taken in spite of the setting.
OPENING = {
    "recursiveFileLookup": "true",
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}


def load(reader: DataFrameReader, kind: str, files: Sequence[Arrival]) -> DataFrame:
    """The rows of files in a format of Spark's."""
    return reader.format(kind).options(**OPENING).load(literal_paths(files))


def literal_paths(files: Sequence[Arrival]) -> list[str]:
    """The paths in the way that Spark, which takes globs, reads each as it is."""
    return [GLOB.sub(r"\\\g<0>", f.path) for f in files]


def unopenable(path: str) -> bool:
    """Whether Hadoop can't open a path: what it has to match as a glob must not have a colon."""
    return bool(GLOB.search(path)) and ":" in path.rpartition("://")[2]
