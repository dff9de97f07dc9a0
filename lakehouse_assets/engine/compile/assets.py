"""A table as a Dagster asset. (Dagster reads the annotations of a step as values, so they aren't postponed here.)"""

from collections.abc import Iterator, Mapping
from functools import cache
from getpass import getuser
from typing import Any

import dagster as dg

from lakehouse_assets.engine.compile.checks import (
    carried_results,
    check_specs,
    expectation_results,
    stopped,
    stored_results,
    table_results,
)
from lakehouse_assets.engine.compile.files_readable import files_result
from lakehouse_assets.engine.compile.landing import landing_key
from lakehouse_assets.engine.compile.metadata import declared_metadata, idle_metadata, run_metadata
from lakehouse_assets.engine.compile.partitions import backfill_days, partitions_def, written_days
from lakehouse_assets.engine.compile.snapshots_plausible import snapshots_result
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import CheckFailed, ExpectationFailed, LakehouseError, SparkUnavailable
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.printable import printable
from lakehouse_assets.engine.run.outcome import Outcome
from lakehouse_assets.engine.spec.table import Domain, Table


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


def asset_key(key: str) -> dg.AssetKey:
    return dg.AssetKey(key.split("."))


def op_name(key: str) -> str:
    """The name of a table's step, by which run config finds it."""
    return key.replace(".", "__")


def build_asset(table: Table, lakehouse: Lakehouse) -> dg.AssetsDefinition:
    """The asset of a table, with its expectations and checks in the same step.

    The step materialises the table; where only checks were selected, it judges the table as stored.
    """

    @dg.multi_asset(
        name=op_name(table.key),
        specs=[_spec(table, lakehouse)],
        check_specs=check_specs(table),
        can_subset=True,
        required_resource_keys={"spark", "lake"},
        config_schema=_options(),
        backfill_policy=dg.BackfillPolicy.single_run() if table.partitions else None,
        op_tags={"lakehouse/table": table.key},
    )
    def step(context: dg.AssetExecutionContext) -> Iterator[Any]:
        lake: Lake = context.resources.lake.lake()
        env = Context(lakehouse, lake, context.resources.spark.session)
        try:
            if context.selected_asset_keys:
                options = RunOptions(**context.op_execution_context.op_config)
                yield from _materialized(table, env, options, context)
            else:
                yield from _checked(table, env, context)
        except dg.DagsterExecutionInterruptedError:
            context.resources.spark.interrupt()  # else it goes on by itself, and commits
            raise

    return step


@cache
def _options() -> Mapping[str, Any]:
    """The schema of `RunOptions`, made once, of plain types: those of `dg.Config` also take `{env: NAME}`, and would
    show a variable of the environment to whoever launches.
    """
    fields = RunOptions.model_fields.items()
    return {name: dg.Field(field.annotation, default_value=field.default) for name, field in fields}


def _spec(table: Table, lakehouse: Lakehouse) -> dg.AssetSpec:
    domain = lakehouse.domains[table.domain]
    deps = [asset_key(key) for key in lakehouse.upstreams(table).values()]
    return dg.AssetSpec(
        asset_key(table.key),
        deps=deps or [landing_key(table)],
        description=table.doc,
        group_name=table.domain,
        owners=[table.owner or domain.owner],
        kinds={"sql" if table.sql is not None else "pyspark", "deltalake", table.layer},
        tags={"domain": table.domain, "layer": table.layer, **table.tags},
        freshness_policy=_freshness(table, domain),
        code_version=table.code_version,
        skippable=True,
        partitions_def=partitions_def(table),
        metadata=declared_metadata(table),
    )


def _freshness(table: Table, domain: Domain) -> dg.FreshnessPolicy:
    return dg.FreshnessPolicy.time_window(fail_window=table.freshness or domain.freshness)


def _materialized(table: Table, env: Context, options: RunOptions, context: dg.AssetExecutionContext) -> Iterator[Any]:
    path, storage = env.lake.table(table.key), env.lake.storage
    before = read_log(path, storage)
    try:
        outcome = _outcome(table, env, options, context)
    except (ExpectationFailed, CheckFailed) as error:
        yield stopped(table, error.check, str(error))
        raise dg.Failure(str(error), allow_retries=False) from error
    except SparkUnavailable as error:
        raise dg.RetryRequested(max_retries=1) from error
    except LakehouseError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    context.log.info(printable(f"{table.key}: {outcome.plan.strategy} ({outcome.plan.reason})"))
    log = read_log(path, storage)
    if log is None:  # it waits for files or for another table; what reads it is skipped
        context.log_event(dg.AssetObservation(asset_key(table.key), metadata=idle_metadata(outcome, log)))
        yield from _files(table, env, context)
        return
    for event in written_days(table, outcome, log, before.version if before else None):
        context.log_event(event)
    yield _result(table, outcome, env, log, context)


def _outcome(table: Table, env: Context, options: RunOptions, context: dg.AssetExecutionContext) -> Outcome:
    # Imported when a step runs: loading needs none of what they stand on.
    from lakehouse_assets.engine.run.backfill import backfill
    from lakehouse_assets.engine.run.ingest.forget import forget
    from lakehouse_assets.engine.run.materialize import materialize
    from lakehouse_assets.engine.run.replay import replay

    days = backfill_days(table, context)
    if options.forget:
        return forget(table, env, options.forget, context.run.tags.get("user") or getuser(), options.reason)
    if options.replay:
        return replay(table, env)
    if days and not options.full_refresh:
        return backfill(table, env, *days)
    return materialize(table, env, options.full_refresh, options.accept_loss)


def _result(
    table: Table, outcome: Outcome, env: Context, log: TableLog, context: dg.AssetExecutionContext
) -> dg.MaterializeResult[Any]:
    if outcome.version is None or outcome.plan.strategy == "forget":  # which judges no row
        checks = list(carried_results(context))
        metadata = idle_metadata(outcome, log)
    else:
        checks = [*expectation_results(table, outcome.counts), *table_results(table, env, outcome.audited)]
        metadata = run_metadata(table, outcome, log, env.lake.table(table.key))
    return dg.MaterializeResult(
        asset_key=asset_key(table.key),
        metadata=metadata,
        data_version=dg.DataVersion(f"{log.id}@{log.version}"),
        check_results=[*(c for c in checks if _selected(c, context)), *_files(table, env, context)],
    )


def _checked(table: Table, env: Context, context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult]:
    yield from _files(table, env, context)
    if read_log(env.lake.table(table.key), env.lake.storage) is None:
        context.log.warning(f"{table.key}: it isn't built yet, so there is nothing to judge")
        return
    for result in (*stored_results(table, env.lake, env.session()), *table_results(table, env)):
        if _selected(result, context):
            yield result


def _files(table: Table, env: Context, context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """Whether its files could be read, or the snapshots that it reads be meant, if it has any and that is asked."""
    if table.source is not None and _selected(result := files_result(table, env.lake), context):
        yield result
    if table.snapshots and _selected(result := snapshots_result(table, env.lake), context):
        yield result


def _selected(result: dg.AssetCheckResult, context: dg.AssetExecutionContext) -> bool:
    assert result.asset_key is not None  # noqa: S101  (set by all who make one)
    assert result.check_name is not None  # noqa: S101
    return dg.AssetCheckKey(result.asset_key, result.check_name) in context.selected_asset_check_keys
