"""The README and the pages of docs/: their blocks of code, their prose, and what they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from lakehouse_assets.settings import PROJECT

DOMAINS = "lakehouse_assets/domains/"
# Code stands for one word of a sentence, however long it is.
CODE = "Code"
_SENTENCE_ENDS = re.compile(r"(?<=[.!?])[\"”)]*\s+(?=[\"“(]?[A-Z0-9])")


@dataclass(frozen=True)
class Block:
    """A block of code: its language, what else stands behind that, and its text."""

    page: str
    language: str
    info: str
    text: str

    @property
    def declares(self) -> str:
        """The file below `domains/` that a Python block is; empty for another block."""
        first = self.text.partition("\n")[0].removeprefix("# ")
        return first.removeprefix(DOMAINS) if first.startswith(DOMAINS) else ""


@dataclass(frozen=True)
class Page:
    """A Markdown file of the project, by its path there."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(PROJECT))

    @cached_property
    def tokens(self) -> list[Token]:
        return MarkdownIt().enable("table").parse(self.path.read_text())

    @property
    def blocks(self) -> list[Block]:
        fences = [t for t in self.tokens if t.type == "fence"]
        return [Block(self.name, *_told(t.info), t.content) for t in fences]

    @property
    def links(self) -> list[str]:
        return [str(c.attrs["href"]) for t in self._inline() for c in t.children or () if c.type == "link_open"] + [
            str(c.attrs["src"]) for t in self._inline() for c in t.children or () if c.type == "image"
        ]

    @property
    def code(self) -> list[str]:
        """What stands as code within lines."""
        return [c.content for t in self._inline() for c in t.children or () if c.type == "code_inline"]

    @property
    def anchors(self) -> set[str]:
        """The headings, as GitHub makes anchors of them."""
        heads = [self.tokens[i + 1].content for i, t in enumerate(self.tokens) if t.type == "heading_open"]
        return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}

    @property
    def sentences(self) -> list[str]:
        """The sentences of paragraphs and lists; headings and tables have none."""
        found = list[str]()
        for before, token in zip([None, *self.tokens], self.tokens, strict=False):
            if token.type == "inline" and before is not None and before.type == "paragraph_open":
                found += [s for s in _SENTENCE_ENDS.split(_plain(token)) if re.search(r"\w", s)]
        return found

    def _inline(self) -> Iterator[Token]:
        return (t for t in self.tokens if t.type == "inline")


def _told(info: str) -> tuple[str, str]:
    language, _, rest = info.strip().partition(" ")
    return language, rest


def _plain(token: Token) -> str:
    parts = {"code_inline": lambda _: CODE, "softbreak": lambda _: " ", "text": lambda t: t.content}
    return "".join(parts[c.type](c) for c in token.children or () if c.type in parts)


PAGES = [
    Page(PROJECT / name)
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", *sorted(map(str, (PROJECT / "docs").rglob("*.md"))))
]
BLOCKS = [block for page in PAGES for block in page.blocks]


def commands() -> list[str]:
    """The lines of all shell blocks, each once, without what is said of them."""
    lines = [line for block in BLOCKS if block.language == "shell" for line in block.text.splitlines()]
    return list(dict.fromkeys(re.sub(r"(^|\s+)#.*", "", line).strip() for line in lines if line.strip()))
