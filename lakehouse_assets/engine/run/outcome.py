"""What a run did, and how often it's tried where others commit first."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lakehouse_assets.engine.errors import Superseded, WriteConflict
from lakehouse_assets.engine.plan.plan import Plan
from lakehouse_assets.engine.quality.expectation_counts import ExpectationCounts, summed
from lakehouse_assets.engine.query.column_lineage import Lineage
from lakehouse_assets.engine.run.report import StreamReport

ATTEMPTS = 5


@dataclass(frozen=True)
class Outcome:
    """What a run did. `version` is the Delta version it committed, None if it had nothing to do.

    `files` counts the arrivals by what became of them, and those that were put away; `added` are the columns that new
    files brought; `audited` the checks of the whole table that it passed before it was committed; `stream` how far it
    has read a topic.
    """

    plan: Plan
    seconds: float
    version: int | None = None
    counts: ExpectationCounts = field(default_factory=ExpectationCounts)
    lineage: Lineage = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    failed_files: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, str] = field(default_factory=dict)
    audited: frozenset[str] = frozenset()
    stream: StreamReport | None = None


def together(taken: Sequence[Outcome]) -> Outcome:
    """What a run did by several batches of files."""
    if len(taken) == 1:
        return taken[0]
    files = sum(o.plan.files for o in taken)
    plan = replace(taken[-1].plan, reason=f"{files} files in {len(taken)} batches", files=files)
    version = next((o.version for o in reversed(taken) if o.version is not None), None)
    failed = {path: why for o in taken for path, why in o.failed_files.items()}
    added = {name: kind for o in taken for name, kind in o.added.items()}
    counts = sum((Counter(o.files) for o in taken), Counter[str]())
    return Outcome(plan, 0, version, summed([o.counts for o in taken]), {}, counts, failed, added)


def until_committed(attempt: Callable[[], Outcome]) -> Outcome:
    """What an attempt does, made again where another run commits first.

    Raises:
        WriteConflict: others kept committing first.
    """
    start = time.monotonic()
    for _ in range(ATTEMPTS):
        try:
            return replace(attempt(), seconds=time.monotonic() - start)
        except Superseded as superseded:
            last = superseded
    raise WriteConflict(f"{last}; gave up after {ATTEMPTS} attempts. Let the other run end, then run this one again")
