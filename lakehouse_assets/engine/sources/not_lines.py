"""What a file declared to have a JSON object on each line is instead, in words for the person who declared it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from lakehouse_assets.engine.sources.headers import text_of

DOCUMENT = "it is one JSON document and not an object on each line; declare format='json'"
CUT = "it begins as a JSON document of several lines, which ends too early; ask for a whole one, as format='json'"
NO_OBJECT = "none of its lines is a JSON object: the first is {!r}; {}"
_SHOWN = 80


def not_lines(path: str, encoding: str, *, none: bool) -> str | None:
    """Why a file is refused of which some lines, or `none` at all, are JSON objects; None for one with a bad line.

    Raises:
        Unreadable: see `text_of`.
    """
    first = next(_lines(path, encoding), "")
    opens = first[:1] in ("[", "{") and not _is_json(first)
    if (opens or none) and _is_document("".join(text_of(path, encoding))):
        return DOCUMENT
    if first in ("[", "{"):
        return CUT
    return NO_OBJECT.format(first[:_SHOWN], _remedy(first)) if none else None


def _remedy(first: str) -> str:
    if first[:1] in ("[", "{"):
        return "a document of several lines has format='json'"
    return "declare the format that it has, such as format='csv'"


def _lines(path: str, encoding: str) -> Iterator[str]:
    """The lines that aren't blank; no line is longer than a piece, but for the text of one that is cut."""
    rest = ""
    for piece in text_of(path, encoding):
        *whole, rest = (rest + piece).split("\n")
        yield from filter(None, map(str.strip, whole))
    yield from filter(None, [rest.strip()])


def _is_document(text: str) -> bool:
    """An array, or an object; each may be long, but a machine that Spark parses it on has room for it."""
    return text.lstrip()[:1] in ("[", "{") and _is_json(text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
