"""Dagster's Pipes client for Databricks, with the folder of its messages given, and no end of a job but success.

That of dagster-databricks 0.29.27 takes a cancelled job for a success, and makes up the folder of its messages, so
what a job says that outlived its Dagster is heard by nobody.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_databricks.pipes import (
    PipesDatabricksServerlessClient,
    PipesUnityCatalogVolumesContextInjector,
    PipesUnityCatalogVolumesMessageReader,
)
from dagster_pipes import PipesBlobStoreMessageWriter, PipesContextData, PipesParams

from lakehouse_assets.private.dagster import free_of_event_stream
from lakehouse_assets.resources.databricks_jobs import patiently, submit, wait

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import Run

SECONDS = 1  # from look to look for messages


@dataclass(frozen=True)
class Heard:
    """What a job said of a table by messages of our own, and the run of the job as it was then."""

    messages: list[Any]
    run: Run


class JobInFolder(PipesDatabricksServerlessClient):
    """A job whose messages about a table are in a folder of that name, in the job's own folder of a volume.

    It runs on any compute, as Pipes' parameters are those of the task.
    """

    def __init__(self, client: WorkspaceClient, folder: str, table: str, poll: float) -> None:
        context, messages = _Context(client=client, volume_path=folder), _Messages(client, folder, table)
        super().__init__(client, folder, context, messages, poll)

    def run(  # type: ignore[override]  # what comes of it isn't yielded as it is
        self, context: dg.AssetExecutionContext, job: Mapping[str, Any], *, to_its_end: bool
    ) -> Heard:
        """Submit the job, unless it is there, and wait until it has said all about the table, or until its end.

        Raises:
            WorkspaceUnavailable: it can't be submitted, or is out of sight for long.
        """
        of = context.op_execution_context  # of an asset's own context Pipes uses what is deprecated
        assert self.context_injector  # noqa: S101  (both are given above)
        assert self.message_reader  # noqa: S101
        with (
            # Pipes goes through what it has for several tasks, which is "in preview".
            warnings.catch_warnings(action="ignore", category=dg.PreviewWarning),
            dg.open_pipes_session(of, self.context_injector, self.message_reader) as session,
        ):
            run = submit(self.client, _with_parameters(job, session.get_bootstrap_cli_arguments()))
            handler = session.message_handler
            enough = (lambda: False) if to_its_end else (lambda: handler.received_closed_message)
            ended = wait(self.client, run, self.poll_interval_seconds, context.log.info, enough)
        free_of_event_stream(context)
        return Heard(list(session.get_custom_messages()), ended)


def _with_parameters(job: Mapping[str, Any], told: Mapping[str, str]) -> dict[str, Any]:
    (task,) = job["tasks"]
    wheel = task["python_wheel_task"]
    parameters = [*wheel["parameters"], *chain.from_iterable(told.items())]
    return {**job, "tasks": [{**task, "python_wheel_task": {**wheel, "parameters": parameters}}]}


class _Context(PipesUnityCatalogVolumesContextInjector):
    @contextmanager
    def inject_context(self, context: PipesContextData) -> Iterator[PipesParams]:
        path = f"{self.volume_path}/context.json"
        text = json.dumps(context).encode()
        patiently(lambda: self.files_client.upload(path, io.BytesIO(text), overwrite=True))
        yield {"path": path}


class _Messages(PipesUnityCatalogVolumesMessageReader):
    """Reads what is said of a table. The job is told the folder above, as it says something of several."""

    def __init__(self, client: WorkspaceClient, folder: str, table: str) -> None:
        super().__init__(interval=SECONDS, client=client, volume_path=folder)
        self.table = table

    @contextmanager
    def get_params(self) -> Iterator[PipesParams]:
        yield {"path": self.volume_path, PipesBlobStoreMessageWriter.INCLUDE_STDIO_IN_MESSAGES_KEY: True}

    def download_messages_chunk(self, index: int, params: PipesParams) -> str | None:
        """The messages of a file, once it's whole: our writer ends it with a line end."""
        text = super().download_messages_chunk(index, {"path": f"{params['path']}/{self.table}"})
        return text if text and text.endswith("\n") else None
