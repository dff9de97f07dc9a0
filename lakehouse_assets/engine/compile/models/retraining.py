"""A domain's sensor for models whose rows have drifted, or whose scores have got worse: it has them trained anew.

Dagster's automation conditions look at the checks of an asset and of what it reads, not of what reads it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from lakehouse_assets.engine.compile.checks import last_verdict
from lakehouse_assets.engine.compile.in_flight import LAKE_TAG
from lakehouse_assets.engine.compile.models.watch_checks import JUDGED_AT, MODEL_VERSION
from lakehouse_assets.engine.compile.names import asset_key, op_name
from lakehouse_assets.engine.compile.sensors import Decision, Waiting, Watch, by_table, downstream, lake_sensor, one_run
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.registry.versions import versions
from lakehouse_assets.engine.spec.models.model import Model
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from lakehouse_assets.private.dagster import Job

RUN_TAG = "lakehouse/retraining"
TICK_SECONDS = 300
# A model is trained for this at most so often: where training doesn't help, each new evaluation would ask for another.
LEAST_AGE = timedelta(days=1)


def retraining_sensor(name: str, lakehouse: Lakehouse, job: Job) -> dg.SensorDefinition | None:
    """The sensor of a domain; None where no model is declared with `retrain_on_drift`."""
    models = [it for it in lakehouse.models.values() if it.domain == name and it.retrain_on_drift]
    if not models:
        return None
    tables = {it.key: [t for t in lakehouse.tables.values() if t.score and t.score.key == it.key] for it in models}
    doc = f"Trains the models of {name} anew whose check `drift` or `quality` is broken."

    def decide(context: dg.SensorEvaluationContext, lake: Lake) -> Decision:
        def request(waiting: Waiting) -> dg.RunRequest:
            return _request([it for it in models if it.key in waiting], lakehouse, tags)

        tags = {RUN_TAG: name, LAKE_TAG: lake.root}
        look = _looking(context, models, tables, lake)
        return one_run(context, Watch("broken checks", tags, look, request))

    return lake_sensor(f"{name}_retraining", job, TICK_SECONDS, doc, decide)


def _looking(
    context: dg.SensorEvaluationContext, models: Sequence[Model], tables: Mapping[str, Sequence[Table]], lake: Lake
) -> Any:
    def reasons(model: Model) -> list[Any]:
        broken = [found for table in tables[model.key] for found in _broken(table, context.instance)]
        newest = next(iter(versions(lake.registry, model.key)), None) if broken else None
        if newest is None or time.time() - newest.created < min(model.every, LEAST_AGE).total_seconds():
            return []
        return [it for it in broken if it[1] > newest.created]

    return lambda: by_table(context, models, reasons)


def _broken(table: Table, instance: dg.DagsterInstance) -> list[tuple[str, float]]:
    """The checks of a table of scores whose newest evaluation failed, and when it was made."""
    found = list[tuple[str, float]]()
    for name in table.score.watched if table.score else ():
        last = last_verdict(dg.AssetCheckKey(asset_key(table.key), name), instance)
        # Without a version nothing could be judged, which no training mends.
        if last and not last.passed and last.metadata[MODEL_VERSION].value:
            found.append((f"{table.key}: {name}", float(str(last.metadata[JUDGED_AT].value))))
    return found


def _request(models: Sequence[Model], lakehouse: Lakehouse, tags: Mapping[str, str]) -> dg.RunRequest:
    """A run that trains these models whatever their inputs, and then all that is made from them."""
    return dg.RunRequest(
        asset_selection=downstream(models, lakehouse),
        run_config={"ops": {op_name(it.key): {"config": {"full_refresh": True}} for it in models}},
        tags=dict(tags),
    )
