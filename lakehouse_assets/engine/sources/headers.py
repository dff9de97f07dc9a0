"""The head of a text file, read by Python before Spark reads the rest: its header, and whether anything follows."""

from __future__ import annotations

import codecs
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.sources.encodings import is_wide, python_encoding
from lakehouse_assets.engine.sources.listing import Arrival, is_remote
from lakehouse_assets.engine.sources.stores import opened

if TYPE_CHECKING:
    from lakehouse_assets.engine.inputs import Files

CHUNK = 256 * 1024
SMALL = 8 * 1024 * 1024
# 20,000 columns with names of 800 characters; beyond it, a quote in the header was never closed.
LONGEST_HEADER = 16 * 1024 * 1024
# Spark takes 25 s to read one row of 10,000 columns, and grows with the square of their number.
MOST_COLUMNS = 10_000
TOO_MANY = f"it has more than {MOST_COLUMNS:,} columns; land it as records of a name and a value"
# What a packed file may unpack to: so many times its size, and a gigabyte in any case. DEFLATE reaches 1,032 times.
MOST_UNPACKED = 300
UNPACKED_ANYWAY = 1 << 30
# A record that Spark would hold in memory several times over.
LONGEST_LINE = 1 << 28
BOM = "\ufeff"


class Unreadable(SourceError):
    """One file can't be read; the message is the reason, without the file's name."""


@dataclass(frozen=True)
class Head:
    """What a text file begins with.

    `cells` are those of its first record that isn't blank; `several_lines` says that a quoted cell of that record has
    a line break; `more` says whether anything but blanks follows it. `line_break` ends the record. `verified` says
    that the whole file was decoded, and every byte of it is valid.
    """

    cells: tuple[str, ...]
    several_lines: bool = False
    more: bool = True
    line_break: str = "\n"
    verified: bool = False


@contextmanager
def open_bytes(path: str) -> Iterator[IO[bytes]]:
    """A file or object, unpacked if its name ends in .gz or .bz2."""
    import bz2
    import gzip

    with _raw(path) as raw:
        unpack: dict[str, Callable[[IO[bytes]], AbstractContextManager[Any]]] = {"gz": gzip.open, "bz2": bz2.open}
        with unpack.get(path.rpartition(".")[2], nullcontext)(raw) as file:
            yield file


def _raw(path: str) -> IO[bytes]:
    if not is_remote(path):
        return Path(path).open("rb")
    store, name = opened(path)
    raw: IO[bytes] = store.open(name, "rb")
    return raw


def text_of(path: str, encoding: str, size: int | None = None) -> Iterator[str]:
    """A file's text in pieces, decoded strictly, without a byte order mark.

    Raises:
        Unreadable: the file is gone, truncated, or isn't text in this encoding; or one of that `size` unpacks to so
            much more, or has so long a line, that it's taken for an attack or damaged.
    """
    decoder = codecs.getincrementaldecoder(python_encoding(encoding))()
    read, start, line = 0, b"", 0
    most = None if size is None else max(size * MOST_UNPACKED, UNPACKED_ANYWAY)
    try:
        with open_bytes(path) as file:
            while chunk := file.read(CHUNK):
                start = start or chunk[:4]
                text = decoder.decode(chunk)
                yield text.removeprefix(BOM) if read == 0 else text
                read += len(chunk)
                end = max(text.rfind("\n"), text.rfind("\r"))
                line = line + len(text) if end < 0 else len(text) - end
                if size is not None:
                    _refuse_endless(read, most, line)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as e:
        raise Unreadable(_not_text(encoding, start, read, e)) from e
    except UnicodeError as e:  # as UTF-16 says it of a file without a byte order mark
        raise Unreadable(f"not valid {encoding} ({e}); declare encoding='{encoding}LE' or '{encoding}BE'") from e
    except (EOFError, zlib.error) as e:
        raise Unreadable(f"truncated or damaged {path.rpartition('.')[2]}: {e}; send it again") from e
    except FileNotFoundError as e:
        raise Unreadable("it's gone: removed or renamed after it was listed, or its name isn't valid UTF-8") from e
    except OSError as e:
        raise Unreadable(f"it can't be opened: {e}") from e


def _refuse_endless(read: int, most: int | None, line: int) -> None:
    if most is not None and read > most:
        raise Unreadable(f"it unpacks to more than {most:,} bytes, {MOST_UNPACKED} times its size; land it unpacked")
    if line > LONGEST_LINE:
        raise Unreadable(f"it has a line of more than {LONGEST_LINE:,} characters; break it into records")


def _not_text(encoding: str, start: bytes, read: int, error: UnicodeDecodeError) -> str:
    wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    hint = "'UTF-16' (it begins with that byte order mark)" if wide else "the one it's in, such as 'cp1252'"
    bad = error.object[error.start : error.start + 1]
    where = f"byte {bad!r} near position {read + error.start}"
    return f"not valid {encoding} ({where}: {error.reason}); declare encoding={hint}"


def is_blank(path: str, encoding: str) -> bool:
    """Whether a text file has nothing but white space."""
    return not any(text.strip() for text in text_of(path, encoding))


def is_verifiable(file: Arrival) -> bool:
    """Whether to decode all of a file in Python: at 1 GB/s that's a small part of what Spark takes to parse it.

    Of remote ones only those that take a moment; the rest are checked as Spark reads them.
    """
    return not is_remote(file.path) or file.size <= SMALL


def read_head(file: Arrival, source: Files) -> Head | None:
    """The first record of a delimited file; None if there is none.

    Raises:
        Unreadable: see `text_of`; or a quote in the first record is never closed.
    """
    # Spark skips lines of white space when it splits by lines, and only empty ones when it doesn't.
    blank_lines = r"\A[\r\n]+" if source.multiline or is_wide(source.encoding) else r"\A[\x00-\x20]*[\r\n]"
    text = ""
    pieces = text_of(file.path, source.encoding, file.size)
    for piece in pieces:
        text = re.sub(blank_lines, "", text + piece)
        record = _first_record(text, source)
        if record is not None:
            more = bool(text[record[1] :].strip()) or any(p.strip() for p in pieces)
            verified = is_verifiable(file)
            if verified:
                deque(pieces, maxlen=0)
            return _head(text, record, more, verified)
        if len(text) > LONGEST_HEADER:
            raise Unreadable("a quote in its first record is never closed; declare quote= as the file has it")
    return _last_record(text, source) if text.strip() else None


def _last_record(text: str, source: Files) -> Head:
    """The record of a file whose only record doesn't end in a line break."""
    record = _first_record(text + "\n", source)
    if record is None:
        raise Unreadable("a quote in its first record is never closed; declare quote= as the file has it")
    return _head(text, record, more=False, verified=True)


def _head(text: str, record: tuple[list[str], int], more: bool, verified: bool) -> Head:
    cells, end = record
    line_break = "\r\n" if text.startswith("\r\n", end) else text[end : end + 1] or "\n"
    return Head(tuple(cells), bool(re.search(r"[\r\n]", text[:end])), more, line_break, verified)


def _first_record(text: str, source: Files) -> tuple[list[str], int] | None:
    """The cells of the first record and where it ends (before its line break); None if the text stops before that."""
    cells: list[str] = []
    at = 0
    while True:
        cell = _cell(text, at, source)
        if cell is None:
            return None
        value, at = cell
        cells.append(value)
        if len(cells) > MOST_COLUMNS:
            raise Unreadable(TOO_MANY)
        if text[at] in "\r\n":
            return cells, at
        at += len(source.delimiter)


def _cell(text: str, at: int, source: Files) -> tuple[str, int] | None:
    """The cell that begins at `at`, and where the delimiter or line break after it begins."""
    value = ""
    if source.quote and text.startswith(source.quote, at):
        quoted = _quoted(text, at + 1, source)
        if quoted is None:
            return None
        value, at = quoted
    end = re.compile(rf"{re.escape(source.delimiter)}|[\r\n]").search(text, at)
    return (value + text[at : end.start()], end.start()) if end else None


def _quoted(text: str, at: int, source: Files) -> tuple[str, int] | None:
    """A quoted cell's value from after its opening quote, and where it ends after the closing one."""
    quote, escape = source.quote, source.escape
    parts: list[str] = []
    special = re.compile(f"[{re.escape(quote + escape)}]")
    while (found := special.search(text, at)) and found.start() + 1 < len(text):
        parts.append(text[at : found.start()])
        following = text[found.start() + 1]
        if following == quote and found[0] == escape:
            parts.append(quote)
            at = found.start() + 2
        elif found[0] == quote:
            return "".join(parts), found.start() + 1
        else:
            parts.append(found[0])
            at = found.start() + 1
    return None
