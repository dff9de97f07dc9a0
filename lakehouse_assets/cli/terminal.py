"""All that the command prints. Whatever is in a cell, a path or an error comes out as the text that it is.

Nothing is parsed as markup, and no other module may import Rich (setup.cfg), so that there is no other way to print.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lakehouse_assets.engine.printable import printable, printable_lines

# A text, or a text and its style.
Part = str | tuple[str, str]
Grid = Table
# What is in a cell of a grid.
Cell = str | Text


class Terminal(Console):
    """A console on which every string is one line of printable text, also the cells of a grid."""

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """What Rich makes of every string that it's given."""
        return super().render_str(printable(text), **{**options, "markup": False, "emoji": False, "highlight": False})


console = Terminal(stderr=False)
complaints = Terminal(stderr=True)


def line(*parts: Part) -> Text:
    """Parts of a line, some with a style."""
    pairs = [(part, "") if isinstance(part, str) else part for part in parts]
    return Text.assemble(*((printable(text), style) for text, style in pairs))


def tell(*parts: Part, where: Terminal = console) -> None:
    """Print a line, which the terminal wraps."""
    where.print(line(*parts), soft_wrap=True)


def tell_lines(text: str, *before: Part, where: Terminal = console) -> None:
    """Print what has several lines, such as the text of an error, behind some parts."""
    first, *others = printable_lines(text)
    where.print(line(*before, first), *others, sep="\n", soft_wrap=True)


def grid(*columns: str, right: Sequence[str] = ()) -> Grid:
    """An empty table for the console; `right` names the columns of numbers."""
    made = Grid(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


@contextmanager
def drawn(picture: Callable[[], Grid]) -> Iterator[None]:
    """Draw a grid at the end of the terminal, and again twice a second; what is printed meanwhile stands above it."""
    with Live(get_renderable=picture, console=console, refresh_per_second=2):
        console.show_cursor()  # as it would stay hidden behind a process that is killed
        yield


def print_all_as_text() -> None:
    """Have the traceback of an error that nobody expected, and the warnings of libraries, printed as text too."""
    sys.excepthook = _tell_unexpected
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Printable())


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(printable_lines(super().format(record)))


def _tell_unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    tell_lines("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"), where=complaints)
