"""The records of a delimited text, cell by cell as Spark takes them apart, and whether any is left open.

Where the quotes are is seen of whole blocks at once; only a line that may leave a cell open is taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.sources.first_look.contents import Unreadable

if TYPE_CHECKING:
    from lakehouse_assets.engine.spec.formats import Csv

# Spark takes 25 s to read one row of 10,000 columns, and grows with the square of their number.
MOST_COLUMNS = 10_000
TOO_MANY = f"it has more than {MOST_COLUMNS:,} columns; land it as records of a name and a value"


def record_at(text: str, at: int, dialect: Csv) -> tuple[list[str], int] | None:
    """The cells of the record that begins at `at`, and where it ends (before its line break); None if the text does.

    Raises:
        Unreadable: it has too many cells, or a quoted cell over several lines that goes on after its closing quote.
    """
    cells: list[str] = []
    while True:
        cell = _cell(text, at, dialect)
        if cell is None:
            return None
        value, at = cell
        cells.append(value)
        if len(cells) > MOST_COLUMNS:
            raise Unreadable(TOO_MANY)
        if text[at] in "\r\n":
            return cells, at
        at += len(dialect.delimiter)


def _cell(text: str, at: int, dialect: Csv) -> tuple[str, int] | None:
    """The cell that begins at `at`, and where the delimiter or line break after it begins."""
    value = ""
    if dialect.quote and text.startswith(dialect.quote, at):
        quoted = _quoted(text, at + 1, dialect)
        if quoted is None:
            return None
        value, at = quoted
        if re.search(r"[\r\n]", value) and not text.startswith((dialect.delimiter, "\r", "\n"), at):
            raise Unreadable(f"{_in_the_middle(value)}; mend its quotes, or declare quote= as the file has it")
    end = re.compile(rf"{re.escape(dialect.delimiter)}|[\r\n]").search(text, at)
    return (value + text[at : end.start()], end.start()) if end else None


def _in_the_middle(value: str) -> str:
    return f"a quoted cell that begins {value[:40]!r} runs over lines and then ends in the middle of a cell"


def _quoted(text: str, at: int, dialect: Csv) -> tuple[str, int] | None:
    """A quoted cell's value from after its opening quote, and where it ends after the closing one."""
    inside, escaped = _patterns(dialect.quote, dialect.escape)
    found = inside.match(text, at)
    if found is None or found.end() >= len(text):
        return None
    return escaped.sub(r"\1", text[at : found.end() - 1]), found.end()


@lru_cache
def _patterns(quote: str, escape: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A quoted cell from after its opening quote up to the closing one and with it, and what is escaped in it."""
    q, e = re.escape(quote), re.escape(escape)
    if not escape:
        return re.compile(f"[^{q}]*+{q}"), re.compile("(?!)()")
    if quote == escape:
        return re.compile(f"[^{q}]*+(?:{q}{q}[^{q}]*+)*+{q}"), re.compile(f"{q}({q})")
    other = f"[^{q}{e}]"
    # An escape before anything else stands for itself.
    return re.compile(f"{other}*+(?:{e}[{q}{e}]?+{other}*+)*+{q}"), re.compile(f"{e}([{q}{e}])")


def refuse_open_quotes(pieces: Iterator[str], dialect: Csv, *, multiline: bool) -> None:
    """Read the text that follows a first record to its end: each quoted cell has to end, in its line if not multiline.

    Raises:
        Unreadable: one doesn't. Spark would take its lines for records, or all that follows for one cell.
    """
    block, again = "", 0
    for piece in pieces:
        block += piece
        end = max(piece.rfind("\n"), piece.rfind("\r")) + 1
        # An open cell is looked at again when twice as much is there: each time at once would take the square.
        if end and len(block) >= again:
            end += len(block) - len(piece)
            done = _closed(block, end, dialect, multiline)
            block, again = block[done:], 2 * (end - done)
    if _closed(block + "\n", len(block) + 1, dialect, multiline) <= len(block):
        raise Unreadable(f"{_left_open(block, dialect)} is never closed; mend it, or declare quote= as the file has it")


def _closed(block: str, end: int, dialect: Csv, multiline: bool) -> int:
    """How far the lines up to `end` hold whole records."""
    done = 0
    for start, stop in _suspicious(block[:end], dialect):
        if start < done:
            continue
        line = block[start : stop + 1]
        if multiline:
            record = record_at(block, start, dialect)
            if record is None:
                return start
            done = record[1]
        elif record_at(line, 0, dialect) is None:
            raise Unreadable(
                f"{_left_open(line, dialect)} isn't closed in its line; declare multiline=True if cells have line "
                "breaks, or quote='' if quotes are text"
            )
    return end


def _left_open(text: str, dialect: Csv) -> str:
    return f"the quote {dialect.quote} in {text.strip()[:60]!r}"


def _suspicious(block: str, dialect: Csv) -> list[tuple[int, int]]:
    """The lines, from where to where, that may leave a quoted cell open; `block` ends with a line break.

    A cell is open where a quote that begins one isn't followed by another but in pairs: then the number of quotes in
    the line is odd, or there are others in the middle of cells, and nothing like a closing quote comes last.
    """
    quote, escape = dialect.quote, dialect.escape
    if not quote or quote not in block:
        return []
    if escape and escape != quote:
        block = block.replace(escape * 2, "  ").replace(escape + quote, "  ")
    import numpy as np

    codes = _codes(block)
    at, stops = np.flatnonzero(codes == ord(quote)), np.flatnonzero((codes == 10) | (codes == 13))
    before = codes[at - 1]  # of the first: the line break at the end
    begins = (before == ord(dialect.delimiter[-1])) | (before == 10) | (before == 13)
    upto = np.searchsorted(at, stops)  # the quotes until a line's end, and of those the ones that begin cells
    begun = np.searchsorted(at[begins], stops)
    odd, opened = np.diff(upto, prepend=0) & 1 == 1, np.diff(begun, prepend=0) > 0
    last = upto - 1
    after = codes[at[last] + 1]
    ends = (after == ord(dialect.delimiter[0])) | (after == 10) | (after == 13)
    chosen = np.flatnonzero(opened & (odd | begins[last] | ((before[last] == ord(quote)) & ~ends)))
    return [(int(stops[n - 1]) + 1 if n else 0, int(stops[n])) for n in chosen]


def _codes(text: str) -> Any:
    """The characters of a text as numbers."""
    import numpy as np

    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    return np.frombuffer(text.encode("utf-32-le"), np.dtype("<u4"))
