"""Any text comes out of Markdown as the text that it was, by another implementation than the UI's, which a browser
shows in serve/test_live_text.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from lakehouse_assets.engine.markdown import as_code, as_table, as_text
from lakehouse_assets.engine.printable import printable

MARKS = [*"\\`*_{}[]()<>#+-=.!|~&:;\"'$^@/ \t\n", "![", "](", "]: ", "``", "```", "~~", "---", "===", "&#33;", "&lt;",
         "http://", "https://a.example/", "www.a.example", "a@b.example", "<img src=x>", "<!--", "[^1]", "- [x] ",
         "1. ", "12) ", "    ", "|-|", ":-", "a", "B7", "ä", "\x1b[2J", "\u202e"]  # fmt: skip
# This implementation takes other spaces than ours away at the ends of a paragraph, which Markdown doesn't.
OTHERS = st.text(st.characters(exclude_categories=["Zs"]), max_size=3)
TEXTS = st.lists(st.sampled_from(MARKS) | OTHERS, max_size=9).map("".join)
KNOWN = ["*a* **b**", "_a_ __b__ a_b_", "~~a~~ ~b~", "[a](b)", "[a]: b", "# a", "> a", "- a", "- - -", "1. a", "2) a",
         "`a`", "a\\", "\\|", "a|b", "<b>a</b>", "<!-- a -->", "&lt;&#33;", "AT&T", "a\nb", "![x](http://127.0.0.1/x.png)",
         "[x](javascript:alert(1))", "http://a|b\\|c`d``e", "www.a.example", "a@b.example", "    a", "---"]  # fmt: skip
# Where the UI looks for links once escapes are read: mdast-util-gfm-autolink-literal 1.0.
LINKED = re.compile(r"(https?://|www(?=\.))[-.\w]+|[-.\w+]+@[-\w]+(\.[-\w]+)+", re.IGNORECASE)
GFM = MarkdownIt("gfm-like", {"linkify": False})


def blocks(source: str) -> list[str]:
    """The kinds of a document's parts, but not of what is in its lines."""
    return [token.type.removesuffix("_open") for token in GFM.parse(source) if token.nesting >= 0]


def lines(source: str) -> Iterator[str]:
    """The text of each paragraph or cell, which consists of text and code alone; no link would be made of it."""
    for token in GFM.parse(source):
        if token.type == "inline":
            yield "".join(map(content, token.children or []))


def content(token: Token) -> str:
    assert token.type in ("text", "code_inline"), token
    assert token.type == "code_inline" or not LINKED.search(token.content), token
    return token.content


def spaced(text: str) -> str:
    """A text as it's shown: its unseen characters escaped, and several spaces as one."""
    return " ".join(word for word in printable(text).split(" ") if word)


@given(TEXTS)
def test_any_text_is_a_paragraph_of_that_text(text: str) -> None:
    is_a_paragraph(text)


@pytest.mark.parametrize("text", KNOWN)
def test_what_means_something_in_markdown_is_a_paragraph_of_it(text: str) -> None:
    is_a_paragraph(text)


def is_a_paragraph(text: str) -> None:
    source = as_text(text)
    assert "\n" not in source
    assert blocks(source) == (["paragraph", "inline"] if spaced(text) else [])
    assert list(lines(source)) == ([spaced(text)] if spaced(text) else [])


@given(TEXTS, TEXTS)
@example("a", "===")
@example("a", "---")
@example("a|b", "-|-")
@example("a|b", "|-|-|")
@example("a|b", ":-|-")
def test_two_lines_of_text_are_no_heading_and_no_table(one: str, other: str) -> None:
    assert set(blocks(f"a {as_text(one)}\n{as_text(other)}")) <= {"paragraph", "inline"}


@given(TEXTS, TEXTS)
@example("a\nb", "# c")
def test_any_text_is_an_item_of_a_list_in_code_or_not(one: str, other: str) -> None:
    source = f"- {as_code(one)}: {as_text(other)}"
    assert blocks(source) == ["bullet_list", "list_item", "paragraph", "inline"]
    (line,) = lines(source)
    assert spaced(line) == spaced(f"{one if printable(one).strip(' ') else ''}: {other}")


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(TEXTS, min_size=n, max_size=n), min_size=1, max_size=4)))
@example([[text, f"{text}|"] for text in KNOWN])
def test_any_texts_are_the_cells_of_a_table(rows: list[list[str]]) -> None:
    source = as_table(rows[0], rows[1:])
    kinds = blocks(source)
    assert (kinds[0], kinds.count("tr"), kinds.count("paragraph")) == ("table", len(rows), 0)
    assert [*lines(source)] == [spaced(cell) for row in rows for cell in row]


@pytest.mark.parametrize(
    "text", ["2013-02-12 05:15:00+00:00", "-7", "1.5", "wind_speed_mph", 'it\'s 50 % (or so), "done"!', "東京 é"]
)
def test_plain_values_stay_legible_in_the_source(text: str) -> None:
    assert as_text(text) == text
    assert as_table([text], [[text]]).split("\n")[2] == f"| {text} |"
