"""What a file declared to have a JSON object on each line is instead, in words for the person who declared it."""

from __future__ import annotations

import json

from lakehouse_assets.engine.sources.first_look.text_head import LONGEST_LINE, text_of

DOCUMENT = "it is one JSON document and not an object on each line; declare format='json'"
CUT = "it begins as a JSON document of several lines, which ends too early; ask for a whole one, as format='json'"
TOO_LONG = "it begins as a JSON document of several lines, and a long one; declare format='json', or land it in parts"
NO_OBJECT = "none of its lines is a JSON object: the first is {!r}; {}"
# What Jackson, by which Spark reads JSON, refuses unless it's told otherwise.
TOO_MUCH = (
    "each of its lines is JSON that Spark doesn't take: a text of more than 20,000,000 characters, a number of more "
    "than 1,000 digits, or more than 1,000 levels; land that as a file of its own"
)
_SHOWN = 80


def not_lines(path: str, encoding: str, *, none: bool) -> str | None:
    """Why a file is refused of which some lines, or `none` at all, are JSON objects; None for one with a bad line.

    Raises:
        Unreadable: see `text_of`.
    """
    first = _first_line(path, encoding)
    if first[:1] == "{" and _is_json(first):
        return TOO_MUCH if none else None
    opens = first[:1] in ("[", "{") and not _is_json(first)
    text = _whole(path, encoding) if opens or none else ""
    if _is_document(text):
        return DOCUMENT
    if first in ("[", "{"):
        return CUT if text else TOO_LONG
    return NO_OBJECT.format(first[:_SHOWN], _remedy(first)) if none else None


def _remedy(first: str) -> str:
    if first[:1] in ("[", "{"):
        return "a document of several lines has format='json'"
    return "declare the format that it has, such as format='csv'"


def _first_line(path: str, encoding: str) -> str:
    """The first line that isn't blank."""
    parts: list[str] = []
    for piece in text_of(path, encoding):
        line, ended, _ = (piece if parts else piece.lstrip()).partition("\n")
        parts += [line] if line else []
        if ended and parts:
            break
    return "".join(parts).strip()


def _whole(path: str, encoding: str) -> str:
    """The text of a file; nothing of one that is longer than Spark reads at once."""
    parts, size = list[str](), 0
    for piece in text_of(path, encoding):
        parts.append(piece)
        size += len(piece)
        if size > LONGEST_LINE:
            return ""
    return "".join(parts)


def _is_document(text: str) -> bool:
    """An array, or an object; each may be long, but a machine that Spark parses it on has room for it."""
    return text.lstrip()[:1] in ("[", "{") and _is_json(text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
