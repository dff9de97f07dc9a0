"""Encodings of text by the names that people, Python and Spark have for them, where the two decode alike.

Which do was found by decoding, in both, each byte and each pair of bytes, and of GB 18030 all four: what Python takes,
Java has to give the same characters for. `test_encodings.py` does that again.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass

from lakehouse_assets.engine.errors import SourceError

SPARK_ENCODINGS = ("US-ASCII", "ISO-8859-1", "UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32")
WITHOUT_SETTINGS = (
    "Spark reads them by a setting, which serverless compute lets nobody set; have the files written as UTF-8, or "
    "compute the table by Cluster(…)"
)
WIDE = ("utf-16", "utf-32")
_ALIKE = {
    "ascii": "US-ASCII", "utf-8": "UTF-8", "utf-8-sig": "UTF-8", "utf-16": "UTF-16", "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE", "utf-32": "UTF-32", "utf-32-le": "UTF-32LE", "utf-32-be": "UTF-32BE",
    **{f"cp{n}": f"windows-{n}" for n in range(1250, 1259)},
    **{f"iso8859-{n}": f"ISO-8859-{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15, 16)}, "iso8859-11": "x-iso-8859-11",
    **{f"cp{n}": f"IBM{n}" for n in (437, 737, 775, 850, 852, 855, 857, 858, *range(860, 867), 869)},
    "cp874": "x-windows-874", "koi8-r": "KOI8-R", "koi8-u": "KOI8-U", "mac-roman": "x-MacRoman",
    "mac-latin2": "x-MacCentralEurope", "gb2312": "GB2312",
}  # fmt: skip


@dataclass(frozen=True)
class Charset:
    """An encoding by Java's name.

    Of bytes that stand for a character of `unlike` Java makes another, always; of `twice`, which two sequences of bytes
    stand for, where it isn't the one that Python writes. One that isn't `strict` has bytes that only Java takes.
    """

    java: str
    unlike: str = ""
    twice: str = ""
    strict: bool = True


CHARSETS: Mapping[str, Charset] = {
    **{name: Charset(java) for name, java in _ALIKE.items()},
    "gbk": Charset("x-mswin-936", strict=False),
    "euc_kr": Charset("EUC-KR", strict=False),
    "cp949": Charset("x-windows-949", strict=False),
    "shift_jis": Charset("Shift_JIS", "\u2015"),
    "cp932": Charset("windows-31j", "\x80\uf8f0-\uf8f3"),
    "euc_jp": Charset("EUC-JP", "\u2015", "~"),
    "gb18030": Charset(
        "GB18030",
        "\u1e3f\u9fb4-\u9fbb\ue78d-\ue796\ue7c7\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864\ufe10-\ufe19",
    ),
    "big5": Charset("Big5", "\u2574\uffe3\u02cd", "\uff0f\uff3c"),
    "cp950": Charset("x-windows-950", "\u0401-\u0451\u2460-\u247d\u3005\u3041-\u30fe", strict=False),
    "mac-cyrillic": Charset("x-MacUkraine", "\u20ac"),
}


def python_encoding(encoding: str) -> str:
    """Python's name of an encoding.

    Raises:
        SourceError: there's no such encoding, or Spark doesn't have it, or reads other characters by it.
    """
    try:
        name = codecs.lookup(encoding).name
    except LookupError as e:
        raise SourceError(f"Reading files: encoding={encoding!r} is not known; {_choice()}") from e
    if name not in CHARSETS:
        raise SourceError(
            f"Reading files: encoding={encoding!r} can't be used, as Spark doesn't read it the way Python does; "
            f"land the files as UTF-8, or {_choice()}"
        )
    return name


def _choice() -> str:
    return f"say one of {', '.join(CHARSETS)}"


def java_encoding(encoding: str) -> str:
    """The name by which Spark knows an encoding."""
    return CHARSETS[python_encoding(encoding)].java


def is_exact(encoding: str) -> bool:
    """Whether Spark takes the same bytes for text as Python does, and the same characters for them."""
    charset = CHARSETS[python_encoding(encoding)]
    return charset.strict and not charset.unlike


def unlike(encoding: str, text: str, content: bytes) -> str | None:
    """The first character of a text that Spark would read otherwise from these bytes, which are all of it."""
    charset = CHARSETS[python_encoding(encoding)]
    if charset.unlike and (found := re.search(f"[{charset.unlike}]", text)):
        return found[0]
    twice = re.search(f"[{charset.twice}]", text) if charset.twice else None
    return twice[0] if twice and text.encode(encoding) != content else None


def needs_setting(encoding: str) -> bool:
    """Whether Spark 4 has to be told to read an encoding; seven it takes by itself."""
    return java_encoding(encoding) not in SPARK_ENCODINGS


def is_wide(encoding: str) -> bool:
    """Whether a line break takes more than one byte, so that Spark can't split lines by bytes."""
    return python_encoding(encoding).startswith(WIDE)
