"""The header and the blocks of an Avro file, looked at before Spark makes room for what they say.

By the specification of object container files (Avro 1.12): a map of names and bytes, 16 bytes that mark the end of a
block, and blocks, each after the number of its records and that of its bytes.
"""

from __future__ import annotations

import bz2
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from lakehouse_assets.engine.sources.first_look.contents import Unreadable
from lakehouse_assets.engine.sources.first_look.footers import refuse_rows

_MAGIC, _MARK = 4, 16
_LONGEST_HEADER = 16 * 1024 * 1024
_CODECS = ("null", "deflate", "snappy", "bzip2", "xz", "zstandard")
_DEFLATES_TO = 1_032  # times a size, at most
# Of what a batch of rows may take: Spark holds a block packed, unpacked, and its texts as Avro and as itself.
_COPIES = 4
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Header:
    """What a file begins with: its schema as JSON, how its blocks are packed, and what marks their ends."""

    schema: str
    codec: str
    mark: bytes


def avro_schema(file: IO[bytes], most: int, *, whole: bool) -> str | None:
    """The schema of an Avro file; None if it has no rows. Unless `whole`, no more than its first block is looked at.

    Raises:
        Unreadable: it's truncated or damaged; or a block takes more than `most` bytes.
    """
    size = file.seek(0, 2)
    file.seek(_MAGIC)
    header = _header(file, size)
    rows, most = 0, most // _COPIES
    for count, length in _blocks(file, header.mark, size):
        rows += count
        refuse_rows(rows, size)
        if (unpacked := _unpacked(file, header.codec, length, most)) > most:
            raise Unreadable(
                f"a block of it unpacks to {unpacked:,} bytes or more, and the Spark engine has room for {most:,}; "
                "write smaller blocks, or give the engine more memory"
            )
        if rows and not whole:
            break
    return header.schema if rows else None


def _header(file: IO[bytes], size: int) -> Header:
    told: dict[str, bytes] = {}
    while count := _number(file):
        if count < 0:
            _number(file)
        for _ in range(abs(count)):
            name = _sized(file, size).decode()
            told[name] = _sized(file, size)
    codec = told.get("avro.codec", b"null").decode() or "null"
    if codec not in _CODECS:
        raise Unreadable(f"its blocks are packed by {codec!r}, which Spark can't unpack; write it with deflate")
    try:
        schema = json.dumps(json.loads(told["avro.schema"]), sort_keys=True)
    except (KeyError, ValueError, RecursionError) as e:
        raise Unreadable(f"not a whole avro file: its schema is no JSON ({e}); ask for it once more") from e
    return Header(schema, codec, _exactly(file, _MARK))


def _blocks(file: IO[bytes], mark: bytes, size: int) -> Iterator[tuple[int, int]]:
    """How many records each block has, and how many bytes; the file then stands at the first of them."""
    while (at := file.tell()) < size:
        count, length = _number(file), _number(file)
        begins = file.tell()
        if count < 0 or not 0 <= length <= size - begins - _MARK:
            raise Unreadable(_broken(at, "says that it goes on beyond the end of the file"))
        yield count, length
        file.seek(begins + length)
        if _exactly(file, _MARK) != mark:
            raise Unreadable(_broken(at, "doesn't end in the mark of its file"))


def _unpacked(file: IO[bytes], codec: str, length: int, most: int) -> int:
    """How many bytes a block unpacks to; of more than `most`, no more than is sure."""
    if codec == "null" or (codec == "deflate" and length * _DEFLATES_TO <= most):
        return length
    try:
        if codec == "snappy":  # it says so itself
            return _varint(file)
        return _counted(file.read(length), codec, most)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as e:
        raise Unreadable(f"truncated or damaged: a block of it can't be unpacked ({e}); ask for it once more") from e


def _counted(packed: bytes, codec: str, most: int) -> int:
    total = 0
    for chunk in _chunks(packed, codec):
        total += len(chunk)
        if total > most:
            break
    return total


def _chunks(packed: bytes, codec: str) -> Iterator[bytes]:
    import pyarrow as pa

    if codec == "zstandard":
        stream = pa.CompressedInputStream(pa.BufferReader(packed), "zstd")
        yield from iter(lambda: stream.read(_CHUNK), b"")
        return
    made: dict[str, Callable[[], Any]] = {
        "deflate": lambda: zlib.decompressobj(-15), "bzip2": bz2.BZ2Decompressor, "xz": lzma.LZMADecompressor,
    }  # fmt: skip
    unpacker = made[codec]()
    while packed or not getattr(unpacker, "needs_input", True):
        yield unpacker.decompress(packed, _CHUNK)
        packed = getattr(unpacker, "unconsumed_tail", b"")
        if unpacker.eof:
            return


def _number(file: IO[bytes]) -> int:
    """A whole number as Avro writes it: in zigzag."""
    number = _varint(file)
    return (number >> 1) ^ -(number & 1)


def _varint(file: IO[bytes]) -> int:
    value = 0
    for shift in range(0, 70, 7):
        (byte,) = _exactly(file, 1)
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise Unreadable(_broken(file.tell(), "has a number without an end"))


def _sized(file: IO[bytes], size: int) -> bytes:
    length = _number(file)
    if not 0 <= length <= min(size, _LONGEST_HEADER):
        raise Unreadable("not a whole avro file: its header is damaged; ask for it once more")
    return _exactly(file, length)


def _exactly(file: IO[bytes], length: int) -> bytes:
    found = file.read(length)
    if len(found) < length:
        raise Unreadable("not a whole avro file: it ends too early; ask for it once more")
    return found


def _broken(at: int, why: str) -> str:
    return f"truncated or damaged: what begins at byte {at:,} {why}; ask for it once more"
