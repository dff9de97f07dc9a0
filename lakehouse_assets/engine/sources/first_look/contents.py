"""What a file is by its first bytes, whatever its name says: Spark goes by the name, and unpacks or parses anything."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import SourceError

if TYPE_CHECKING:
    from lakehouse_assets.engine.spec.formats import FormatName

START = 512  # as far as the mark of a tar archive
# What Spark unpacks by the end of a name, as that is spelled; Python can check the first two.
PACKED_AS = {"gz": "gzip", "bz2": "bzip2"}
UNCHECKED = ("deflate", "lz4", "snappy", "zst", "zstd")
_UNPACK = "unpack it, or pack it with gzip and name it .gz"
_GZIP = re.compile(rb"\x1f\x8b\x08")
_BZIP2 = re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)")
# From the registries of magic numbers (of `file`, and the formats' own specifications): what it is, and what to do.
_KINDS = (
    (re.compile(rb"PK(\x03\x04|\x05\x06|\x07\x08).*?(\[Content_Types\]|xl/|_rels/)", re.DOTALL),
     "an Excel workbook or another document of Office", "save its table as CSV"),
    (re.compile(rb"PK(\x03\x04|\x05\x06|\x07\x08)"), "a zip archive", _UNPACK),
    (re.compile(rb"\xfd7zXZ\x00"), "packed by xz", _UNPACK),
    (re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), "packed by zstd", _UNPACK),
    (re.compile(rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18"), "packed by lz4", _UNPACK),
    (re.compile(rb"\xff\x06\x00\x00sNaPpY"), "packed by snappy", _UNPACK),
    (re.compile(rb"\x1f[\x9d\xa0]"), "packed by compress (.Z)", _UNPACK),
    (re.compile(rb"LZIP[\x00\x01]"), "packed by lzip", _UNPACK),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "a 7z archive", _UNPACK),
    (re.compile(rb"Rar!\x1a\x07"), "a rar archive", _UNPACK),
    (re.compile(rb".{257}ustar", re.DOTALL), "a tar archive", _UNPACK),
    (re.compile(rb"%PDF-"), "a PDF document", "ask for its table as CSV"),
    (re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an .xls or other old document", "save its table as CSV"),
    (re.compile(rb"SQLite format 3\x00"), "an SQLite database", "export its table as CSV"),
    (re.compile(rb"ARROW1\x00\x00|FEA1"), "an Arrow (Feather) file", "write it as Parquet"),
    (re.compile(rb"\x89HDF\r\n\x1a\n"), "an HDF5 file", "write its table as Parquet"),
    (re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff[\xdb\xe0\xe1\xee]|GIF8[79]a"), "a picture", "land it elsewhere"),
    (re.compile(rb"PARE"), "an encrypted Parquet file", "write it without encryption"),
)  # fmt: skip
_TYPED: dict[FormatName, re.Pattern[bytes]] = {
    "parquet": re.compile(rb"PAR1"),
    # A header of CSV may begin with these letters, and go on with others.
    "orc": re.compile(rb"ORC(?=.{0,64}[\x00-\x08\x0e-\x1f])", re.DOTALL),
    "avro": re.compile(rb"Obj\x01"),
}
_MARKUP = re.compile(r"\s*<(?:!doctype\s+html|html[\s>]|(\?xml)\s)", re.IGNORECASE)
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16", codecs.BOM_UTF8: "UTF-8",
}  # fmt: skip


class Unreadable(SourceError):
    """One file can't be read; the message is the reason, without the file's name."""


def not_as_named(path: str, start: bytes) -> str | None:
    """Why Spark would misread a file of text, which it unpacks by its name; None if it wouldn't."""
    end = path.rpartition("/")[2].rpartition(".")[2]
    packed = "gzip" if _GZIP.match(start) else "bzip2" if _BZIP2.match(start) else None
    if end in PACKED_AS:
        if packed == PACKED_AS[end]:
            return None
        named = f"its name ends in .{end}, but it isn't packed by {PACKED_AS[end]}"
        return f"{named}{_kind(start)}; give it the name that fits"
    if packed:
        ending = next(e for e, by in PACKED_AS.items() if by == packed)
        return f"it's packed by {packed}, and its name doesn't end in .{ending}; give it that ending, or unpack it"
    if other := other_than(None, start):
        return other
    if end in UNCHECKED:
        return f"its name ends in .{end}, by which Spark would unpack it in a form that few programs write; {_UNPACK}"
    return None


def other_than(kind: FormatName | None, start: bytes) -> str | None:
    """What a file is instead of text, or of a `kind` that keeps types, and what to do; None if it isn't."""
    if kind in _TYPED and _TYPED[kind].match(start):
        return None
    for found in (k for k, mark in _TYPED.items() if k != kind and mark.match(start)):
        return f"it's {found.capitalize()}, not {kind or 'text'}; declare format={found!r}, or land it elsewhere"
    if packed := "gzip" if _GZIP.match(start) else "bzip2" if _BZIP2.match(start) else None:
        return f"it's packed by {packed}{'' if kind else ' once more'}; unpack it"
    for mark, what, remedy in _KINDS:
        if mark.match(start):
            return f"it's {what}; {remedy}"
    return f"not a whole {kind} file: it doesn't begin like one{_looks_like(start)}" if kind else None


def _kind(start: bytes) -> str:
    other = other_than(None, start)
    return f": {other.partition('; ')[0].removesuffix(' once more')}" if other else _looks_like(start)


def _looks_like(start: bytes) -> str:
    return ", but like text" if start and not re.search(rb"[\x00-\x08\x0e-\x1f]", start) else ""


def not_a_table(text: str) -> str | None:
    """What a text is by its beginning that no table is: a page that tells of an error, most often."""
    found = _MARKUP.match(text)
    if found is None:
        return None
    what = "XML" if found[1] else "a page of HTML"
    return f"it's {what}, perhaps a message about an error; see how it was fetched, and land the table itself"


def not_a_header(cells: Sequence[str]) -> str | None:
    """Why the first record of a delimited file isn't one of names: it's JSON."""
    begins = re.match(r"\s*(\[\s*)?\{\s*(\"|$)|\s*\[\s*$", cells[0])
    kind = "json" if begins and (begins[1] or not cells[0].strip().strip("[{")) else "jsonl"
    return f"it's JSON; declare format={kind!r}" if begins else None


def marked(start: bytes) -> str | None:
    """The encoding whose byte order mark a text begins with."""
    return next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)


def nul_reason(start: bytes, at: int) -> str:
    """Why a text with a NUL character, the first of them near `at`, isn't read."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    wide = f"declare encoding='UTF-16{'LE' if odd > even else 'BE'}', which it looks like"
    remedy = wide if max(even, odd) > len(start) // 5 else "declare the encoding it's in, or land it without them"
    return f"it has NUL characters, the first near position {at}, as text of another encoding does; {remedy}"
