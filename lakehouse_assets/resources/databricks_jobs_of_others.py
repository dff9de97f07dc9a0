"""Jobs of a workspace that others own: which is meant, and how its runs ended. None is started or changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse_assets.engine.compile.jobs_of_others.cursor import ForeignRun
from lakehouse_assets.engine.errors import UnknownJob
from lakehouse_assets.engine.spec.elsewhere.tasks import Job
from lakehouse_assets.resources.databricks_jobs import (
    ended,
    if_given,
    outputs_of,
    patiently,
    state_of,
    succeeded,
    why_it_failed,
)

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import BaseRun

PATIENCE = 15.0  # seconds: Dagster gives a sensor a minute
PAGE = 24  # runs; the API takes fewer than 25


def runs_of(client: WorkspaceClient, job: Job, since: int) -> list[ForeignRun]:
    """The runs of a job that started at or after a time, in milliseconds, those that go on among them.

    Raises:
        UnknownJob: it isn't there, or there are several of the name.
        WorkspaceUnavailable: the workspace doesn't answer.
    """
    number = _id(client, job)
    listed = client.jobs.list_runs
    found = patiently(lambda: list(listed(job_id=number, start_time_from=since, limit=PAGE)), PATIENCE)
    return [_told(run) for run in found]


def last_run_of(client: WorkspaceClient, job: Job) -> ForeignRun | None:
    """The newest run of a job that has ended; None where none has. Raises as `runs_of` does."""
    number = _id(client, job)
    listed = client.jobs.list_runs
    found = patiently(lambda: next(iter(listed(job_id=number, completed_only=True, limit=1)), None), PATIENCE)
    return _told(found) if found else None


def why_failed(client: WorkspaceClient, run: int) -> list[str]:
    """What the workspace says of a run that ended otherwise than well, line by line; nothing if it has no more of it.

    Raises:
        WorkspaceUnavailable: the workspace doesn't answer.
    """
    found = if_given(lambda: client.jobs.get_run(run), PATIENCE)
    return why_it_failed(found, outputs_of(client, found, PATIENCE))[1] if found else []


def _id(client: WorkspaceClient, job: Job) -> int:
    ids = [job.id] if job.id and _is_there(client, job.id) else [] if job.id else _called(client, job.name)
    if len(ids) == 1:
        return ids[0]
    if ids:
        listed = ", ".join(map(str, sorted(ids)))
        raise UnknownJob(
            f"Looking for {job} in the workspace: {len(ids)} jobs are called so, with the ids {listed}; say which is "
            f"meant by Job({job.name!r}, id=…)"
        )
    called = f"has the id {job.id}" if job.id else "is called so"
    raise UnknownJob(
        f"Looking for {job} in the workspace: no job that this user may see {called}, so it may be renamed or deleted; "
        "mend its Job(…), or grant this user CAN VIEW on it"
    )


def _called(client: WorkspaceClient, name: str) -> Sequence[int]:
    found = patiently(lambda: list(client.jobs.list(name=name)), PATIENCE)
    # The API takes names without regard to case.
    exact = [it for it in found if it.settings and it.settings.name == name]
    return [it.job_id for it in exact or found if it.job_id]


def _is_there(client: WorkspaceClient, number: int) -> bool:
    return if_given(lambda: client.jobs.get(number), PATIENCE) is not None


def _told(run: BaseRun) -> ForeignRun:
    state = run.state.result_state.value if run.state and run.state.result_state else state_of(run)
    how = run.trigger.value.lower() if run.trigger else ""
    by = ", ".join(part for part in (run.creator_user_name, how) if part)
    end = (run.end_time or run.start_time or 0) if ended(run) else 0
    return ForeignRun(run.run_id or 0, run.start_time or 0, end, state, succeeded(run), by, run.run_page_url or "")
