"""Runs of Databricks jobs: submitted once, waited for to their end whatever that is, and cancelled for certain.

Whoever submits with the same idempotency token again gets the run that is there, so no lost answer makes a second one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, TypeVar

from lakehouse_assets.engine.errors import WorkspaceUnavailable
from lakehouse_assets.engine.run.report import JobRun

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import BaseRun, Run, RunOutput, RunState

T = TypeVar("T")

PATIENCE = 600.0  # seconds for which a workspace that is away or busy is asked again
ENDED = {"TERMINATED", "SKIPPED", "INTERNAL_ERROR"}  # by the Jobs API, "this state is terminal"


def submit(client: WorkspaceClient, job: Mapping[str, Any]) -> int:
    """Submit a run of a job as the Jobs API takes it, or find the one with its `idempotency_token`; the run's id."""
    from databricks.sdk.service.jobs import JobEnvironment, SubmitTask

    typed = {
        **job,
        "tasks": [SubmitTask.from_dict(task) for task in job["tasks"]],
        "environments": [JobEnvironment.from_dict(it) for it in job.get("environments", ())] or None,
    }
    return int(patiently(lambda: client.jobs.submit(**typed)).bind()["run_id"])


def wait(
    client: WorkspaceClient, run: int, poll: float, tell: Callable[[str], None] = lambda _: None,
    enough: Callable[[], bool] = lambda: False,
) -> Run:  # fmt: skip
    """The run, once it has ended, or is `enough`. Each state that it comes to is told."""
    last = None
    while True:
        found = patiently(lambda: client.jobs.get_run(run))
        if (now := state_of(found)) != last:
            tell(f"job run {run} is {now}: {found.run_page_url}")
            last = now
        if ended(found) or _enough_within(poll, enough):
            return found


def _enough_within(seconds: float, enough: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not (done := enough()) and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.5))
    return done


def cancel(client: WorkspaceClient, run: int, poll: float) -> None:
    """Cancel a run, unless it has ended, and wait until nothing of it is computing any more."""
    over = ENDED | {"TERMINATING"}
    if state_of(patiently(lambda: client.jobs.get_run(run))) not in over:
        patiently(lambda: client.jobs.cancel_run(run))
    while state_of(patiently(lambda: client.jobs.get_run(run))) not in over:
        time.sleep(poll)


def state_of(run: Run | BaseRun) -> str:
    """Where a run is in its life."""
    state = run.state and run.state.life_cycle_state
    return state.value if state else "PENDING"


def ended(run: Run | BaseRun) -> bool:
    """Whether nothing of a run is computing, and nothing of it will be."""
    return state_of(run) in ENDED


def succeeded(run: Run | BaseRun) -> bool:
    """Whether a run ended well; there are a dozen other ends, cancelled, timed out and evicted among them."""
    return bool(run.state and run.state.result_state and run.state.result_state.value == "SUCCESS")


def failed(client: WorkspaceClient, run: int) -> bool:
    """Whether a run has ended, and otherwise than well."""
    found = patiently(lambda: client.jobs.get_run(run))
    return ended(found) and not succeeded(found)


def why_it_failed(run: Run, outputs: Sequence[RunOutput]) -> tuple[str, list[str]]:
    """How a run ended, in a few words, and what the cluster says of it, its trace among it."""
    state: RunState | None = run.state
    end = state.result_state.value if state and state.result_state else state_of(run)
    said = [state.state_message] if state and state.state_message else []
    said += [text for it in outputs for text in (it.error, it.error_trace) if text]
    return end, [line for text in said for line in text.splitlines()]


def told_of(run: Run) -> JobRun:
    """What is shown of a run. Its milliseconds are those of its tasks where the run itself has none."""
    tasks = run.tasks or []
    where = next((task.cluster_instance for task in tasks if task.cluster_instance), run.cluster_instance)
    setup = run.setup_duration or sum(task.setup_duration or 0 for task in tasks)
    took = run.execution_duration or sum(task.execution_duration or 0 for task in tasks)
    cluster = (where.cluster_id if where else "") or ""
    return JobRun(run.run_id or 0, run.run_page_url or "", cluster, setup / 1000, took / 1000)


def patiently(ask: Callable[[], T], patience: float = PATIENCE) -> T:
    """The answer of a workspace; one that is busy, broken or out of reach for a moment is asked again.

    Raises:
        WorkspaceUnavailable: it refuses, or doesn't answer for `patience` seconds.
    """
    with _explained():
        return asked_again(ask, _passing(), lambda _: True, patience)


def asked_again(
    ask: Callable[[], T], failures: tuple[type[Exception], ...], passes: Callable[[Exception], bool], patience: float
) -> T:
    """The answer of a service, which is asked again for `patience` seconds where it fails and that passes."""
    until = time.monotonic() + patience
    for pause in chain((1, 2, 4, 8, 16), repeat(30)):
        try:
            return ask()
        except failures as error:
            if not passes(error) or time.monotonic() + pause > until:
                raise
        time.sleep(pause)
    raise AssertionError  # the pauses don't end


def if_there(ask: Callable[[], T], patience: float = PATIENCE) -> T | None:
    """What is asked of a file or folder; None where it isn't there, or went when that was asked before."""
    from databricks.sdk.errors import NotFound

    def asked() -> T | None:
        with suppress(NotFound):
            return ask()
        return None

    return patiently(asked, patience)


def outputs_of(client: WorkspaceClient, run: Run, patience: float = PATIENCE) -> list[RunOutput]:
    """What the programs of a run have printed, and how they failed, as far as the workspace keeps it."""
    ids = [task.run_id for task in run.tasks or () if task.run_id]
    found = [if_given(lambda id=id: client.jobs.get_run_output(id), patience) for id in ids]  # type: ignore[misc]
    return [output for output in found if output]


def if_given(ask: Callable[[], T], patience: float = PATIENCE) -> T | None:
    """What is asked of a run or a job; None where it isn't there, or isn't given to this user.

    A task that never began has no output, and asking for it is a bad request.
    """
    from databricks.sdk.errors import BadRequest, NotFound, PermissionDenied

    def asked() -> T | None:
        with suppress(BadRequest, NotFound, PermissionDenied):
            return ask()
        return None

    return patiently(asked, patience)


def _passing() -> tuple[type[Exception], ...]:
    import requests
    from databricks.sdk import errors as of

    busy = (of.TooManyRequests, of.TemporarilyUnavailable, of.InternalError, of.DeadlineExceeded, of.Aborted)
    return (*busy, requests.ConnectionError, requests.Timeout, TimeoutError)


@contextmanager
def _explained() -> Iterator[None]:
    from databricks.sdk.errors.base import DatabricksError

    failures: tuple[type[Exception], ...] = (DatabricksError, *_passing())
    try:
        yield
    except failures as error:
        raise WorkspaceUnavailable(
            f"Asking the Databricks workspace: {error}; see that DATABRICKS_HOST is right, and that this user may run "
            "jobs there and use the volume (`lakehouse doctor` tries each)"
        ) from error
