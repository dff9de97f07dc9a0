"""The folders of a volume that jobs send their messages to: one for each, until its messages are heard to the end.

A folder whose Dagster run has ended is that of a job which outlived it. The next run of the table adopts that job if it
asks for the same, and cancels it otherwise.
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from dagster_pipes import DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT, DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT, encode_param

from lakehouse_assets.engine.compile.in_flight import has_ended
from lakehouse_assets.engine.run.plain_json import from_json
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.resources.databricks_jobs import if_there, patiently

if TYPE_CHECKING:
    import dagster as dg
    from databricks.sdk import WorkspaceClient

CLAIM = "claim.json"
CONTEXT = "context.json"


@dataclass(frozen=True)
class Claim:
    """A job's folder: whose it is, by the id of a Dagster run, the job's idempotency token, and what it's asked.

    `group` is the table that the job is for, or the domain if it's for several. A folder in it has what was said of a
    table.
    """

    folder: str
    group: str
    owner: str
    token: str
    requests: tuple[str, ...]

    @property
    def file(self) -> str:
        """Where the job reads what it's asked, a request a line."""
        return f"{self.folder}/requests.jsonl"

    @property
    def parameters(self) -> tuple[str, ...]:
        """What the job's program is given: what it's asked, and where Pipes has its context and its messages."""
        context, messages = encode_param({"path": f"{self.folder}/{CONTEXT}"}), encode_param({"path": self.folder})
        pipes = (DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT, context, DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT, messages)
        # Requests are in a file, as the Jobs API takes 10,000 bytes of parameters, and a domain may have 300 tables.
        return ("--requests", self.file, *pipes)

    @property
    def tables(self) -> list[str]:
        return [from_json(Request, text).table for text in self.requests]


@dataclass(frozen=True)
class Folders:
    """The folders of a group's jobs, under `root` in a volume."""

    client: WorkspaceClient
    root: str
    group: str

    def outlived(self, context: dg.AssetExecutionContext) -> list[Claim]:
        """The folders whose Dagster run has ended, or is this one, which began before. They are this run's from now on.

        A run that Dagster doesn't know may be that of another Dagster, so its folder is left alone.
        """
        found = [self._read(f"{self.root}/{self.group}/{name}") for name in self._names(f"{self.root}/{self.group}")]
        ended = [it for it in found if it and self._has_ended(it, context)]
        return [self._kept(replace(it, owner=context.run.run_id)) for it in ended]

    def new(self, requests: Sequence[str], number: int, owner: str) -> Claim:
        """A folder for a job that is about to be submitted, named by the Dagster run and its number among the run's."""
        folder = f"{self.root}/{self.group}/{owner}-{number}"
        claim = Claim(folder, self.group, owner, uuid.uuid4().hex, tuple(requests))
        patiently(lambda: self.client.files.create_directory(folder))
        self._write(claim.file, "".join(f"{request}\n" for request in requests))
        return self._kept(claim)

    def drop(self, claim: Claim) -> None:
        """Delete a folder with all that is in it; what says whose it is, last."""
        for table in claim.tables:
            self._delete(f"{claim.folder}/{table}")
        self._delete(claim.folder)

    def _delete(self, folder: str) -> None:
        files = self.client.files
        for name in sorted(self._names(folder), key=lambda name: name == CLAIM):
            if_there(lambda name=name: files.delete(f"{folder}/{name}"))  # type: ignore[misc]
        if_there(lambda: files.delete_directory(folder))

    def _has_ended(self, claim: Claim, context: dg.AssetExecutionContext) -> bool:
        run = context.instance.get_run_by_id(claim.owner)
        return run is not None and (has_ended(run) or claim.owner == context.run.run_id)

    def _kept(self, claim: Claim) -> Claim:
        self._write(f"{claim.folder}/{CLAIM}", json.dumps(asdict(claim)))
        return claim

    def _write(self, path: str, text: str) -> None:
        patiently(lambda: self.client.files.upload(path, io.BytesIO(text.encode()), overwrite=True))

    def _read(self, folder: str) -> Claim | None:
        def claim() -> Claim | None:
            contents = self.client.files.download(f"{folder}/{CLAIM}").contents
            told = json.loads(contents.read()) if contents else None
            return Claim(**{**told, "requests": tuple(told["requests"])}) if told else None

        return if_there(claim)

    def _names(self, folder: str) -> list[str]:
        listed = self.client.files.list_directory_contents
        return if_there(lambda: [it.name for it in listed(folder) if it.name]) or []
