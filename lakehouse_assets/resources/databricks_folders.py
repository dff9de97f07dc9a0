"""The folders that jobs send their messages to: one for each, until its messages are heard to the end.

A folder whose Dagster run has ended is that of a job which outlived it. The next run of the table adopts that job if it
asks for the same, and cancels it otherwise.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from dagster_pipes import DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT, DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT, encode_param

from lakehouse_assets.engine.compile.in_flight import has_ended
from lakehouse_assets.engine.run.plain_json import from_json
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.resources.job_files import JobFiles

if TYPE_CHECKING:
    import dagster as dg

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
    """The folders of a group's jobs, under `root`."""

    files: JobFiles
    root: str
    group: str

    def outlived(self, context: dg.AssetExecutionContext) -> list[Claim]:
        """The folders whose Dagster run has ended, or is this one, which began before. They are this run's from now on.

        A run that Dagster doesn't know may be that of another Dagster, so its folder is left alone.
        """
        group = f"{self.root}/{self.group}"
        found = [self._read(f"{group}/{name}") for name in self.files.names(group)]
        ended = [it for it in found if it and self._has_ended(it, context)]
        return [self._kept(replace(it, owner=context.run.run_id)) for it in ended]

    def new(self, requests: Sequence[str], owner: str) -> Claim:
        """A folder for a job that is about to be submitted, named by the Dagster run and the job's token."""
        token = uuid.uuid4().hex
        claim = Claim(f"{self.root}/{self.group}/{owner}-{token[:8]}", self.group, owner, token, tuple(requests))
        self.files.make_folder(claim.folder)
        return self._kept(claim)

    def drop(self, claim: Claim) -> None:
        """Delete a folder with all that is in it; what says whose it is, last."""
        for table in claim.tables:
            self._delete(f"{claim.folder}/{table}")
        self._delete(claim.folder)

    def _delete(self, folder: str) -> None:
        for name in sorted(self.files.names(folder), key=lambda name: name == CLAIM):
            self.files.delete(f"{folder}/{name}")
        self.files.delete_folder(folder)

    def _has_ended(self, claim: Claim, context: dg.AssetExecutionContext) -> bool:
        run = context.instance.get_run_by_id(claim.owner)
        return run is not None and (has_ended(run) or claim.owner == context.run.run_id)

    def _kept(self, claim: Claim) -> Claim:
        # The claim first: without one nobody finds the folder, and who finds it writes the requests again.
        self.files.write(f"{claim.folder}/{CLAIM}", json.dumps(asdict(claim)))
        self.files.write(claim.file, "".join(f"{request}\n" for request in claim.requests))
        return claim

    def _read(self, folder: str) -> Claim | None:
        text = self.files.read(f"{folder}/{CLAIM}")
        told = json.loads(text) if text else None
        return Claim(**{**told, "requests": tuple(told["requests"])}) if told else None
