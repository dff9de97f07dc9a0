"""What a run does to a model: what was left undone is done, then it's trained if there is reason to, and told of."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import TooFewRows
from lakehouse_assets.engine.models.tracking import wait_for_more
from lakehouse_assets.engine.models.train import Trained, recover, train
from lakehouse_assets.engine.plan.models import ModelPlan, as_read, at_versions_of, plan_model
from lakehouse_assets.engine.plan.plan import Logs
from lakehouse_assets.engine.plan.read import recorded
from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets.engine.registry.versions import PASSED, WHY, champion, version, versions
from lakehouse_assets.engine.run.report import ModelReport, Position, Report
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.engine.spec.models.model import Model


def materialize_model(model: Model, request: Request, context: Context) -> Report:
    """Train a model if there is reason to, let the gate decide, and report both.

    Raises:
        TrainingFailed: it couldn't be trained; the champion is as it was.
        RegistryUnavailable: MLflow refused or didn't answer.
        LakehouseError: its rows can't be read.
    """
    start, store, logs = time.monotonic(), context.lake.registry, Logs(context.lake)
    recovered = recover(model, store)
    if request.like is not None:
        like = version(store, model.key, request.like)
        plan = at_versions_of(model, like, context.lakehouse, logs)
    else:
        plan = plan_model(model, context.lakehouse, logs, store, request.full)
    trained = None
    if plan.strategy == "train" and not request.only_checks:
        try:
            trained = train(plan, context, store)
        except TooFewRows as error:
            if request.full or versions(store, model.key):
                raise
            wait_for_more(store, model.key, as_read(model, plan.reads))
            plan = replace(plan, strategy="nothing", reason=str(error))
    positions = {key: Position(it["to"], None, it["id"]) for key, it in recorded(plan.reads).items()}
    told = _told(plan, trained, recovered, store)
    strategy = "checks" if request.only_checks else plan.strategy
    return Report(model.key, strategy, plan.reason, time.monotonic() - start, positions, model=told)


def _told(plan: ModelPlan, trained: Trained | None, recovered: Sequence[str], store: ModelStore) -> ModelReport:
    now = champion(store, plan.model.key)
    name, number = store.name(plan.model.key), now.number if now else None
    if trained is None:
        return ModelReport(name, number, recovered=tuple(recovered))
    made = trained.version
    return ModelReport(
        name, number, made.number, made.run_id, trained.alias, made.tags[PASSED] == "true", made.tags[WHY],
        trained.metrics, trained.champion, {key: str(value) for key, value in trained.params.items()}, trained.rows,
        {key: b64encode(png).decode() for key, png in trained.pictures.items()}, tuple(recovered),
    )  # fmt: skip
