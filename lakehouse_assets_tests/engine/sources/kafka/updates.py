"""A table of a topic, `bronze.updates`, and numbered messages."""

from __future__ import annotations

from lakehouse_assets_tests.project import Project


def declare(project: Project, topic: str) -> None:
    project.table("bronze.updates", f'updates = kafka("{topic}")')


def values(project: Project) -> list[bytes | None]:
    return sorted((row[0] for row in project.rows("bronze.updates", "value")), key=lambda v: v or b"")


def numbered(first: int, last: int) -> list[str]:
    return [f"m{n:05}" for n in range(first, last)]


def stored(first: int, last: int) -> list[bytes]:
    return [text.encode() for text in numbered(first, last)]
