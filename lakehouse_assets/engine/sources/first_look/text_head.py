"""The head of a text file, read by Python before Spark reads the rest: its header, and whether anything follows."""

from __future__ import annotations

import codecs
import os
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from typing import IO, Any

from lakehouse_assets.engine.lake.stores import opened
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, is_remote
from lakehouse_assets.engine.sources.first_look import contents
from lakehouse_assets.engine.sources.first_look.contents import Unreadable
from lakehouse_assets.engine.sources.first_look.records import record_at, refuse_open_quotes
from lakehouse_assets.engine.spec.encodings import is_exact, is_wide, python_encoding, unlike
from lakehouse_assets.engine.spec.formats import Csv, Json, JsonLines

# Blocks whose quotes are counted in half the time of greater ones, as the arrays made of them stay in the cache.
CHUNK = 48 * 1024
SMALL = 8 * 1024 * 1024
# 20,000 columns with names of 800 characters; beyond it, a quote in the header was never closed.
LONGEST_HEADER = 16 * 1024 * 1024
# What a packed file may unpack to: so many times its size, and a gigabyte in any case. DEFLATE reaches 1,032 times.
MOST_UNPACKED = 300
UNPACKED_ANYWAY = 1 << 30
# A record that Spark would hold in memory several times over.
LONGEST_LINE = 1 << 28
BOM = "\ufeff"
UNCLOSED = "a quote in its first record is never closed; declare quote= as the file has it"


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
    """A text file or object, unpacked if its name ends in .gz or .bz2.

    Raises:
        Unreadable: its bytes aren't what its name says.
    """
    import bz2
    import gzip

    with open_raw(path) as raw:
        if why := contents.not_as_named(path, raw.read(contents.START)):
            raise Unreadable(why)
        raw.seek(0)
        unpack: dict[str, Callable[[IO[bytes]], AbstractContextManager[Any]]] = {"gz": gzip.open, "bz2": bz2.open}
        with unpack.get(path.rpartition(".")[2], nullcontext)(raw) as file:
            yield file


def open_raw(path: str) -> IO[bytes]:
    """A file or object as it is. What has become a pipe since it was listed has nothing, and isn't waited for."""
    if not is_remote(path):
        return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
    store, name = opened(path)
    raw: IO[bytes] = store.open(name, "rb")
    return raw


def text_of(path: str, encoding: str, size: int | None = None) -> Iterator[str]:
    """A file's text in pieces, decoded strictly, without a byte order mark.

    Raises:
        Unreadable: the file is gone, truncated, or isn't text in this encoding; or one of that `size` unpacks to so
            much more, or has so long a line, that it's taken for an attack or damaged.
    """
    most = None if size is None else max(size * MOST_UNPACKED, UNPACKED_ANYWAY)
    try:
        with open_bytes(path) as file:
            yield from _decoded(file, encoding, most)
    except UnicodeError as e:  # as UTF-16 says it of a file without a byte order mark
        raise Unreadable(f"not valid {encoding} ({e}); declare encoding='{encoding}LE' or '{encoding}BE'") from e
    except (EOFError, zlib.error) as e:
        raise Unreadable(f"truncated or damaged {path.rpartition('.')[2]}: {e}; send it again") from e
    except FileNotFoundError as e:
        raise Unreadable("it's gone: removed or renamed after it was listed, or its name isn't valid UTF-8") from e
    except OSError as e:
        raise Unreadable(f"it can't be opened: {e}") from e


def _decoded(file: IO[bytes], encoding: str, most: int | None) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(python_encoding(encoding))()
    read, start, line = 0, b"", 0
    try:
        while chunk := file.read(CHUNK):
            if read == 0:
                start = chunk[: contents.START]
                _refuse_other(start, encoding)
            pending = decoder.getstate()[0]
            text = decoder.decode(chunk)
            text = text.removeprefix(BOM) if read == 0 else text
            if read == 0 and (why := contents.not_a_table(text)):
                raise Unreadable(why)
            _refuse_misread(text, pending + chunk, decoder.getstate()[0], encoding)
            if "\0" in text:
                raise Unreadable(contents.nul_reason(start, read + text.index("\0")))
            yield text
            read += len(chunk)
            end = max(text.rfind("\n"), text.rfind("\r"))
            line = line + len(text) if end < 0 else len(text) - end
            if most is not None:
                _refuse_endless(read, most, line)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as e:
        raise Unreadable(_not_text(encoding, read, e)) from e


def _refuse_other(start: bytes, encoding: str) -> None:
    if why := contents.other_than(None, start):
        raise Unreadable(why)
    mark, name = contents.marked(start), python_encoding(encoding)
    other = name[-2:] in ("le", "be") and not start.startswith(BOM.encode(name))
    if mark and (not name.startswith(mark.lower()) or other):
        begins = f"it begins with the byte order mark of {mark}"
        raise Unreadable(f"not valid {encoding}: {begins}; declare encoding={mark!r}")


def _refuse_misread(text: str, content: bytes, pending: bytes, encoding: str) -> None:
    if is_exact(encoding):
        return
    if found := unlike(encoding, text, content.removesuffix(pending) if pending else content):
        raise Unreadable(f"it has {found!r}, which Spark reads otherwise in {encoding}; land it as UTF-8")


def _refuse_endless(read: int, most: int, line: int) -> None:
    if read > most:
        raise Unreadable(f"it unpacks to more than {most:,} bytes, {MOST_UNPACKED} times its size; land it unpacked")
    if line > LONGEST_LINE:
        raise Unreadable(f"it has a line of more than {LONGEST_LINE:,} characters; break it into records")


def _not_text(encoding: str, read: int, error: UnicodeDecodeError) -> str:
    bad = error.object[error.start : error.start + 1]
    where = f"byte {bad!r} near position {read + error.start}"
    return f"not valid {encoding} ({where}: {error.reason}); declare encoding=the one it's in, such as 'cp1252'"


def is_blank(file: Arrival, kind: Json | JsonLines) -> bool:
    """Whether a file of JSON has nothing but white space. Where that takes a moment, all of it is seen.

    Raises:
        Unreadable: see `text_of`; or it's a document that is too long.
    """
    blank, size = True, 0
    for text in text_of(file.path, kind.encoding, file.size):
        blank, size = blank and not text.strip(), size + len(text)
        if isinstance(kind, Json) and size > LONGEST_LINE:
            raise Unreadable(f"it's a document of more than {LONGEST_LINE:,} characters; land it as lines, or in parts")
        if not blank and not is_verifiable(file, kind.encoding):
            break
    return blank


def is_near(file: Arrival) -> bool:
    """Whether all of a file can be looked at in a moment."""
    return not is_remote(file.path) or file.size <= SMALL


def is_verifiable(file: Arrival, encoding: str) -> bool:
    """Whether to decode all of a file in Python: at 1 GB/s that's a small part of what Spark takes to parse it.

    Of remote ones only those that take a moment, or whose encoding Spark knows otherwise than Python; the rest are
    checked as Spark reads them, but for their quotes.
    """
    return is_near(file) or not is_exact(encoding)


def read_head(file: Arrival, dialect: Csv) -> Head | None:
    """The first record of a delimited file; None if there is none.

    Raises:
        Unreadable: see `text_of`; or a quoted cell isn't closed, or the first record is that of another format.
    """
    # Spark skips lines of white space when it splits by lines, and only empty ones when it doesn't.
    blank_lines = r"\A[\r\n]+" if dialect.multiline or is_wide(dialect.encoding) else r"\A[\x00-\x20]*[\r\n]"
    text, again = "", 0
    pieces = text_of(file.path, dialect.encoding, file.size)
    for piece in pieces:
        text += piece
        # A header is looked at again when twice as much is there: each time at once would take the square.
        if len(text) >= again:
            text = re.sub(blank_lines, "", text)
            again = 2 * len(text)
            record = record_at(text, 0, dialect)
            if record is not None:
                return _verified(file, dialect, _head(text, record), chain([text[record[1] :]], pieces))
        if len(text) > LONGEST_HEADER:
            raise Unreadable(UNCLOSED)
    return _short(file, dialect, re.sub(blank_lines, "", text))


def _verified(file: Arrival, dialect: Csv, head: Head, rest: Iterator[str]) -> Head:
    """The head of a file, once it's seen that something follows it, and where that can be seen, that all is whole."""
    if dialect.header and (why := contents.not_a_header(head.cells)):
        raise Unreadable(why)
    first = next((piece for piece in rest if piece.strip()), None)
    verified = is_verifiable(file, dialect.encoding)
    if first is not None and verified:
        multiline = dialect.multiline or head.several_lines or is_wide(dialect.encoding)
        refuse_open_quotes(chain([first], rest), dialect, multiline=multiline)
    return replace(head, more=first is not None, verified=verified)


def _short(file: Arrival, dialect: Csv, text: str) -> Head | None:
    """The head of a file that ends in its first record or soon after; None if it has no record."""
    if not text.strip():
        return None
    if record := record_at(text, 0, dialect):
        return _verified(file, dialect, _head(text, record), iter([text[record[1] :]]))
    record = record_at(text + "\n", 0, dialect)  # it doesn't end in a line break
    if record is None:
        raise Unreadable(UNCLOSED)
    return replace(_head(text, record), more=False, verified=True)


def _head(text: str, record: tuple[list[str], int]) -> Head:
    cells, end = record
    line_break = "\r\n" if text.startswith("\r\n", end) else text[end : end + 1] or "\n"
    return Head(tuple(cells), bool(re.search(r"[\r\n]", text[:end])), line_break=line_break)
