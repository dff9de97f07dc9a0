"""A table of scores is watched: drift of its rows, and quality by the labels that have come.

All is looked at as the table's last run has recorded it: by the version that scored, on the rows that it read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.models.tracking import Run, document, metrics_of, note
from lakehouse_assets.engine.models.watch.drift import drifted, judged_drift, newest, shares_of
from lakehouse_assets.engine.models.watch.live_quality import judged_quality, labelled
from lakehouse_assets.engine.models.watch.watched import Watched
from lakehouse_assets.engine.plan.plan import Read
from lakehouse_assets.engine.plan.read import readable, reads_of, whole_inputs
from lakehouse_assets.engine.registry.versions import Version, version
from lakehouse_assets.engine.scoring.batch import as_features
from lakehouse_assets.engine.scoring.copies import described
from lakehouse_assets.engine.scoring.features import looked_up
from lakehouse_assets.engine.spec.inputs import Upstream
from lakehouse_assets.engine.spec.models.monitor import DRIFT, QUALITY, Drift, Quality
from lakehouse_assets.engine.spec.models.score import SCORE, VERSION, Score
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class _Scored:
    """A table of scores as its last run left it: what that read, and the version that scored."""

    table: Table
    score: Score
    read: Mapping[str, Any]
    by: Version
    step: int
    context: Context

    @property
    def rows(self) -> DataFrame:
        from pyspark.sql import functions as F

        stored = read_rows(self.context.session(), self.context.lake.table(self.table.key), self.step)
        return stored.where(F.col(VERSION) == self.by.number)


def watched(table: Table, context: Context) -> tuple[Watched, ...]:
    """What is found of a table of scores by each check that it declares; nothing of another table.

    What can't be looked at ends no run, as the scores are written: the check is broken and says why.
    """
    score = table.score
    if score is None or not score.watched:
        return ()
    looks: dict[str, Callable[[_Scored], Watched]] = {}
    if drift := score.drift:
        looks[DRIFT] = lambda it: _drift(it, drift)
    if quality := score.quality:
        looks[QUALITY] = lambda it: _quality(it, quality)
    return tuple(_tried(name, look, table, score, context) for name, look in looks.items())


def _tried(name: str, look: Callable[[_Scored], Watched], table: Table, score: Score, context: Context) -> Watched:
    try:
        it = _as_recorded(table, score, context)
        found = look(it)
        figures = {key: value for key, value in found.figures.items() if key != "rows"}
        note(Run(context.lake.registry, it.by.run_id), figures, step=it.step)
        return replace(found, version=it.by.number, at=time.time())
    except LakehouseError as error:
        return Watched(name, False, f"It can't be looked at: {error}", at=time.time())


def _as_recorded(table: Table, score: Score, context: Context) -> _Scored:
    log = read_log(context.lake.table(table.key))
    read = (log.last_run.run if log and log.last_run else None) or {}
    if log is None or score.key not in read.get("read", {}):
        raise LakehouseError(f"Watching {table.key}: its log doesn't say by which version it was scored; run it --full")
    by = version(context.lake.registry, score.key, read["read"][score.key]["to"])
    return _Scored(table, score, read["read"], by, log.version, context)


def _drift(it: _Scored, limit: Drift) -> Watched:
    store, spark = it.context.lake.registry, it.context.session()
    baseline = document(store, it.by.run_id, "baseline.json")
    columns = [name for name in described(store, it.by).columns if name in baseline]
    reads = reads_of(it.read, it.table, it.context)
    with readable(spark, reads.values()):
        inputs, scores = whole_inputs(spark, reads), it.rows
        recent = newest(inputs["rows"], limit)
        if recent is not None:
            inputs, scores = {**inputs, "rows": inputs["rows"].where(recent)}, scores.where(recent)
        rows = looked_up(inputs, it.score.lookups, it.score.tables, it.score.at)
        features = rows.select(*as_features(rows, columns, f"Looking for drift in {it.table.key}").values())
        shares, number = shares_of([(features, columns), (scores.select(SCORE), [SCORE])], baseline)
    return judged_drift(drifted(shares, baseline), number, limit)


def _quality(it: _Scored, quality: Quality) -> Watched:
    context, spark = it.context, it.context.session()
    place = context.lake.table(quality.labels)
    if read_log(place) is None:
        return Watched(QUALITY, True, f"{quality.labels} isn't built yet, so no label is known.", figures={"rows": 0})
    learnt = _learnt(it, quality)
    with readable(spark, [learnt] if learnt else []):
        before = read_rows(spark, learnt.table, learnt.to) if learnt else None
        rows, number = labelled(it.rows, read_rows(spark, place), before, quality)
    held_out = metrics_of(context.lake.registry, it.by.run_id)
    return judged_quality(rows, number, it.score.metrics, held_out, quality)


def _learnt(it: _Scored, quality: Quality) -> Read | None:
    """The table that the version learnt from, as it was then; None where it has another key or label."""
    key, told = it.score.learns, it.by.read.get(it.score.learns)
    place = it.context.lake.table(key)
    log = read_log(place)
    if told is None or log is None or log.id != told["id"] or not {*quality.on, quality.label} <= {*log.columns}:
        return None
    return Read(key, place, told["id"], told["to"], Upstream(key))
