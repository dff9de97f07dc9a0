"""Text that came with data, made fit to be shown: in a terminal, in a log line, in a page.

A cell or the name of a file may hold what a terminal obeys: sequences that hide text, rename the window or fill the
clipboard. It may hold a line end, and so a line of a log that nobody wrote, and marks that turn the order of letters.
"""

from __future__ import annotations

import unicodedata

# Control and format characters (bidi overrides, what has no width), lone surrogates, ends of lines and of paragraphs.
_SHOWN_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""A text in one line, with what can't be seen in it as Python writes it: `\x1b`, `\n`, `\u202e`, `\udcff`."""
    return text if text.isprintable() else "".join(map(_shown, text))


def printable_lines(text: str) -> list[str]:
    """The lines of a text that we or a program laid out, each printable; none but the first begins at the margin."""
    first, *others = [printable(line) for line in text.expandtabs(4).split("\n")]
    return [first, *(line if line.startswith(" ") else f"  {line}" for line in others)]


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _SHOWN_ESCAPED:
        return character
    return character.encode("unicode_escape").decode("ascii")
