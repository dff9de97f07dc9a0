"""Databricks, for every step that a cluster computes: the workspace, and the jobs of a Dagster run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import PrivateAttr

from lakehouse_assets.engine.deploy.databricks_job import Program, environments, task
from lakehouse_assets.engine.errors import SettingsError, WorkspaceUnavailable
from lakehouse_assets.engine.run.plain_json import to_json
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.engine.spec.compute import Cluster, Compute
from lakehouse_assets.resources.databricks_folders import Claim, Folders
from lakehouse_assets.resources.databricks_jobs import cancel, failed, submit, wait
from lakehouse_assets.settings import Settings

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

ENTRY_POINT = "lakehouse-run-asset"


class DatabricksResource(dg.ConfigurableResource[None]):
    """A Databricks workspace, as its own tools are told of it: by DATABRICKS_HOST with a token, an OAuth client or an
    Azure service principal, or by a profile. None of that is kept here.

    `volume` is the folder of a Unity Catalog volume for messages, `wheels` are those that a job installs. `places` are
    the arguments that say where the lakehouse is. A job is looked at each `poll_seconds`.
    """

    volume: str
    wheels: list[str]
    places: list[str]
    poll_seconds: float = 5

    # The jobs that this Dagster run waits for, each with the tables whose reports it has heard.
    _claims: dict[Claim, set[str]] = PrivateAttr(default_factory=dict)
    _client: Any = PrivateAttr(default=None)

    @classmethod
    def from_settings(cls, settings: Settings) -> DatabricksResource:
        """
        Raises:
            SettingsError: there is no volume.
        """
        if not settings.databricks_volume:
            raise SettingsError(
                "LAKEHOUSE_COMPUTE is `databricks`, and jobs need a folder for their messages; set "
                "LAKEHOUSE_DATABRICKS_VOLUME to one of a volume, /Volumes/CATALOG/SCHEMA/VOLUME/FOLDER"
            )
        return cls(
            volume=settings.databricks_volume, wheels=[*settings.databricks_wheels], places=_places(settings)
        )  # fmt: skip

    def client(self, patience: int = 60) -> WorkspaceClient:
        """The workspace, whose SDK asks one that doesn't answer again for `patience` seconds.

        Raises:
            SettingsError: it isn't told where it is or how to sign in, or it's told more than one way to.
        """
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.config import Config

        if self._client is None:
            try:
                self._client = WorkspaceClient(config=Config(retry_timeout_seconds=patience))
            except ValueError as error:
                raise SettingsError(
                    f"Signing in to Databricks: {str(error).splitlines()[0]}; set DATABRICKS_HOST, and one of "
                    "DATABRICKS_TOKEN, DATABRICKS_CLIENT_ID with DATABRICKS_CLIENT_SECRET, ARM_CLIENT_ID with "
                    "ARM_CLIENT_SECRET and ARM_TENANT_ID, or DATABRICKS_CONFIG_PROFILE; where several ways are set, "
                    "DATABRICKS_AUTH_TYPE says which"
                ) from error
        found: WorkspaceClient = self._client
        return found

    def job(self, claim: Claim, compute: Compute) -> dict[str, Any]:
        """The job of a claim, as the Jobs API takes it; by its token it's submitted once, however often this is."""
        # By a file, as the Jobs API takes 10,000 bytes of parameters, and a domain may have hundreds of tables.
        program = Program(ENTRY_POINT, ("--requests", claim.file, *self.places), tuple(self.wheels))
        return {
            "run_name": claim.group,
            "idempotency_token": claim.token,
            "tasks": [task(claim.group.replace(".", "_"), program, compute)],
            "environments": environments(compute, self.wheels),
        }

    @contextmanager
    def claimed(
        self, group: str, requests: Sequence[Request], table: str, context: dg.AssetExecutionContext
    ) -> Iterator[tuple[Claim, bool]]:
        """The claim on the job that carries out the request of a table among others, and whether it's the last table of
        the job: one that this run has begun, or that outlived its Dagster run, or a new one.
        """
        # Those that a job of this run has still to tell of aren't asked for again, as by a step that is tried again.
        asked = [it for it in requests if it.table == table or not self._begun(it.table)]
        claim = self._begun(table) or self._adopted(group, asked, context) or self._new(group, asked, context)
        heard = self._claims.setdefault(claim, set())
        try:
            yield claim, heard | {table} == set(claim.tables)
        except WorkspaceUnavailable:
            del self._claims[claim]  # the job may go on, and the next run will find it
            raise
        heard.add(table)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002  (Dagster hands it over)
        """Leave no job behind: those that are waited for no more are cancelled, and their messages deleted."""
        for claim, heard in self._claims.items():
            self._end(claim, heard == set(claim.tables))

    def _begun(self, table: str) -> Claim | None:
        return next((it for it, heard in self._claims.items() if table in it.tables and table not in heard), None)

    def _new(self, group: str, requests: Sequence[Request], context: dg.AssetExecutionContext) -> Claim:
        return self._folders(group).new([to_json(it) for it in requests], len(self._claims), context.run.run_id)

    def _adopted(
        self, group: str, requests: Sequence[Request], context: dg.AssetExecutionContext
    ) -> Claim | None:  # fmt: skip
        """A claim on a job that outlived its Dagster run and does what is asked for. Others are cancelled."""
        mine, asked = None, tuple(to_json(it) for it in requests)
        there = [claim for claim in self._folders(group).outlived(context) if claim not in self._claims]
        for claim in there:
            run = self._run_of(claim)
            if mine is None and claim.requests == asked and not failed(self.client(), run):
                context.log.info(f"job run {run} outlived the Dagster run that began it; its end is awaited here")
                mine = claim
            else:
                self._end(claim)
        return mine

    def _end(self, claim: Claim, heard: bool = False) -> None:
        client, run = self.client(), self._run_of(claim)
        if heard:
            wait(client, run, self.poll_seconds)
        else:
            cancel(client, run, self.poll_seconds)
        self._folders(claim.group).drop(claim)

    def _run_of(self, claim: Claim) -> int:
        # By its token the run that is there is found, whatever else the job says.
        return submit(self.client(), self.job(claim, Cluster()))

    def _folders(self, group: str) -> Folders:
        return Folders(self.client(), f"{self.volume.rstrip('/')}/runs", group)


def _places(settings: Settings) -> list[str]:
    told = {
        "lake": settings.lake, "landing": settings.landing, "catalog": settings.catalog,
        "domains": settings.domains, "secrets": settings.databricks_secrets,
    }  # fmt: skip
    given = [text for name, value in told.items() if value for text in (f"--{name}", value)]
    return given + (["--by-factory"] if settings.data_factory else [])
