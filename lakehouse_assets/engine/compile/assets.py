"""A table as a Dagster asset. (Dagster reads the annotations of a step as values, so they aren't postponed here.)"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from getpass import getuser
from typing import Any

import dagster as dg

from lakehouse_assets.engine.compile.checks import check_specs, stopped
from lakehouse_assets.engine.compile.events import events
from lakehouse_assets.engine.compile.metadata import declared_metadata
from lakehouse_assets.engine.compile.names import asset_key, landing_key, op_name
from lakehouse_assets.engine.compile.partitions import backfill_days, partitions_def
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import CheckFailed, ExpectationFailed, LakehouseError, SparkUnavailable
from lakehouse_assets.engine.graph.discover import Asset, Lakehouse
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.engine.spec.asset import Domain
from lakehouse_assets.engine.spec.models.model import Model
from lakehouse_assets.engine.spec.sinks.sink import Sink
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.private.dagster import made_by_run


@dataclass(frozen=True)
class Runner:
    """What carries out the request of a step, wherever that may be, and the resources that it needs."""

    carry_out: Callable[[Request, dg.AssetExecutionContext], Report]
    needs: frozenset[str]


class RunOptions(dg.Config):
    """How to run a table; in the UI's launchpad, under the table's name.

    `replay` judges the rows in its quarantine again, and reads nothing new. `forget` takes the rows of a file, as
    `lakehouse files` has its path, out of the table, for a `reason` that is kept with it.
    """

    full_refresh: bool = False
    accept_loss: bool = False
    replay: bool = False
    forget: str = ""
    reason: str = ""


class TrainingOptions(dg.Config):
    """How to run a model; in the UI's launchpad, under the model's name.

    `full_refresh` trains it though nothing has changed. `like` is a version, on whose inputs it's trained again.
    """

    full_refresh: bool = False
    like: int = 0


class SinkOptions(dg.Config):
    """How to run a sink; in the UI's launchpad, under the sink's name.

    `full_refresh` compares all rows with those in the store, by key, and mends these.
    """

    full_refresh: bool = False


def build_asset(table: Table, lakehouse: Lakehouse, runner: Runner | None = None) -> dg.AssetsDefinition:
    """The asset of a table, with its expectations and checks in the same step.

    The step materialises the table; where only checks were selected, it judges the table as stored. It's carried out
    by the runner, by default in the process of the step.
    """
    runner = runner or in_process(lakehouse)

    @dg.multi_asset(
        name=op_name(table.key),
        specs=[_spec(table, lakehouse)],
        check_specs=check_specs(table),
        can_subset=True,
        required_resource_keys={*runner.needs},
        config_schema=options_schema(RunOptions),
        backfill_policy=dg.BackfillPolicy.single_run() if table.partitions else None,
        op_tags={"lakehouse/table": table.key},
    )
    def step(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield from _events(table, runner, context)

    return step


def in_process(lakehouse: Lakehouse) -> Runner:
    """A runner in the process of the step, on the Spark session that this has."""

    def run(request: Request, context: dg.AssetExecutionContext) -> Report:
        from lakehouse_assets.engine.run.materialize import materialize  # when a step runs: loading needs none of it

        resources = context.resources
        try:
            return materialize(request, Context(lakehouse, resources.lake.lake(), resources.spark.session))
        except dg.DagsterExecutionInterruptedError:
            resources.spark.interrupt()  # else it goes on by itself, and commits
            raise

    return Runner(run, frozenset({"spark", "lake"}))


@cache
def options_schema(options: type[dg.Config]) -> Mapping[str, Any]:
    """The schema of such options, made once, of plain types: those of `dg.Config` also take `{env: NAME}`, and would
    show a variable of the environment to whoever launches.
    """
    fields = options.model_fields.items()
    return {name: dg.Field(field.annotation, default_value=field.default) for name, field in fields}


def _spec(table: Table, lakehouse: Lakehouse) -> dg.AssetSpec:
    return spec_of(table, lakehouse).replace_attributes(
        code_version=table.code_version, skippable=True, partitions_def=partitions_def(table)
    )


def spec_of(table: Table, lakehouse: Lakehouse) -> dg.AssetSpec:
    """What Dagster is told of a table, whoever makes it."""
    domain = lakehouse.domains[table.domain]
    deps = [asset_key(key) for key in lakehouse.reads(table.key)]
    return dg.AssetSpec(
        asset_key(table.key),
        deps=deps if deps or table.made_by else [landing_key(table)],
        description=table.doc,
        group_name=table.domain,
        owners=[table.owner or domain.owner],
        kinds={_maker(table), "deltalake", table.layer},
        tags={"domain": table.domain, "layer": table.layer, **table.tags},
        freshness_policy=_freshness(table, domain),
        metadata=declared_metadata(table),
    )


def _maker(table: Table) -> str:
    if table.score:
        return "mlflow"
    return "databricks" if table.made_by else "pyspark" if table.sql is None else "sql"


def _freshness(table: Table, domain: Domain) -> dg.FreshnessPolicy:
    return dg.FreshnessPolicy.time_window(fail_window=table.freshness or domain.freshness)


def request_of(asset: Asset, context: dg.AssetExecutionContext) -> Request:
    """What a run asks of an asset, by its own step or by another."""
    if asset_key(asset.key) not in made_by_run(context):
        return Request(asset.key, only_checks=True)
    ops: Any = context.run.run_config.get("ops", {})
    given, user = ops.get(op_name(asset.key), {}).get("config", {}), context.run.tags.get("user") or getuser()
    if isinstance(asset, Model):
        wanted = TrainingOptions(**given)
        return Request(asset.key, wanted.full_refresh or bool(wanted.like), user=user, like=wanted.like or None)
    if isinstance(asset, Sink):
        return Request(asset.key, SinkOptions(**given).full_refresh, user=user)
    options = RunOptions(**given)
    return Request(
        asset.key, options.full_refresh, options.accept_loss, options.replay, options.forget, options.reason,
        user, backfill_days(asset, context),
    )  # fmt: skip


def _events(table: Table, runner: Runner, context: dg.AssetExecutionContext) -> Iterator[Any]:
    try:
        yield from events(table, runner.carry_out(request_of(table, context), context), context)
    except (ExpectationFailed, CheckFailed) as error:
        yield stopped(table, error.check, str(error))
        raise dg.Failure(str(error), allow_retries=False) from error
    except SparkUnavailable as error:
        raise dg.RetryRequested(max_retries=1) from error
    except LakehouseError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
