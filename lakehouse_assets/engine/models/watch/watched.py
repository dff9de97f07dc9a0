"""What was found by watching a model, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Watched:
    """What a check of a table of scores found: in words, and in `figures` by name, which MLflow gets too.

    `columns` and `rows` are a table for people, `picture` a PNG as base64. `version` is that of the model, 0 where
    nothing could be judged, and `at` when it was, in seconds since 1970.
    """

    name: str
    passed: bool
    told: str
    version: int = 0
    at: float = 0
    figures: dict[str, float] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    picture: str = ""
