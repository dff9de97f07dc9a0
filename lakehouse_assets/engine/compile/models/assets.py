"""A model as a Dagster asset. (Dagster reads the annotations of a step as values, so they aren't postponed here.)"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from lakehouse_assets.engine.compile.assets import Runner, TrainingOptions, in_process, options_schema, request_of
from lakehouse_assets.engine.compile.checks import carried_results
from lakehouse_assets.engine.compile.metadata import code_reference
from lakehouse_assets.engine.compile.names import asset_key, op_name
from lakehouse_assets.engine.errors import LakehouseError, SparkUnavailable
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.markdown import as_code, as_table, as_text
from lakehouse_assets.engine.printable import printable
from lakehouse_assets.engine.run.report import ModelReport, Report
from lakehouse_assets.engine.spec.models.metrics import Gate
from lakehouse_assets.engine.spec.models.model import Model

# The check that tells whether the last training made a champion.
GATE = "gate"


def build_model(model: Model, lakehouse: Lakehouse, runner: Runner | None = None) -> dg.AssetsDefinition:
    """The asset of a model, whose step trains it, and whose check says what the gate decided."""
    runner = runner or in_process(lakehouse)

    @dg.multi_asset(
        name=op_name(model.key),
        specs=[_spec(model, lakehouse)],
        check_specs=[dg.AssetCheckSpec(GATE, asset=asset_key(model.key), description=_gate(model.gate))],
        can_subset=True,
        required_resource_keys={*runner.needs},
        config_schema=options_schema(TrainingOptions),
        op_tags={"lakehouse/model": model.key},
    )
    def step(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield from _events(model, runner, context)

    return step


def _spec(model: Model, lakehouse: Lakehouse) -> dg.AssetSpec:
    domain = lakehouse.domains[model.domain]
    fresh = dg.FreshnessPolicy.time_window(fail_window=model.freshness) if model.freshness else None
    return dg.AssetSpec(
        asset_key(model.key),
        deps=[asset_key(key) for key in lakehouse.reads(model.key)],
        description=model.doc,
        group_name=model.domain,
        owners=[model.owner or domain.owner],
        kinds={"mlflow", "model"},
        tags={"domain": model.domain, "layer": model.layer, **model.tags},
        freshness_policy=fresh,
        code_version=model.code_version,
        skippable=True,
        metadata={
            "dagster/code_references": code_reference(model.file, model.line),
            "label": model.label,
            "features": ", ".join(model.inputs),
            "split": repr(model.split),
            "gate": _gate(model.gate),
        },
    )


def _gate(gate: Gate) -> str:
    """What a new version needs, in words."""
    metric = gate.metric
    better = f"better by more than {gate.margin:g}" if gate.margin else "better"
    bound = f"{'at least' if metric.greater_is_better else 'at most'} {gate.bound}"
    floor = f", and {bound}" if gate.bound is not None else ""
    return f"By {metric.name} a new version has to be {better} than the champion on the same rows{floor}."


def _events(model: Model, runner: Runner, context: dg.AssetExecutionContext) -> Iterator[Any]:
    try:
        report = runner.carry_out(request_of(model, context), context)
    except SparkUnavailable as error:
        raise dg.RetryRequested(max_retries=1) from error
    except LakehouseError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    yield from _told(model, report, context)


def _told(model: Model, report: Report, context: dg.AssetExecutionContext) -> Iterator[Any]:
    told = report.model
    assert told is not None  # noqa: S101  (the report is that of a model)
    for what in told.recovered:
        context.log.info(printable(f"{model.key}: {what}"))
    context.log.info(printable(f"{model.key}: {report.strategy} ({report.reason})"))
    judged = [_result(model, told)] if told.version is not None else []
    if told.champion is None and told.version is None:  # it waits for a table; what reads it is skipped
        if report.strategy != "checks":
            context.log_event(dg.AssetObservation(asset_key(model.key), metadata=_metadata(report, told)))
        return
    judged = judged or [*carried_results(context)]
    if report.strategy == "checks":
        yield from judged
        return
    yield dg.MaterializeResult(
        asset_key=asset_key(model.key), metadata=_metadata(report, told),
        data_version=dg.DataVersion(f"{told.name}@{told.champion}"),
        check_results=[r for r in judged if r.check_name in {k.name for k in context.selected_asset_check_keys}],
    )  # fmt: skip


def _result(model: Model, told: ModelReport) -> dg.AssetCheckResult:
    """A version that doesn't pass is no error: the champion is as good as before."""
    severity = dg.AssetCheckSeverity.WARN if told.champion else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(
        passed=told.passed, check_name=GATE, asset_key=asset_key(model.key), severity=severity,
        description=as_text(f"Version {told.version} is the {told.alias}: {told.gate}."), metadata=dict(told.metrics),
    )  # fmt: skip


def _metadata(report: Report, told: ModelReport) -> dict[str, Any]:
    common = {
        "seconds": round(report.seconds, 3),
        "strategy": report.strategy,
        "reason": printable(report.reason),
        "registered_model": told.name,
        **({"champion": told.champion} if told.champion is not None else {}),
    }
    if told.version is None:
        return common
    return {
        **common,
        "version": told.version,
        "alias": told.alias,
        "gate": printable(told.gate),
        "mlflow_run_id": told.run_id,
        **{f"rows_{name}": number for name, number in told.rows.items()},
        **told.metrics,
        "metrics": dg.MetadataValue.md(_compared(told)),
        **({"parameters": dg.MetadataValue.md(_listed(told.params))} if told.params else {}),
        **{f"plot_{name}": dg.MetadataValue.md(_picture(name, png)) for name, png in told.pictures.items()},
    }


def _compared(told: ModelReport) -> str:
    rows = [(name, f"{new:.5g}", _number(told.of_champion.get(name))) for name, new in told.metrics.items()]
    return as_table(("on the held-out rows", "this version", "the champion before"), rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _listed(params: Mapping[str, str]) -> str:
    return "\n".join(f"- {as_code(name)}: {as_code(value)}" for name, value in params.items())


def _picture(name: str, png: str) -> str:
    return f"![{name}](data:image/png;base64,{png})"
