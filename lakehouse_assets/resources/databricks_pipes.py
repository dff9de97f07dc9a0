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
from itertools import chain
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_databricks.pipes import (
    PipesDatabricksServerlessClient,
    PipesUnityCatalogVolumesContextInjector,
    PipesUnityCatalogVolumesMessageReader,
)
from dagster_pipes import PipesBlobStoreMessageWriter, PipesContextData, PipesExtras, PipesParams

from lakehouse_assets.private.dagster import free_of_event_stream
from lakehouse_assets.resources.databricks_jobs import cancel, patiently, submit, wait

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import Run, SubmitTask

SECONDS = 1  # from look to look for messages


class JobInFolder(PipesDatabricksServerlessClient):
    """A job whose context and messages are in one folder of a volume, which is there when the job is submitted.

    It runs on any compute, as Pipes' parameters are those of the task. After `run`, `ended` is how the job ended, and
    `messages` are those that it sent by themselves.
    """

    def __init__(self, client: WorkspaceClient, folder: str, poll: float) -> None:
        super().__init__(
            client, folder, _Context(client=client, volume_path=folder), _Messages(client, folder), poll
        )  # fmt: skip
        self.ended: Run | None = None
        self.messages: list[Any] = []

    def run(  # type: ignore[override]  # what comes of it is in the attributes
        self,
        *,
        context: dg.AssetExecutionContext,
        task: SubmitTask,
        submit_args: Mapping[str, Any] | None = None,
        extras: PipesExtras | None = None,
    ) -> None:
        """Submit the job, and wait for its end. An interruption cancels it, waits until it is, and goes on.

        Raises:
            WorkspaceUnavailable: it can't be submitted, or is out of sight for long.
        """
        of = context.op_execution_context  # of an asset's own context Pipes uses what is deprecated
        assert self.context_injector  # noqa: S101  (both are given above)
        assert self.message_reader  # noqa: S101
        with (
            # Pipes goes through what it has for several tasks, which is "in preview".
            warnings.catch_warnings(action="ignore", category=dg.PreviewWarning),
            dg.open_pipes_session(of, self.context_injector, self.message_reader, extras) as session,
        ):
            prepared = task.as_dict()
            told = chain.from_iterable(session.get_bootstrap_cli_arguments().items())
            prepared["python_wheel_task"]["parameters"].extend(told)
            self.ended = self._awaited({"tasks": [prepared], **(submit_args or {})}, context)
        free_of_event_stream(context)
        self.messages = list(session.get_custom_messages())

    def _awaited(self, job: Mapping[str, Any], context: dg.AssetExecutionContext) -> Run:
        try:
            return wait(self.client, submit(self.client, job), self.poll_interval_seconds, context.log.info)
        except dg.DagsterExecutionInterruptedError:
            context.log.info("interrupted; the job is being cancelled")
            cancel(self.client, submit(self.client, job), self.poll_interval_seconds)  # by its token the same run
            raise


class _Context(PipesUnityCatalogVolumesContextInjector):
    @contextmanager
    def inject_context(self, context: PipesContextData) -> Iterator[PipesParams]:
        path = f"{self.volume_path}/context.json"
        text = json.dumps(context).encode()
        patiently(lambda: self.files_client.upload(path, io.BytesIO(text), overwrite=True))
        yield {"path": path}


class _Messages(PipesUnityCatalogVolumesMessageReader):
    def __init__(self, client: WorkspaceClient, folder: str) -> None:
        super().__init__(interval=SECONDS, client=client, volume_path=folder)

    @contextmanager
    def get_params(self) -> Iterator[PipesParams]:
        yield {"path": self.volume_path, PipesBlobStoreMessageWriter.INCLUDE_STDIO_IN_MESSAGES_KEY: True}

    def download_messages_chunk(self, index: int, params: PipesParams) -> str | None:
        """The messages of a file, once it's whole: our writer ends it with a line end."""
        text = super().download_messages_chunk(index, params)
        return text if text and text.endswith("\n") else None
