"""Dagster's Pipes client for Databricks, with the folder of its messages given, and no end of a job but success.

That of dagster-databricks 0.29.27 takes a cancelled job for a success, and makes up the folder of its messages, so
what a job says that outlived its Dagster is heard by nobody.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from threading import Event
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_databricks.pipes import PipesDatabricksServerlessClient
from dagster_pipes import PipesContextData, PipesParams

from lakehouse_assets.private.dagster import free_of_event_stream
from lakehouse_assets.resources.databricks_folders import CONTEXT
from lakehouse_assets.resources.databricks_jobs import submit, wait
from lakehouse_assets.resources.job_files import JobFiles

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import Run

SECONDS = 1  # from look to look for messages


@dataclass(frozen=True)
class Heard:
    """What a job said of a table by messages of our own, and the run of the job as it was then."""

    messages: list[Any]
    run: Run

    @property
    def told(self) -> dict[str, str]:
        """The report or the failure, by the name of its kind; nothing if the job said neither."""
        return {kind: text for message in self.messages for kind, text in message.items()}


class JobInFolder(PipesDatabricksServerlessClient):
    """A job whose messages about a table are in a folder of that name, in the job's own folder.

    It runs on any compute, as Pipes' parameters are those of the task. They are the claim's, so that whoever finds the
    job by its token asks for the same job.
    """

    def __init__(self, client: WorkspaceClient, files: JobFiles, folder: str, table: str, poll: float) -> None:
        context, messages = _Context(files, folder), _Messages(files, folder, table)
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
            run = submit(self.client, job)
            handler = session.message_handler
            enough = (lambda: False) if to_its_end else (lambda: handler.received_closed_message)
            ended = wait(self.client, run, self.poll_interval_seconds, context.log.info, enough)
        free_of_event_stream(context)
        return Heard(list(session.get_custom_messages()), ended)


class _Context(dg.PipesContextInjector):
    """Writes the context of the first step alone: the job reads it again for each table, while other steps join."""

    def __init__(self, files: JobFiles, folder: str) -> None:
        self.files, self.path = files, f"{folder}/{CONTEXT}"

    @contextmanager
    def inject_context(self, context: PipesContextData) -> Iterator[PipesParams]:
        self.files.create(self.path, json.dumps(context))
        yield {"path": self.path}

    def no_messages_debug_text(self) -> str:
        return f"The context was written to {self.path}, where `dbfs_jobs` reads it."


class _Messages(dg.PipesMessageReader):
    """Reads what is said of a table, file by file. The job is told the folder above, as it says something of several.

    The readers of dagster-databricks and dagster-azure make up the folder, take a refusal for a message that isn't
    there yet, and wait ten seconds for more of a job that has ended.
    """

    def __init__(self, files: JobFiles, folder: str, table: str) -> None:
        self.files, self.folder, self.table = files, folder, table

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Iterator[PipesParams]:
        over = Event()
        with ThreadPoolExecutor(1) as pool:
            listening = pool.submit(self._listen, handler, over)
            try:
                yield {"path": self.folder}
            finally:
                over.set()
        listening.result()

    def _listen(self, handler: dg.PipesMessageHandler, over: Event) -> None:
        numbers, last = count(1), False
        number = next(numbers)
        while not handler.received_closed_message:
            if text := self._file(f"{self.folder}/{self.table}/{number}.json"):
                handler.handle_message(json.loads(text))
                number = next(numbers)
            elif last:
                return
            else:
                over.wait(SECONDS)
                last = over.is_set()

    def _file(self, path: str) -> str | None:
        """The text of a file; None until it's whole, which its writer shows by a line end."""
        text = self.files.read(path) or ""
        return text if text.endswith("\n") else None

    def no_messages_debug_text(self) -> str:
        return f"Messages were looked for in {self.folder}/{self.table}, where `dbfs_jobs` writes them."
