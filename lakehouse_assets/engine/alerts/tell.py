"""The alerts of a table after a run: which episodes begin or are over, and whom to tell.

It's done after each run, also after one with nothing to do: so what a run that was killed has left undone is made up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from lakehouse_assets.engine.alerts.deliver import Told, deliver
from lakehouse_assets.engine.alerts.episodes import Standing, changes
from lakehouse_assets.engine.alerts.judge import met
from lakehouse_assets.engine.alerts.outbox import Entry, Outbox, judge
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.spec.table import Table


def tell_alerts(table: Table, context: Context) -> Told | None:
    """Judge the alerts of a table as it is stored, unless that was done at its version, and send what waits.

    None for a table without alerts, and for one that isn't built.

    Raises:
        WriteFailed: a condition can't be judged on these rows.
        WriteConflict: other runs kept judging them first.
        SparkUnavailable: a condition takes Spark, and no engine could be reached or started.
    """
    log = read_log(context.lake.table(table.key)) if table.alerts else None
    if log is None:
        return None

    def look(outbox: Outbox) -> tuple[Sequence[Entry], Mapping[str, int]] | None:
        # A table that is dropped and made anew counts its versions from zero; so do alerts that are declared anew.
        judged = {f"{table.key}/{log.id}/{_declared(table)}": log.version + 1}
        if all(outbox.last(app) >= number for app, number in judged.items()):
            return None
        return [*changes(outbox.unfinished().open, _standing(table, log, context))], judged

    return deliver(judge(context.lake.alerts(table.key), table.key, look), table.key)


def _standing(table: Table, log: TableLog, context: Context) -> Standing:
    channels = {alert.name: alert.to for alert in table.alerts}
    return Standing(channels, met(table, log, context), datetime.now(UTC), log.version)


def _declared(table: Table) -> str:
    return hashlib.sha256(repr(table.alerts).encode()).hexdigest()[:12]
