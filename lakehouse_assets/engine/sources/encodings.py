"""Encodings of text by the names that people, Python and Spark have for them."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import SourceError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SPARK_ENCODINGS = ("US-ASCII", "ISO-8859-1", "UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32")
WIDE = ("utf-16", "utf-32")


def python_encoding(encoding: str) -> str:
    """Python's name of an encoding.

    Raises:
        SourceError: there's no such encoding.
    """
    try:
        return codecs.lookup(encoding).name
    except LookupError as e:
        raise SourceError(f"Reading files: encoding={encoding!r} is not known; say 'UTF-8', 'cp1252', 'UTF-16'…") from e


def java_encoding(encoding: str) -> str:
    """The name by which Spark knows an encoding."""
    name = python_encoding(encoding)
    special = {"utf-8-sig": "UTF-8", "ascii": "US-ASCII", "mac-cyrillic": "x-MacCyrillic", "cp949": "x-windows-949"}
    if name in special:
        return special[name]
    if name.startswith("utf-"):
        return re.sub(r"-([BL]E)$", r"\1", name.upper())
    return re.sub(r"^cp(?=125\d)", "windows-", re.sub("^iso8859-", "ISO-8859-", name))


def allow_encoding(spark: SparkSession, encoding: str) -> None:
    """Let a session read an encoding beyond the seven that Spark 4 takes by itself."""
    if java_encoding(encoding) not in SPARK_ENCODINGS:
        spark.conf.set("spark.sql.legacy.javaCharsets", "true")


def is_wide(encoding: str) -> bool:
    """Whether a line break takes more than one byte, so that Spark can't split lines by bytes."""
    return python_encoding(encoding).startswith(WIDE)
