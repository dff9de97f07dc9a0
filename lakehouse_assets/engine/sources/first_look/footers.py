"""What the footers of Parquet and ORC say that their rows take, before Spark makes room for them.

A few kilobytes may unpack to gigabytes, and Spark asks for all that a batch of rows takes at once. Of an engine of 1 GB
with two cores, a batch of 64 MB is read and one of 128 MB is not, whether it's one value or a thousand: in Parquet, ORC
and Avro alike. A footer may lie; then the query that believes it fails, and its file with it.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from lakehouse_assets.engine.lake.capabilities import capabilities
from lakehouse_assets.engine.sources.first_look.contents import Unreadable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BATCH = 4096  # rows that Spark reads at once: spark.sql.parquet.columnarReaderBatchSize, and that of ORC
SHARE = 8  # of the engine's memory, what a batch may take
MOST = (1 << 30) // SHARE
# Rows cost time even where they take no room: so many for each byte, and some million in any case.
MOST_ROWS = 300
ROWS_ANYWAY = 1 << 24
_SPARKS_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"
_UNITS = {"k": 10, "m": 20, "g": 30, "t": 40}
_UNPACKED_HERE = _ZLIB, _SNAPPY, _ZSTD = 1, 2, 5  # as ORC numbers them
_LONGEST_FOOTER, _LONGEST_POSTSCRIPT = 16 * 1024 * 1024, 256


def batch_memory(spark: SparkSession) -> int:
    """The bytes that a batch of rows may take on the machines that read files."""
    if not capabilities(spark).settings:
        return MOST
    asked = (spark.conf.get(f"spark.{name}.memory", "") for name in ("executor", "driver"))
    found = next((m for text in asked if (m := re.fullmatch(r"(\d+)([kmgt]?)b?", text or "", re.IGNORECASE))), None)
    memory = int(found[1]) << _UNITS.get(found[2].lower(), 0) if found else 1 << 30
    return memory // SHARE


def refuse_rows(rows: int, size: int) -> None:
    """Raises:
    Unreadable: a file of so many bytes says that it has far more rows.
    """
    if rows > max(MOST_ROWS * size, ROWS_ANYWAY):
        raise Unreadable(f"it says that it has {rows:,} rows in {size:,} bytes; ask for a file that has them")


def refuse_wide(rows: int, size: int, most: int, what: str) -> None:
    """Raises:
    Unreadable: the rows, which unpack to `size`, take more memory by the batch than `most`.
    """
    batch = size if rows <= BATCH else size * BATCH // rows
    if batch > most:
        fit = max(1, most * rows // size)
        remedy = f"write {what} of at most {fit:,} rows" if rows > 1 else "split its values"
        raise Unreadable(
            f"it unpacks to {batch:,} bytes for {min(rows, BATCH):,} rows, and the Spark engine has room for {most:,}; "
            f"{remedy}, or give the engine more memory"
        )


def refuse_mismatch(rows: int, parts: Sequence[int], kind: str) -> None:
    """Raises:
    Unreadable: a file doesn't say the same of all its rows and of those of its parts.
    """
    if rows != sum(parts):
        raise Unreadable(
            f"not a whole {kind} file: it says that it has {rows:,} rows, and {sum(parts):,} in its parts; "
            "ask for it once more"
        )


def parquet_schema(file: IO[bytes], most: int) -> str | None:
    """The schema of a Parquet file; None if it has no rows.

    Raises:
        Unreadable: its rows take more memory than `most` bytes by the batch, or too much time.
    """
    from pyarrow import parquet

    found = parquet.ParquetFile(file)
    told = found.metadata
    refuse_rows(told.num_rows, file.seek(0, 2))
    groups = [told.row_group(n) for n in range(told.num_row_groups)]
    refuse_mismatch(told.num_rows, [group.num_rows for group in groups], "parquet")
    repeated = [n for n in range(told.num_columns) if found.schema.column(n).max_repetition_level]
    for group in groups:
        values = sum(group.column(n).num_values for n in repeated)
        refuse_wide(max(1, group.num_rows), max(group.total_byte_size, 8 * values), most, "row groups")
    # The Parquet schema, not Arrow's view of it: Spark goes by its annotations, such as the unit of a timestamp.
    # Its first line names the Python object.
    own, paths = str(found.schema).partition("\n")[2], [found.schema.column(n).path for n in range(told.num_columns)]
    return own + _of_spark((told.metadata or {}).get(_SPARKS_SCHEMA, b""), paths) if told.num_rows else None


def _of_spark(text: bytes, paths: Sequence[str]) -> str:
    """The schema that Spark itself wrote into a Parquet file, and goes by; one that isn't JSON it passes over."""
    try:
        names = [field["name"] for field in json.loads(text)["fields"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    columns = {next((name for name in names if f"{path}.".startswith(f"{name}.")), None) for path in paths}
    if columns != set(names):
        raise Unreadable("not a whole parquet file: it has two schemas with other columns; ask for it once more")
    return text.decode(errors="replace")


def orc_schema(file: IO[bytes], most: int) -> str | None:
    """What stands for the schema of an ORC file: the types of its footer, in hex; None if it has no rows.

    Arrow isn't asked: its reader of ORC ends the process over some damaged footers.

    Raises:
        Unreadable: its rows take more memory than `most` bytes by the batch, or too much time.
    """
    size = file.seek(0, 2)
    try:
        told = _tail(file, size, most)
        rows = told.get(6, [0])[0]
        refuse_mismatch(rows, [_fields(stripe).get(5, [0])[0] for stripe in told.get(3, ())], "orc")
        refuse_rows(rows, size)
        refuse_wide(max(1, rows), _orc_size(told), most, "stripes")
        return b"".join(told[4]).hex() if rows else None
    except (TypeError, LookupError, ArithmeticError, MemoryError) as e:
        raise Unreadable("not a whole orc file: its footer is damaged; ask for it once more") from e


def _tail(file: IO[bytes], size: int, most: int) -> Mapping[int, list[Any]]:
    """The footer, for which its postscript says how long it is, and by what and in what blocks all is packed."""
    file.seek(max(0, size - _LONGEST_POSTSCRIPT))
    end = file.read()
    length = end[-1] + 1
    told = _fields(end[-length:-1])
    footer, packed_by, block = (told.get(n, [0])[0] for n in (1, 2, 3))
    if packed_by and block > most:
        raise Unreadable(f"it's packed in blocks of {block:,} bytes; write it with smaller ones")
    if told.get(8000) != [b"ORC"] or not 0 < footer <= min(size - length, _LONGEST_FOOTER):
        raise Unreadable("not a whole orc file: it ends too early, or its end is damaged; ask for it once more")
    file.seek(size - length - footer)
    content = file.read(footer)
    if packed_by not in (0, *_UNPACKED_HERE):  # LZO, LZ4 and Brotli: as if it had a row, and a schema of its own
        return {3: [b"\x28\x01"], 4: [content], 6: [1]}
    return _fields(b"".join(_chunks(content, packed_by, block)) if packed_by else content)


def _orc_size(footer: Mapping[int, list[Any]]) -> int:
    """What all values take, by the statistics of the columns: eight bytes each, and the lengths of texts and bytes."""
    sizes = []
    for column in map(_fields, footer.get(7, ())):
        sums = [
            sum_ for kind, n in ((4, 3), (8, 1)) for told in column.get(kind, ()) for sum_ in _fields(told).get(n, ())
        ]
        sizes += [8 * column.get(1, [0])[0], *(length >> 1 for length in sums)]  # sums are in zigzag
    return sum(sizes)


def _chunks(packed: bytes, codec: int, block: int) -> Iterator[bytes]:
    """The chunks of a stream, each after three bytes that say how long it is and whether it's packed."""
    import pyarrow as pa

    at = 0
    while at + 3 <= len(packed):
        told = int.from_bytes(packed[at : at + 3], "little")
        chunk = packed[at + 3 : at + 3 + (told >> 1)]
        at += 3 + len(chunk)
        if told & 1:
            yield chunk
        elif codec == _ZLIB:
            yield zlib.decompressobj(-15).decompress(chunk, block)
        elif codec == _SNAPPY:
            yield pa.decompress(chunk, min(_varint(chunk, 0)[0], block), "snappy", asbytes=True)
        else:
            yield pa.CompressedInputStream(pa.BufferReader(chunk), "zstd").read(block)


def _fields(message: bytes) -> Mapping[int, list[Any]]:
    """The fields of a message of Protocol Buffers by number: whole numbers, and the bytes of all else.

    Raises:
        LookupError: it's no such message.
    """
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value, at = _varint(message, at) if tag & 7 == 0 else _bytes(message, at, tag & 7)
        found.setdefault(tag >> 3, []).append(value)
    return found


def _bytes(message: bytes, at: int, kind: int) -> tuple[bytes, int]:
    length, at = _varint(message, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
    if at + length > len(message):
        raise IndexError(at)
    return message[at : at + length], at + length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, the lowest first, and where it ends."""
    value = shift = 0
    while (byte := message[at]) >= 128:
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
    return value | byte << shift, at + 1
