"""A domain's sensor for arrivals: it decides when to run; the ledger of each table decides which files, and the last
commit of one of messages which of those.

What it shares with other sensors: one run for all that waits, and longer and longer pauses while it fails.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg

from lakehouse_assets.engine.compile.cursor import Cursor, read_cursor
from lakehouse_assets.engine.compile.in_flight import LAKE_TAG, is_under_way
from lakehouse_assets.engine.compile.names import asset_key
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Asset, Lakehouse
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.spec.inputs import Topic
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from lakehouse_assets.private.dagster import Job

TICK_SECONDS = 30
# Where folders are dated, a tick looks at yesterday's and today's, and tomorrow's for clocks that are ahead.
RECENT_DAYS = (-1, 0, 1)
RECONCILE_SECONDS = 3600
RUN_TAG = "lakehouse/arrivals"

Looked = TypeVar("Looked", bound=Asset)
# By table or model, what waits for a run.
Waiting = Mapping[str, Sequence[Any]]
Decision = dg.SensorResult | dg.SkipReason
Decide = Callable[[dg.SensorEvaluationContext, Lake], Decision]
Notified = Callable[[], object]


@dataclass(frozen=True)
class Fed:
    """The tables of a domain that files arrive for, and all that are made from them."""

    domain: str
    tables: Sequence[Table]
    reached: Sequence[dg.AssetKey]


@dataclass(frozen=True)
class Watch:
    """What a sensor looks for: what it's called, the tags of the runs for it, what waits, and a run for that.

    `whole` says that `look` looks at everything.
    """

    what: str
    tags: Mapping[str, str]
    look: Callable[[], Waiting]
    request: Callable[[Waiting], dg.RunRequest]
    whole: bool = True


def arrivals_sensor(name: str, lakehouse: Lakehouse, job: Job) -> dg.SensorDefinition | None:
    """The sensor of a domain, which runs part of its job; None where no table has a source."""
    topics = [(t, topic) for t, topic in lakehouse.topic_tables() if t.domain == name and not topic.continuous]
    tables = [*(t for t, _ in lakehouse.source_tables() if t.domain == name), *(t for t, _ in topics)]
    if not tables:
        return None
    fed = Fed(name, tables, downstream(tables, lakehouse))
    doc = f"Runs the tables of {name} when files or messages have arrived that no run has read yet."
    often = min((round(topic.every.total_seconds()) for _, topic in topics), default=TICK_SECONDS)
    return lake_sensor(
        f"{name}_arrivals",
        job,
        min(TICK_SECONDS, often),
        doc,
        lambda context, lake: evaluate(context, fed, lake, _notifications(context, lakehouse, lake)),
    )


def _notifications(context: dg.SensorEvaluationContext, lakehouse: Lakehouse, lake: Lake) -> Notified | None:
    """What takes down the notifications that wait, for tables of all domains; None if there is no queue."""
    from lakehouse_assets.engine.sources.arrivals.notifications import drain

    queues, tables = context.resources.lake.queues(), [table for table, _ in lakehouse.source_tables()]

    def take_down() -> None:
        for why in drain(queues, tables, lake).failed:
            context.log.error(why)

    return queues and take_down


def lake_sensor(name: str, job: Job | str | None, seconds: int, doc: str, decide: Decide) -> dg.SensorDefinition:
    """A sensor that looks at the lake, and is on by itself; of a job that isn't one of assets, by its name. Without a
    job it asks for no run.
    """

    @dg.sensor(
        name=name,
        job=None if isinstance(job, str) else job,
        job_name=job if isinstance(job, str) else None,
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"lake"},
        description=doc,
    )
    def sensor(context: dg.SensorEvaluationContext) -> Decision:
        return decide(context, context.resources.lake.lake())

    return sensor


def downstream(tables: Sequence[Asset], lakehouse: Lakehouse) -> list[dg.AssetKey]:
    """The tables or models, and all of their domain that is made from them, with the sinks."""
    own = {key for key in lakehouse.worked_on if lakehouse.assets[key].domain == tables[0].domain}
    return [*map(asset_key, lakehouse.downstream([t.key for t in tables], own))]


def evaluate(context: dg.SensorEvaluationContext, fed: Fed, lake: Lake, notified: Notified | None = None) -> Decision:
    """One tick: at most one run, for all the files that wait. `notified` takes down what the queue tells of."""
    now = datetime.fromtimestamp(time.time(), UTC)
    # A time to come was taken down by a clock that was ahead, and would keep this from its hour.
    whole = not 0 <= now.timestamp() - read_cursor(context.cursor).listed < RECONCILE_SECONDS
    days = () if whole else tuple(now.date() + timedelta(days=d) for d in RECENT_DAYS)

    def look() -> Waiting:
        if notified:
            notified()
        return by_table(context, fed.tables, lambda t: pending(t, lake, days, listed=whole or not notified))

    def request(waiting: Waiting) -> dg.RunRequest:
        counts = ", ".join(f"{key}: {len(files)}" for key, files in waiting.items())
        return dg.RunRequest(asset_selection=fed.reached, tags={**tags, "lakehouse/waiting": counts[:200]})

    tags = {RUN_TAG: fed.domain, LAKE_TAG: lake.root}
    what = " or ".join(sorted({"messages" if table.topic else "files" for table in fed.tables}))
    return one_run(context, Watch(what, tags, look, request, whole))


def one_run(context: dg.SensorEvaluationContext, watch: Watch) -> Decision:
    """A run for all that waits, unless one with the tags is under way, or one for the same failed a moment ago."""
    if is_under_way(context.instance, watch.tags):
        return dg.SkipReason(f"a run for earlier {watch.what} is still under way")
    waiting = {key: found for key, found in watch.look().items() if found}
    now, cursor = time.time(), read_cursor(context.cursor)
    cursor = replace(cursor, listed=now if watch.whole else cursor.listed)
    digest = hashlib.sha256(json.dumps(waiting, sort_keys=True).encode()).hexdigest()[:16]
    pause = cursor.wait(digest, now)
    if not waiting or pause:
        why = f"a run for these {watch.what} didn't end well; they're tried again in {pause:.0f} s"
        return dg.SensorResult(skip_reason=why if waiting else f"no new {watch.what}", cursor=cursor.text())
    tries = cursor.tries + 1 if digest == cursor.digest else 1
    new = Cursor(digest, now, tries, cursor.listed)
    return dg.SensorResult(run_requests=[watch.request(waiting)], cursor=new.text())


def _messages(table: Table, topic: Topic, lake: Lake) -> list[tuple[str, str]]:
    """The partitions that have messages, each with the offset that is read next: a run that fails leaves it as it was.

    None where it isn't said where the topic is, and until it's time, which is counted from the last commit.
    """
    from lakehouse_assets.engine.sources.kafka.connection import unset
    from lakehouse_assets.engine.sources.kafka.position import lag, require_there
    from lakehouse_assets.engine.sources.kafka.topic import standing

    log = read_log(lake.table(table.key))
    if unset(topic.connection):
        return []
    if log and time.time() - log.table.history(1)[0]["timestamp"] / 1000 < topic.every.total_seconds():
        return []
    now = standing(topic)
    require_there(table, log, now)
    return [(f"{topic.name}/{partition}", str(begin)) for partition, (begin, _) in sorted(lag(table, log, now).items())]


def by_table(
    context: dg.SensorEvaluationContext, tables: Sequence[Looked], look: Callable[[Looked], Sequence[Any]]
) -> Waiting:
    """What waits, by table or model. One that can't be looked at is told of, and doesn't keep the others waiting.

    Raises:
        LakehouseError: none of them can be looked at.
    """
    found, failed = dict[str, Sequence[Any]](), list[LakehouseError]()
    for table in tables:
        try:
            found[table.key] = look(table)
        except LakehouseError as error:
            context.log.error(f"{table.key} is left out: {error}")
            failed.append(error)
    if failed and not found:
        raise failed[0]
    return found


def pending(table: Table, lake: Lake, days: Sequence[date] = (), *, listed: bool = True) -> list[tuple[str, str]]:
    """Path and etag of the files that no run has read: those of an open batch, those that a notification told of, and,
    if they're `listed`, those in the folders of some days or in all. Of a topic, the partitions with new messages.
    """
    if table.topic is not None:
        return _messages(table, table.topic, lake)
    from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
    from lakehouse_assets.engine.sources.arrivals.listing import list_arrivals

    assert table.source is not None  # noqa: S101  (only tables with a source come here)
    state = Ledger(lake.arrivals(table.key), lake.storage).state()
    _, unfinished = state.open_batch() or (0, [])
    fresh = list_arrivals(table.source, lake.landing_folder(table.domain), state.settled(), days) if listed else []
    return list({(f.path, f.etag): None for f in (*unfinished, *state.announced(), *fresh)})
