"""A domain's sensor for notices: it notes what is wrong, each thing once, and sends what waits, also of alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg

from lakehouse_assets.engine.alerts.deliver import Told, deliver
from lakehouse_assets.engine.alerts.episodes import Standing, changes
from lakehouse_assets.engine.alerts.outbox import Entry, Outbox, judge, read_outbox
from lakehouse_assets.engine.compile.events import log_alerts
from lakehouse_assets.engine.compile.notices.found import (
    CHECK_FAILS,
    RUN_FAILED,
    STALE,
    failed_runs,
    failing_checks,
    stale_tables,
)
from lakehouse_assets.engine.compile.sensors import lake_sensor
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.places import Lake

TICK_SECONDS = 30
# A run that failed before the sensor first looked is told of if it's no older; later on, a pause may be so long.
BEFORE, LONGEST_PAUSE = timedelta(hours=1), timedelta(days=7)


def notices_sensor(name: str, lakehouse: Lakehouse) -> dg.SensorDefinition | None:
    """The sensor of a domain; None where nobody is to be told of anything."""
    if not lakehouse.domains[name].notify and not _alerting(name, lakehouse):
        return None

    doc = f"Tells people of what is wrong in {name}, and sends what waits of its alerts."
    return lake_sensor(
        f"{name}_notices", None, TICK_SECONDS, doc, lambda context, lake: evaluate(context, name, lakehouse, lake)
    )


def evaluate(context: dg.SensorEvaluationContext, name: str, lakehouse: Lakehouse, lake: Lake) -> dg.SkipReason:
    """One tick. An outbox that can't be read is told of, and keeps no other waiting.

    Raises:
        LakehouseError: none of them can be read.
    """
    told, failed = list[Told](), list[LakehouseError]()
    for attempt in _attempts(context.instance, name, lakehouse, lake):
        try:
            told += filter(None, [attempt()])
        except LakehouseError as error:
            context.log.error(str(error))
            failed.append(error)
    if failed and not told:
        raise failed[0]
    for it in told:
        log_alerts(it, context.log)
    return dg.SkipReason(f"messages sent: {sum(it.sent for it in told)}, waiting: {sum(it.waiting for it in told)}")


def _attempts(
    instance: dg.DagsterInstance, name: str, lakehouse: Lakehouse, lake: Lake
) -> Iterator[Callable[[], Told | None]]:
    if lakehouse.domains[name].notify:
        yield lambda: deliver(judge(lake.notices(name), name, _looking(instance, name, lakehouse)), name)
    for key in _alerting(name, lakehouse):
        yield lambda key=key: _of_table(key, lake)  # type: ignore[misc]


def _alerting(name: str, lakehouse: Lakehouse) -> list[str]:
    return [key for key, table in lakehouse.tables.items() if table.domain == name and table.alerts]


def _of_table(key: str, lake: Lake) -> Told | None:
    outbox = read_outbox(lake.alerts(key))
    return deliver(outbox, key) if outbox else None


def _looking(
    instance: dg.DagsterInstance, name: str, lakehouse: Lakehouse
) -> Callable[[Outbox], tuple[Sequence[Entry], Mapping[str, int]] | None]:
    tables = [table for table in lakehouse.runnable.values() if table.domain == name]

    def look(outbox: Outbox) -> tuple[Sequence[Entry], Mapping[str, int]] | None:
        now = datetime.now(UTC)
        channels = dict.fromkeys((RUN_FAILED, CHECK_FAILS, STALE), lakehouse.domains[name].notify)
        wrong = {**failing_checks(instance, tables), **stale_tables(instance, tables, lakehouse)}
        before = outbox.keys(RUN_FAILED)
        runs = {it: why for it, why in failed_runs(instance, name, _since(outbox, now)).items() if it[1] not in before}
        found = [*changes(outbox.unfinished().open, Standing(channels, wrong, now, 0))]
        found += [it for begun in changes([], Standing(channels, runs, now, 0)) for it in _at_once_over(begun)]
        return (found, {}) if found else None

    return look


def _since(outbox: Outbox, now: datetime) -> datetime:
    made = datetime.fromtimestamp((outbox.table.metadata().created_time or 0) / 1000, UTC)
    return max(made - BEFORE, now - LONGEST_PAUSE)


def _at_once_over(begun: Entry) -> list[Entry]:
    """A run that failed stays so: it's told of, and that it's over isn't."""
    return [begun, replace(begun, state="cleared"), replace(begun, state="sent", sent="cleared")]
