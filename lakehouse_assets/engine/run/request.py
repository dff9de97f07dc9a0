"""What is asked of a run: one table, and what to do to it. It's plain JSON, so a run may be anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Request:
    """A table, by its key, and what to do to it; without more, it takes in what is new.

    `full` rebuilds it, and `accept_loss` is a person's word that rows may go. `replay` judges its quarantine again.
    `forget` takes the rows of a file out, for the `reason` that `user` gave. `days`, the first and the last, are those
    of a backfill. `only_checks` judges the table as it is stored, and writes nothing. `made_since` tells of a table
    that a task has just made which version of it there was before; empty where there was none, or it isn't known.
    `like` is a version of a model, on whose inputs it's to be trained again.
    """

    table: str
    full: bool = False
    accept_loss: bool = False
    replay: bool = False
    forget: str = ""
    reason: str = ""
    user: str = ""
    days: tuple[date, date] | None = None
    only_checks: bool = False
    made_since: str | None = None
    like: int | None = None
