"""Text that came with data, in the Markdown that Dagster's UI renders: metadata of that kind, and all descriptions.

Escapes are enough against all but links. The UI (remark-gfm 3) looks for addresses in the text once more when its
escapes have been read, but never in code. So a word that could be an address is code, and in all others marks are
escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from lakehouse_assets.engine.printable import printable

_ADDRESS = re.compile(r"//|@|www\.", re.IGNORECASE)
# An underscore within a word marks nothing; so the names of columns stay legible.
_MARK = re.compile(r"[\\`*\[\]<>&~]|(?<![^\W_])_|_(?![^\W_])")
# What makes a list, a heading, a line below a heading, or a table of a line that begins so: up to where it's escaped.
_BEGINNING = re.compile(r"\d+(?=[.)](?!\d))|(?=[-+](?!\d)|[=#:|])")


def as_text(text: str) -> str:
    """Markdown of one line that shows a text as it is, but several spaces as one."""
    shown = _inline(text)
    found = _BEGINNING.match(shown)
    return f"{shown[: found.end()]}\\{shown[found.end() :]}" if found else shown


def as_code(text: str) -> str:
    """Markdown of one line that shows a text as it is, as code."""
    plain = printable(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    # Markdown takes one space away at each end, if there is one at both.
    pad = " " if plain.startswith(("`", " ")) or plain.endswith(("`", " ")) else ""
    return f"{fence}{pad}{plain}{pad}{fence}" if plain else ""


def as_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table that shows each text as it is."""
    cells = [[_inline(text).replace("|", r"\|") for text in row] for row in (columns, *rows)]
    cells.insert(1, ["---"] * len(columns))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _inline(text: str) -> str:
    return " ".join(_word(word) for word in printable(text).split(" ") if word)


def _word(word: str) -> str:
    if _ADDRESS.search(word):
        return "|".join(as_code(part) for part in word.split("|"))  # in a table, no pipe can be in code
    return _MARK.sub(r"\\\g<0>", word)
