"""Decides whether a model is to be trained: from the registry and the logs of what it reads, without a JVM."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.plan.plan import Logs, Read
from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets.engine.registry.versions import CODE, Version, versions, waiting
from lakehouse_assets.engine.spec.models.model import Model


@dataclass(frozen=True)
class ModelPlan:
    """What a run would do to a model, and why; `reads` are its inputs at the versions that it'd be trained on.

    `first` says that what it reads isn't built yet.
    """

    model: Model
    strategy: Literal["train", "nothing", "refused"]
    reason: str
    reads: Mapping[str, Read] = field(default_factory=dict)
    first: bool = False

    @property
    def key(self) -> str:
        return self.model.key


def plan_model(model: Model, lakehouse: Lakehouse, logs: Logs, store: ModelStore, full: bool = False) -> ModelPlan:
    """A plan against its inputs as they stand. It's trained for good reason, or if a person asks for it by `full`."""
    upstreams = lakehouse.upstreams(model)
    missing = [key for key in upstreams.values() if logs.table(key) is None]
    if missing:
        return ModelPlan(model, "nothing", f"{', '.join(missing)} not built yet", first=True)
    reads = {p: _read(key, p, model, logs) for p, key in upstreams.items()}
    if full:
        return ModelPlan(model, "train", "a training was asked for", reads)
    last = next(iter(versions(store, model.key)), None)
    if last is None and waiting(store, model.key) == as_read(model, reads):
        return ModelPlan(model, "nothing", "there were too few rows to train it, and none has come", reads)
    why, strategy = _why(model, last, reads, logs)
    return ModelPlan(model, strategy, why, reads)


def foreseen(plan: ModelPlan, names: str) -> ModelPlan:
    """The plan once the inputs of these names have changed in the same run."""
    if plan.strategy != "nothing":
        return plan
    if plan.first:
        return replace(plan, strategy="train", reason=f"first training, after {names}")
    return replace(plan, reason=f"{names} will change; {plan.reason}")


def at_versions_of(model: Model, it: Version, lakehouse: Lakehouse, logs: Logs) -> ModelPlan:
    """A plan to train on what a version was trained on."""
    upstreams = lakehouse.upstreams(model)
    reads = {
        p: Read(key, logs.lake.table(key), it.read[key]["id"], it.read[key]["to"], model.upstreams[p])
        for p, key in upstreams.items()
    }
    return ModelPlan(model, "train", f"on the versions that version {it.number} was trained on", reads)


def as_read(model: Model, reads: Mapping[str, Read]) -> str:
    """What a training reads, and what decides what is learnt from it, as text."""
    return json.dumps([model.code_version, {read.key: [read.id, read.to] for read in reads.values()}], sort_keys=True)


def _read(key: str, parameter: str, model: Model, logs: Logs) -> Read:
    log = logs.table(key)
    assert log is not None  # noqa: S101  (the caller looked)
    return Read(key, logs.lake.table(key), log.id, log.version, model.upstreams[parameter])


def _why(
    model: Model, last: Version | None, reads: Mapping[str, Read], logs: Logs
) -> tuple[str, Literal["train", "nothing"]]:
    if last is None:
        return "first training", "train"
    if last.tags.get(CODE) != model.code_version:
        return "the declaration changed", "train"
    moved = [read.key for read in reads.values() if _moved(last, read, logs)]
    if not moved:
        return f"nothing that version {last.number} learnt from has changed", "nothing"
    due = last.created + model.every.total_seconds() - time.time()
    if due > 0:
        return (
            f"{', '.join(moved)} changed; it's trained {_span(model.every.total_seconds())} after the last time",
            "nothing",
        )
    return f"{', '.join(moved)} changed", "train"


def _moved(last: Version, read: Read, logs: Logs) -> bool:
    seen, log = last.read.get(read.key), logs.table(read.key)
    return seen is None or seen["id"] != read.id or (log is not None and log.last_change > seen["to"])


def _span(seconds: float) -> str:
    days = seconds / 86_400
    return f"{days:g} days" if days >= 1 else f"{seconds / 3600:g} hours"
