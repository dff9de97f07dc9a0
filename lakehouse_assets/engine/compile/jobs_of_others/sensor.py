"""Runs of jobs that others own, as events of the tables that they make, by a sensor for each domain."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Protocol

import dagster as dg

from lakehouse_assets.engine.compile.jobs_of_others.cursor import ForeignRun, Told, read_told, text_of
from lakehouse_assets.engine.compile.names import asset_key
from lakehouse_assets.engine.errors import LakehouseError, WorkspaceUnavailable
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.markdown import as_text
from lakehouse_assets.engine.spec.elsewhere.tasks import External, Job
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.private.dagster import evaluated

TICK_SECONDS = 60
ENOUGH_SECONDS = 20  # after which no other job is asked about, as Dagster gives a tick a minute
MOST = 100  # runs that one tick tells of; the next goes on with those that are left
CHECK = "job_succeeded"
# By which Dagster's own history says what was told of: a tick may be killed before its cursor is kept.
MARK = "databricks_run_end"


class Workspace(Protocol):
    """What is asked of a workspace."""

    def runs_of(self, job: Job, since: int) -> Sequence[ForeignRun]:
        """The runs that started at or after a time, in milliseconds."""

    def last_run_of(self, job: Job) -> ForeignRun | None:
        """The newest run that has ended."""

    def why_failed(self, run: int) -> list[str]:
        """What the workspace says of a run that ended otherwise than well."""


def job_sensors(lakehouse: Lakehouse) -> Iterator[dg.SensorDefinition]:
    """A sensor for each domain with tables that jobs of others make."""
    for name in lakehouse.domains:
        if tables := [table for table in external_tables(lakehouse) if table.domain == name]:
            yield _sensor(name, tables)


def external_tables(lakehouse: Lakehouse) -> list[Table]:
    """The tables that jobs of others make."""
    return [table for table in lakehouse.tables.values() if table.external]


def _sensor(name: str, tables: Sequence[Table]) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{name}_jobs_of_others",
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"databricks", "lake"},
        description=f"Tells of the runs of jobs that others own and that make tables of {name}.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return evaluate(context, tables, context.resources.databricks, context.resources.lake.lake())

    return sensor


def evaluate(
    context: dg.SensorEvaluationContext, tables: Sequence[Table], workspace: Workspace, lake: Lake
) -> dg.SensorResult:
    """One tick. A job that can't be looked at is told of, and keeps no other waiting.

    Raises:
        LakehouseError: none of them can be looked at, for another reason than that the workspace is away.
    """
    told = read_told(context.cursor, [table.key for table in tables], int(time.time() * 1000))
    events, failed, start = list[Any](), list[LakehouseError](), time.monotonic()
    logs = cache(lambda key: _log(key, lake) if key in lake.elsewhere else None)
    for table in tables:
        if failed and time.monotonic() - start > ENOUGH_SECONDS:
            break
        try:
            for run, known in _news(context.instance, table, told[table.key], workspace, MOST - len(events) // 2):
                events += _events(table, run, workspace, logs(table.key)) if run else []
                told[table.key] = known
        except LakehouseError as error:
            context.log.error(f"{table.key}: {error}")
            failed.append(error)
    if len(failed) == len(tables) and not any(isinstance(e, WorkspaceUnavailable) for e in failed) and not events:
        raise failed[0]
    why = "; ".join(map(str, failed)) or "no run has ended since the last look"
    return dg.SensorResult(asset_events=events, cursor=text_of(told), skip_reason=None if events else why)


def _news(
    instance: dg.DagsterInstance, table: Table, told: Told, workspace: Workspace, most: int
) -> Iterator[tuple[ForeignRun | None, Told]]:
    """Each run to tell of, with what to remember once that is done; last what to remember of those that go on."""
    found = workspace.runs_of(external(table).job, told.since)
    fresh = told.fresh(found)
    before = _in_history(instance, table, len(fresh)) if fresh else set()
    done = [run for run in fresh if _mark(run) in before]
    for run in [run for run in fresh if _mark(run) not in before][:most]:
        done.append(run)
        yield run, told.after(found, done)
    yield None, told.after(found, done)


def _in_history(instance: dg.DagsterInstance, table: Table, number: int) -> set[str]:
    """The marks of the last runs that were told of, more of them than the `number` that is asked about."""
    key = dg.AssetCheckKey(asset_key(table.key), CHECK)
    storage = instance.event_log_storage
    records = storage.get_asset_check_execution_history(key, limit=2 * number + 100, status=evaluated())
    found = (record.evaluation.metadata.get(MARK) for record in records if record.evaluation)
    return {str(it.value) for it in found if it}


def _mark(run: ForeignRun) -> str:
    return f"{run.id} {run.ended}"


def external(table: Table) -> External:
    """What is declared of a table that a job of others makes."""
    assert table.external is not None  # noqa: S101  (only those come here)
    return table.external


def _events(table: Table, run: ForeignRun, workspace: Workspace, log: TableLog | None) -> Iterable[Any]:
    """Of a run that went well the table, and of any run whether it did."""
    found = verdict(run, workspace)
    evaluation = dg.AssetCheckEvaluation(
        asset_key=asset_key(table.key), check_name=CHECK, passed=found.passed, severity=found.severity,
        description=found.description, metadata={**found.metadata, MARK: _mark(run)},
    )  # fmt: skip
    if not run.succeeded:
        return [evaluation]
    version = _version(run, log)
    metadata = {**_shown(run), **({"delta_version": version[1]} if version else {})}
    tags = {"dagster/data_version": f"{version[0]}@{version[1]}"} if version else {}
    return [dg.AssetMaterialization(asset_key(table.key), metadata=metadata, tags=tags), evaluation]


def _shown(run: ForeignRun) -> dict[str, Any]:
    return {
        "databricks_run": dg.MetadataValue.url(run.url),
        "databricks_run_id": str(run.id),
        "state": run.state,
        "started_by": run.by,
        "ended": dg.MetadataValue.timestamp(datetime.fromtimestamp(run.ended / 1000, UTC)),
        "seconds": run.seconds,
    }


def _log(key: str, lake: Lake) -> TableLog | None:
    try:
        return read_log(lake.table(key))
    except LakehouseError:  # whoever reads the table says so; that the job ran is told all the same
        return None


def _version(run: ForeignRun, log: TableLog | None) -> tuple[str, int] | None:
    """The id of the table and the version that it had when a run ended; None where that can't be seen."""
    at = datetime.fromtimestamp(run.ended / 1000, UTC)
    return next(((log.id, commit.version) for commit in log.commits if commit.at <= at), None) if log else None


def verdict(run: ForeignRun, workspace: Workspace) -> dg.AssetCheckResult:
    """What a run says of its job."""
    why = [] if run.succeeded else workspace.why_failed(run.id)
    told = "\n\n".join(map(as_text, [f"Run {run.id} ended as {run.state}.", *why]))  # a paragraph each
    return dg.AssetCheckResult(
        passed=run.succeeded, severity=dg.AssetCheckSeverity.ERROR, metadata=_shown(run),
        description=None if run.succeeded else told,
    )  # fmt: skip
