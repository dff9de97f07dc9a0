"""Why a request isn't answered with scores: a status, a code as MLflow has it, and a sentence for people."""

from __future__ import annotations

from http import HTTPStatus

from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.printable import printable

SHOWN = 60  # characters of a text that somebody sent


class Refused(LakehouseError):
    """A request can't be answered. Fields: the status of the answer, and the code in its body."""

    def __init__(self, message: str, status: int = HTTPStatus.BAD_REQUEST, code: str = "BAD_REQUEST") -> None:
        self.status, self.code = status, code
        super().__init__(message)


def shown(value: object) -> str:
    """A value of a request, as a sentence names it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the text {quoted(value)}"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return cut(str(value))


def quoted(text: str) -> str:
    """A text between quotation marks, in one line and not too long."""
    return f"'{cut(text)}'"


def listed(names: list[str]) -> str:
    """Some names, the first few of them if there are many."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(quoted, names[:10])) + more


def cut(text: str, most: int = SHOWN) -> str:
    """The beginning of a text, printable."""
    return printable(text if len(text) <= most else f"{text[:most]}…")
