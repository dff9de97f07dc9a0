"""The continuous run of a domain: one run that loops over its tables for an hour, and a sensor that keeps one alive.

(Dagster reads the annotations of a step as values, so they aren't postponed here.)
"""

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import dagster as dg

from lakehouse_assets.engine.compile.checks import evaluation
from lakehouse_assets.engine.compile.events import judged, log_alerts
from lakehouse_assets.engine.compile.in_flight import LAKE_TAG
from lakehouse_assets.engine.compile.metadata import run_metadata
from lakehouse_assets.engine.compile.names import asset_key
from lakehouse_assets.engine.compile.sensors import Decision, Waiting, Watch, lake_sensor, one_run
from lakehouse_assets.engine.compile.sinks.assets import sink_metadata
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.printable import printable
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets.engine.sources.kafka.connection import unset

if TYPE_CHECKING:
    from lakehouse_assets.engine.run.live import Live, Tell

RUN_TAG = "lakehouse/live"
TICK_SECONDS = 10
# A run ends by itself, so that its log doesn't grow for ever and new code is taken up; the sensor starts the next.
RUN_SECONDS = 3600
# Dagster is told of a table no more often than that, unless it begins or ceases to fail, or a check begins to.
TELL_SECONDS = 60


def live_jobs(lakehouse: Lakehouse) -> list[dg.JobDefinition]:
    """The continuous run of each domain that has such a topic."""
    continuous = {t.domain for t, topic in lakehouse.topic_tables() if topic.continuous}
    return [_job(name, lakehouse) for name in lakehouse.domains if name in continuous]


def live_sensor(job: dg.JobDefinition, lakehouse: Lakehouse) -> dg.SensorDefinition:
    """Keeps one such run alive; one that fails is started again after longer and longer pauses.

    There is none while it isn't said where its topics are.
    """
    domain = job.name.removesuffix("_live")
    connections = {to.connection for t, to in lakehouse.topic_tables() if t.domain == domain and to.continuous}

    def decide(context: dg.SensorEvaluationContext, lake: Lake) -> Decision:
        off = sorted(filter(None, map(unset, connections)))
        if len(off) == len(connections):
            return dg.SkipReason(f"{' and '.join(off)} isn't set, so nothing is read")
        tags = {RUN_TAG: domain, LAKE_TAG: lake.root}

        def look() -> Waiting:
            # So a run that has ended well, as each does after an hour, is followed by another at once.
            return {job.name: [_ended_well(context.instance, tags)]}

        return one_run(context, Watch("messages", tags, look, lambda _: dg.RunRequest(tags=tags)))

    doc = f"Keeps the continuous run of {domain} alive."
    return lake_sensor(job.name, job.name, TICK_SECONDS, doc, decide)


def _ended_well(instance: dg.DagsterInstance, tags: dict[str, str]) -> int:
    """How many runs have ended well: a new number is no repetition of what failed."""
    return instance.get_runs_count(dg.RunsFilter(tags=tags, statuses=[dg.DagsterRunStatus.SUCCESS]))


def _job(name: str, lakehouse: Lakehouse) -> dg.JobDefinition:
    @dg.op(name=f"{name}_live_tables", required_resource_keys={"spark", "lake"}, out=dg.Out(dg.Nothing))
    def loop(context: dg.OpExecutionContext) -> None:
        """Messages as they come, and the tables that are made of them."""
        from lakehouse_assets.engine.run.live import Live, run_live

        resources, until = context.resources, time.monotonic() + RUN_SECONDS
        works_with = Context(lakehouse, resources.lake.lake(), resources.spark.session)
        live = Live.of(name, lakehouse)
        tell = _telling(live, lakehouse, context)
        try:
            run_live(live, works_with, tell, lambda: time.monotonic() < until)
        except dg.DagsterExecutionInterruptedError:
            resources.spark.interrupt()  # else it goes on by itself, and commits
            raise

    @dg.job(name=f"{name}_live", description=f"The tables of {name} that messages lead to, as these come.")
    def job() -> None:
        loop()

    return job


def _telling(live: "Live", lakehouse: Lakehouse, context: dg.OpExecutionContext) -> "Tell":
    """What tells Dagster of a table: its materialisation and checks at most once a minute, and each failure."""
    told, taken, failing = dict[str, float](), Counter[str](), defaultdict[str, set[str | None]](set)

    def tell(key: str, found: Report | LakehouseError) -> None:
        if isinstance(found, LakehouseError):
            told.pop(key, None)  # so that it's told of as soon as it works again
            context.log.error(printable(f"{key} failed, and is tried again: {found}"))
            return
        log_alerts(found.alerts, context.log)
        if found.strategy == "nothing":
            return
        taken[key] += found.taken
        checks = judged(lakehouse.tables[key], found) if found.written else []
        broken = {check.check_name for check in checks if not check.passed}
        if broken <= failing[key] and time.monotonic() - told.get(key, -TELL_SECONDS) < TELL_SECONDS:
            return
        told[key], failing[key] = time.monotonic(), broken
        of_run = sink_metadata(found) if found.sink else run_metadata(lakehouse.tables[key], found)
        latency = live.latency(key)
        metadata = {
            **of_run,
            "rows_since_it_was_told": taken.pop(key, 0),
            **({} if latency is None else {"latency_seconds": round(latency, 2)}),
        }
        context.log_event(dg.AssetMaterialization(asset_key(key), metadata=metadata))
        for check in checks:
            context.log_event(evaluation(check))  # type: ignore[arg-type]  # which it takes too

    return tell
