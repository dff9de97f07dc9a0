"""Files that Azure Data Factory lands: its pipeline for a table is run and waited for."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.deploy.data_factory import SINCE, pipeline_name, variables
from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.spec.inputs import AzureSql
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from azure.mgmt.datafactory import DataFactoryManagementClient
    from azure.mgmt.datafactory.models import PipelineRun

_ENDED = ("Succeeded", "Failed", "Cancelled")
_UNDER_WAY = ("Queued", "InProgress", "Canceling")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Factory:
    """A Data Factory. `landing` are the parameters that tell its pipelines where files land."""

    client: DataFactoryManagementClient
    group: str
    name: str
    landing: Mapping[str, str]
    poll_seconds: float = 10


@dataclass(frozen=True)
class Copied:
    """What a run of a pipeline copied; `rows` is 0 where files are copied as they are."""

    run_id: str
    started: str
    seconds: float
    files: int
    rows: int
    bytes: int


def copy(table: Table, factory: Factory, since: str | None = None) -> Copied:
    """Run the pipeline of a table and wait for its end; if the wait is broken off, so is the pipeline.

    `since` is when the last copy began that succeeded, for a query that asks for what has changed.

    Raises:
        SourceError: a variable isn't set, the factory refused or can't be understood, or the run didn't succeed.
    """
    from azure.core.exceptions import AzureError, DeserializationError

    pipeline, parameters, at = pipeline_name(table), _parameters(table, factory, since), (factory.group, factory.name)
    try:
        run_id = _text("run id", factory.client.pipelines.create_run(*at, pipeline, parameters=parameters).run_id)
        with contextlib.ExitStack() as unless_ended:
            unless_ended.callback(_cancel, factory, run_id)
            run = _ended(factory, run_id)
            unless_ended.pop_all()
        activities = list(_copies(factory, run_id))
    except (AzureError, DeserializationError) as error:
        raise _refused(table, factory, pipeline, error) from error
    if run.status != "Succeeded":
        told = sorted({_why(a) for a in activities if a.status == "Failed"}) or [run.message or "it says no more"]
        raise SourceError(
            f"Landing files of {table.key}: run {run_id} of {pipeline} is {run.status}: {'; '.join(told)}"
        )
    return _copied(run_id, run, activities)


def _parameters(table: Table, factory: Factory, since: str | None) -> dict[str, Any]:
    assert table.source is not None  # noqa: S101  (only tables with a source have a pipeline)
    named = variables(table.source)
    unset = sorted(name for name in named.plain | named.secret if name not in os.environ)
    if unset:
        raise SourceError(f"Landing files of {table.key}: {', '.join(unset)} isn't set; the pipeline is told it")
    told = {name: os.environ[name] for name in named.plain | named.secret}
    by_query = isinstance(table.source.delivered_by, AzureSql)
    return {**factory.landing, **told, **({SINCE: since} if since and by_query else {})}


def _cancel(factory: Factory, run_id: str) -> None:
    from azure.core.exceptions import AzureError

    with contextlib.suppress(AzureError):  # what ended the wait is what has to be told
        factory.client.pipeline_runs.cancel(factory.group, factory.name, run_id, is_recursive=True)


def _ended(factory: Factory, run_id: str) -> PipelineRun:
    while True:
        run = factory.client.pipeline_runs.get(factory.group, factory.name, run_id)
        if _text("state of the run", run.status) in _ENDED:
            return run
        if run.status not in _UNDER_WAY:
            raise _unclear("state of the run", run.status)
        time.sleep(factory.poll_seconds)


def _copies(factory: Factory, run_id: str) -> Iterator[Any]:
    """The activities of a run, those in loops too."""
    from azure.mgmt.datafactory.models import RunFilterParameters

    now, token = datetime.now(UTC), None
    week: dict[str, Any] = {"last_updated_after": now - 7 * _DAY, "last_updated_before": now + _DAY}
    while True:
        window = RunFilterParameters(**week, continuation_token=token)
        page = factory.client.activity_runs.query_by_pipeline_run(factory.group, factory.name, run_id, window)
        yield from page.value or ()
        token = page.continuation_token
        if not token:
            return


def _copied(run_id: str, run: PipelineRun, activities: list[Any]) -> Copied:
    outputs = [a.output or {} for a in activities if a.activity_type == "Copy" and a.status == "Succeeded"]
    rows, written = (sum(_number(o, name) for o in outputs) for name in ("rowsCopied", "dataWritten"))
    started = run.run_start or datetime.now(UTC)
    files = sum(_number(o, "filesWritten") or 1 for o in outputs)
    return Copied(run_id, f"{started:%Y-%m-%dT%H:%M:%SZ}", (run.duration_in_ms or 0) / 1000, files, rows, written)


def _number(output: Any, name: str) -> int:
    """A number of what a copy did; 0 if it isn't told."""
    told = (output.get(name) or 0) if isinstance(output, dict) else output
    if type(told) is not int or not 0 <= told < 2**63:
        raise _unclear(name, told)
    return told


def _text(what: str, told: Any) -> str:
    if not isinstance(told, str) or not told:
        raise _unclear(what, told)
    return told


def _unclear(what: str, told: Any) -> SourceError:
    return SourceError(
        f"Landing files by Data Factory: it tells {repr(told)[:80]} as the {what}; look at the run in its monitor, and "
        "whether LAKEHOUSE_AZURE_MANAGEMENT leads to Azure"
    )


def _why(activity: Any) -> str:
    error = activity.error if isinstance(activity.error, dict) else {}
    return f"{activity.activity_name}: {error.get('errorCode', '')} {error.get('message', '')}".strip()


def _refused(table: Table, factory: Factory, pipeline: str, error: Exception) -> SourceError:
    remedies = {
        404: "publish the pipelines that `lakehouse generate` writes, or mend LAKEHOUSE_DATA_FACTORY",
        403: "give this identity the role Data Factory Contributor",
    }
    said = " ".join(str(getattr(error, "message", error)).split())[:300]
    remedy = remedies.get(getattr(error, "status_code", 0), "look at the network, or run it again later")
    return SourceError(f"Landing files of {table.key} by pipeline {pipeline} of {factory.name}: {said}; {remedy}")
