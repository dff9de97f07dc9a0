"""Whatever comes with data is shown in one line, without anything that a terminal obeys, and nothing of it is lost."""

from __future__ import annotations

import pickle
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_assets.engine.errors import DeclarationError, LakehouseError, SourceError
from lakehouse_assets.engine.printable import printable, printable_lines

ANY = st.characters(codec=None, categories=None)  # lone surrogates too
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def unseen(text: str) -> set[str]:
    """The characters of a text that can't be seen, but that a terminal or a reader's eye may obey."""
    return {character for character in text if unicodedata.category(character) in UNSEEN}


@given(st.text(ANY))
def test_any_text_becomes_one_line_that_holds_nothing_unseen(text: str) -> None:
    shown = printable(text)
    assert not unseen(shown)
    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert printable(shown) == shown


@given(st.text(ANY).filter(lambda text: "\\" not in text))
def test_what_it_was_can_be_told_from_what_is_shown(text: str) -> None:
    assert printable(text).encode("latin-1", "backslashreplace").decode("unicode_escape") == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;ZXZpbA==\a", r"\x1b]52;c;ZXZpbA==\x07"),
        ("\x9b2J\x7f", r"\x9b2J\x7f"),
        ("a\tb\r\nc\x85\u2028\u2029", r"a\tb\r\nc\x85\u2028\u2029"),
        ("gpj\u202e.exe\u2066\u200b\ufeff\xad", r"gpj\u202e.exe\u2066\u200b\ufeff\xad"),
        ("caf\udce9", r"caf\udce9"),
        ("\U000e0041", r"\U000e0041"),
        ("Zürich 東京\u3000大阪, 5\xa0€ 👍", "Zürich 東京\u3000大阪, 5\xa0€ 👍"),
        ("C:\\new", "C:\\new"),
    ],
)
def test_escapes_are_those_of_python_and_words_of_any_script_stay(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_of_several_lines_none_but_the_first_begins_at_the_margin() -> None:
    assert printable_lines("a\x1b\n2026-01-01 all is well\n\tat b\r") == [
        r"a\x1b", "  2026-01-01 all is well", r"    at b\r",
    ]  # fmt: skip


@given(st.text(ANY), st.lists(st.text(ANY), max_size=3))
def test_an_error_is_a_line_and_its_details_are_lines_below_it(message: str, details: list[str]) -> None:
    first, *others = str(SourceError(message, details)).split("\n")
    assert first == printable(message)
    assert len(others) == len(details)
    assert all(line.startswith("  ") and not unseen(line) for line in others)


def test_an_error_keeps_its_details_where_another_process_raises_it() -> None:
    again = pickle.loads(pickle.dumps(SourceError("a\n", ["b"])))  # noqa: S301 - made a moment ago
    assert (type(again), str(again)) == (SourceError, "a\\n\n  b")
    assert str(LakehouseError()) == ""


def test_problems_are_listed_below_one_another() -> None:
    assert str(DeclarationError(["a\nb", "c"])).split("\n") == [
        "2 problem(s) in the declared tables:", r"  1. a\nb", "  2. c",
    ]  # fmt: skip
