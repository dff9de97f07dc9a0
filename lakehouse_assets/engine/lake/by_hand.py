"""What someone else did to a table, or to what is kept beside it, told by the logs: so it's noticed, not built upon.

A RESTORE, an UPDATE, a DELETE or a write by hand leaves a table other than its runs made it. Delta keeps the
transactions of what a RESTORE undoes, so that the same step would be skipped as a repeat: such a table is made anew.
"""

from __future__ import annotations

from lakehouse_assets.engine.lake.delta_commits import Commit
from lakehouse_assets.engine.lake.delta_log import TableLog
from lakehouse_assets.engine.spec.table import Table


def changed_by_hand(table: Table, own: TableLog, kept: TableLog | None, known: TableLog | None) -> str | None:
    """How the table isn't what our runs made it, nor its quarantine (`kept`) or its state (`known`); None if it is."""
    if own.by_hand:
        return _told("it", own.by_hand)
    if known and known.tampered:
        return _told("its state", known.tampered)
    return quarantine_changed(table, own, kept)


def quarantine_changed(table: Table, own: TableLog, kept: TableLog | None) -> str | None:
    """How the quarantine of a table isn't what our runs made it, or that it's gone; None if it is."""
    if kept is not None:
        return _told("its quarantine", kept.tampered) if kept.tampered else None
    # The last run may not have come to it.
    written = any(run.get("rules") == table.expectations_version for run in own.earlier_runs)
    return "its quarantine is gone" if table.has_quarantine and written else None


def _told(what: str, commit: Commit) -> str:
    return f"{what} was changed by hand ({commit.operation.lower()} at version {commit.version})"
