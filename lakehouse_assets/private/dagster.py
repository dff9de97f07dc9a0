"""What is used of Dagster beyond `import dagster`. Read from Dagster 1.13.27.

When the version is raised, look at `execute_run` in `dagster/_core/execution/api.py`; at `RemoteRepositoryOrigin`, by
whose fields the UI knows a job; at the sources of errors in `execution/plan/objects.py`; and at the storage's
`get_asset_check_execution_history`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
    from dagster._core.remote_origin import RemoteJobOrigin
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

    # What `dg.define_asset_job` returns, whose type `dagster` doesn't export.
    Job: TypeAlias = UnresolvedAssetJobDefinition

# The module of the program `dagster-daemon`, for it to be that of this Python and no other.
DAEMON = "dagster._daemon"


def run_here(job: dg.JobDefinition, run: dg.DagsterRun, instance: dg.DagsterInstance) -> dg.JobExecutionResult:
    """Carry out a run that is recorded already; `execute_in_process` records one itself, without an origin."""
    from dagster._core.definitions.job_base import InMemoryJob
    from dagster._core.execution.api import execute_run

    return execute_run(InMemoryJob(job), run, instance)


def origin_of(job: str, location: str) -> RemoteJobOrigin:
    """By which the UI takes a run for one of a job that it shows; `create_run_for_job` takes no other form of it."""
    from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
    from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), SINGLETON_REPOSITORY_NAME)
    return repository.get_job_origin(job)


def was_interrupted(event: dg.DagsterEvent) -> bool:
    """Whether a step failed by Ctrl-C or SIGTERM; nothing public tells that from another failure."""
    from dagster._core.execution.plan.objects import ErrorSource

    return event.is_step_failure and event.step_failure_data.error_source is ErrorSource.INTERRUPT


def hush_steps() -> None:
    """Let what Dagster logs of a plan's steps be errors alone; its logger is known by the name of its module only."""
    from dagster._core.execution.plan import active

    logging.getLogger(active.__name__).setLevel(logging.ERROR)


def evaluated() -> set[AssetCheckExecutionRecordStatus]:
    """The states of checks that were judged, by which the storage is asked; `dagster` exports none of them."""
    from dagster._core.storage.asset_check_execution_record import COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES

    return set(COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES)


def free_of_event_stream(context: dg.AssetExecutionContext) -> None:
    """Let a step that opened a Pipes session leave outputs out, as any other may: a table that waits has none.

    `open_pipes_session` asks for them all, for the results of the session to be yielded; ours are made of the report.
    """
    context.op_execution_context._step_execution_context._requires_typed_event_stream = False


def steps_of_run(context: dg.AssetExecutionContext) -> set[str]:
    """The keys of the steps that a run has, those that are done among them."""
    return {*context.op_execution_context._step_execution_context.execution_plan.step_keys_to_execute}


def made_by_run(context: dg.AssetExecutionContext) -> set[dg.AssetKey]:
    """The assets that a run makes, whichever step does; of others at most the checks are asked for."""
    return {*context.op_execution_context.job_def.asset_layer.selected_asset_keys}
