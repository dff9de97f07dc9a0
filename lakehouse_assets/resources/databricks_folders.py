"""The folders of a volume that jobs send their messages to: one for each, until its messages are heard to the end.

A folder whose Dagster run has ended is that of a job which outlived it. The next run of the table adopts that job if it
asks for the same, and cancels it otherwise.
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import dagster as dg

from lakehouse_assets.engine.compile.in_flight import has_ended
from lakehouse_assets.engine.run.plain_json import to_json
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.resources.databricks_jobs import patiently

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

T = TypeVar("T")

CLAIM = "claim.json"


@dataclass(frozen=True)
class Claim:
    """A folder: whose it is, by the id of a Dagster run, the idempotency token of its job, and what that is asked."""

    folder: str
    owner: str
    token: str
    request: str


@dataclass(frozen=True)
class Folders:
    """The folders of a table's jobs, under `root` in a volume."""

    client: WorkspaceClient
    root: str

    def outlived(self, context: dg.AssetExecutionContext) -> list[Claim]:
        """The folders whose Dagster run has ended, or is this one, which began before. They are this run's from now on.

        A run that Dagster doesn't know may be that of another Dagster, so its folder is left alone.
        """
        found = [self._read(f"{self.root}/{name}") for name in self._names(self.root)]
        ended = [it for it in found if it and self._has_ended(it, context)]
        return [self._kept(replace(it, owner=context.run.run_id)) for it in ended]

    def new(self, request: Request, context: dg.AssetExecutionContext) -> Claim:
        """A folder for a job that is about to be submitted; its name has the run, and which of its attempts this is."""
        folder = f"{self.root}/{context.run.run_id}-{context.retry_number}"
        patiently(lambda: self.client.files.create_directory(folder))
        return self._kept(Claim(folder, context.run.run_id, uuid.uuid4().hex, to_json(request)))

    def drop(self, claim: Claim) -> None:
        """Delete a folder with all that is in it; what says whose it is, last."""
        files = self.client.files
        for name in sorted(self._names(claim.folder), key=lambda name: name == CLAIM):
            self._if_there(lambda name=name: files.delete(f"{claim.folder}/{name}"))  # type: ignore[misc]
        self._if_there(lambda: files.delete_directory(claim.folder))

    def _has_ended(self, claim: Claim, context: dg.AssetExecutionContext) -> bool:
        run = context.instance.get_run_by_id(claim.owner)
        return run is not None and (has_ended(run) or claim.owner == context.run.run_id)

    def _kept(self, claim: Claim) -> Claim:
        text = json.dumps(asdict(claim)).encode()
        patiently(lambda: self.client.files.upload(f"{claim.folder}/{CLAIM}", io.BytesIO(text), overwrite=True))
        return claim

    def _read(self, folder: str) -> Claim | None:
        def claim() -> Claim | None:
            contents = self.client.files.download(f"{folder}/{CLAIM}").contents
            return Claim(**json.loads(contents.read())) if contents else None

        return self._if_there(claim)

    def _names(self, folder: str) -> list[str]:
        listed = self.client.files.list_directory_contents
        return self._if_there(lambda: [it.name for it in listed(folder) if it.name]) or []

    def _if_there(self, ask: Callable[[], T]) -> T | None:
        """What is asked of a file or folder; None where it isn't there, or went when it was asked before."""
        from databricks.sdk.errors import NotFound

        def asked() -> T | None:
            with suppress(NotFound):
                return ask()
            return None

        return patiently(asked)
