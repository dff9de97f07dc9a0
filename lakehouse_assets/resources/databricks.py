"""Databricks, for every step that a cluster computes: the workspace, and the jobs of a Dagster run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import PrivateAttr

from lakehouse_assets.engine.compile.jobs_of_others.cursor import ForeignRun
from lakehouse_assets.engine.deploy.databricks_job import Program, environments, task, task_key
from lakehouse_assets.engine.errors import SettingsError, WorkspaceUnavailable
from lakehouse_assets.engine.run.plain_json import from_json, to_json
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.engine.spec.compute import Cluster, Compute
from lakehouse_assets.engine.spec.elsewhere.tasks import Job
from lakehouse_assets.resources import databricks_jobs_of_others as jobs_of_others
from lakehouse_assets.resources.databricks_folders import Claim, Folders
from lakehouse_assets.resources.databricks_jobs import cancel, failed, patiently, submit, wait
from lakehouse_assets.resources.job_files import JobFiles, files_of
from lakehouse_assets.settings import Settings

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


@dataclass(frozen=True)
class Asked:
    """What a step asks of a job: its table, the requests that go together, the group that they are of (the table, or
    its domain), and what computes them. `first` is the task that makes the table, if that is none of ours; the
    requests are carried out behind it.
    """

    table: str
    requests: Sequence[Request]
    group: str
    compute: Compute
    first: Mapping[str, Any] = field(default_factory=dict)


class DatabricksResource(dg.ConfigurableResource[None]):
    """A Databricks workspace, as its own tools are told of it: by DATABRICKS_HOST with a token, an OAuth client or an
    Azure service principal, or by a profile. None of that is kept here.

    `volume` is the folder for messages, of a Unity Catalog volume or of Azure Storage; `wheels` are those that a job
    installs. `places` are the arguments that say where the lakehouse is. A job is looked at each `poll_seconds`.
    """

    volume: str
    wheels: list[str]
    places: list[str]
    poll_seconds: float = 5

    # The jobs that this Dagster run waits for, each with the tables that it needn't tell of any more.
    _claims: dict[Claim, set[str]] = PrivateAttr(default_factory=dict)
    _client: Any = PrivateAttr(default=None)
    _files: JobFiles | None = PrivateAttr(default=None)

    @classmethod
    def from_settings(cls, settings: Settings) -> DatabricksResource:
        """
        Raises:
            SettingsError: there is no folder for messages, or no wheel.
        """
        if not settings.databricks_volume:
            raise SettingsError(
                "LAKEHOUSE_COMPUTE is `databricks`, and jobs need a folder for their messages; set "
                "LAKEHOUSE_DATABRICKS_VOLUME to one of a volume, /Volumes/CATALOG/SCHEMA/VOLUME/FOLDER, or of Azure "
                "Storage, abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER"
            )
        if not settings.databricks_wheels:
            raise SettingsError(
                "LAKEHOUSE_DATABRICKS_VOLUME is in Azure Storage, and serverless compute takes no wheel from there; "
                "set LAKEHOUSE_DATABRICKS_WHEELS to where the workspace has it, /Workspace/… or /Volumes/…"
            )
        return cls(
            volume=settings.databricks_volume, wheels=[*settings.databricks_wheels], places=_places(settings)
        )  # fmt: skip

    def client(self, patience: int = 60) -> WorkspaceClient:
        """The workspace, whose SDK asks one that doesn't answer again for `patience` seconds.

        Raises:
            SettingsError: it isn't told where it is or how to sign in, is told more than one way to, or is refused.
            WorkspaceUnavailable: it doesn't answer.
        """
        if self._client is None:
            try:
                self._client = patiently(lambda: _signed_in(patience), patience)
            except ValueError as error:
                raise SettingsError(
                    f"Signing in to Databricks: {str(error).splitlines()[0]}; set DATABRICKS_HOST, and one of "
                    "DATABRICKS_TOKEN, DATABRICKS_CLIENT_ID with DATABRICKS_CLIENT_SECRET, ARM_CLIENT_ID with "
                    "ARM_CLIENT_SECRET and ARM_TENANT_ID, or DATABRICKS_CONFIG_PROFILE; where several ways are set, "
                    "DATABRICKS_AUTH_TYPE says which"
                ) from error
        found: WorkspaceClient = self._client
        return found

    def files(self) -> JobFiles:
        """The files of jobs.

        Raises:
            SettingsError: as `client`, or the folder is in an account that this process isn't told the way to.
        """
        if self._files is None:
            self._files = files_of(self.volume, self.client)
        return self._files

    def runs_of(self, job: Job, since: int) -> list[ForeignRun]:
        """See `databricks_jobs_of_others`, here and below."""
        return jobs_of_others.runs_of(self._for_a_moment(), job, since)

    def last_run_of(self, job: Job) -> ForeignRun | None:
        return jobs_of_others.last_run_of(self._for_a_moment(), job)

    def why_failed(self, run: int) -> list[str]:
        return jobs_of_others.why_failed(self._for_a_moment(), run)

    def _for_a_moment(self) -> WorkspaceClient:
        return self.client(int(jobs_of_others.PATIENCE))

    def job(self, claim: Claim, compute: Compute, first: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The job of a claim, as the Jobs API takes it; by its token it's submitted once, however often this is."""
        program = Program((*claim.parameters, *self.places), tuple(self.wheels))
        own = task(task_key(claim.group), program, compute, [first["task_key"]] if first else [])
        return {
            "run_name": claim.group,
            "idempotency_token": claim.token,
            "tasks": [first, own] if first else [own],
            "environments": environments(compute, self.wheels),
        }

    @contextmanager
    def claimed(self, asked: Asked, context: dg.AssetExecutionContext) -> Iterator[tuple[Claim, bool]]:
        """The claim on the job that carries out what a step asks for, and whether this is the last table that the job
        has to tell of. This run has begun the job, or it outlived its Dagster run, or it's a new one.
        """
        claim = self._promising(asked.table) or self._found(asked, context)
        heard = self._claims.setdefault(claim, set())
        try:
            yield claim, heard | {asked.table} == set(claim.tables)
        except WorkspaceUnavailable:
            del self._claims[claim]  # the job may go on, and the next run will find it
            raise
        heard.add(asked.table)

    @property
    def promised(self) -> set[str]:
        """The tables that a job of this run has still to tell of."""
        return {table for claim, heard in self._claims.items() for table in {*claim.tables} - heard}

    def expect_no_more(self, claim: Claim, tables: AbstractSet[str]) -> None:
        """Some tables of a job are left out by it, so a step that is tried again may ask another job for them."""
        self._claims[claim] |= tables & set(claim.tables)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Leave no job behind: those that are waited for no more are cancelled, and their messages deleted."""
        for claim, heard in self._claims.items():
            try:
                self._end(claim, Cluster(), heard == set(claim.tables))
            except WorkspaceUnavailable as error:
                assert context.log  # noqa: S101  (a run has one)
                context.log.warning(f"{error}; the next run of {claim.group} ends its job")

    def _promising(self, table: str) -> Claim | None:
        return next((it for it, heard in self._claims.items() if table in it.tables and table not in heard), None)

    def _found(self, asked: Asked, context: dg.AssetExecutionContext) -> Claim:
        """A claim on a job that outlived its Dagster run and does what is asked for, or on a new one. Others that
        outlived theirs are cancelled.
        """
        folders, requests = self._folders(asked.group), tuple(to_json(it) for it in asked.requests)
        mine = None
        for claim in [claim for claim in folders.outlived(context) if claim not in self._claims]:
            # By its token the run that is there is found; one that was never submitted is now.
            run = submit(self.client(), self.job(claim, asked.compute, asked.first))
            if mine is None and _alike(claim.requests, requests) and not failed(self.client(), run):
                context.log.info(f"job run {run} outlived the Dagster run that began it; its end is awaited here")
                mine = claim
            else:
                self._end(claim, asked.compute)
        return mine or folders.new(requests, context.run.run_id)

    def _end(self, claim: Claim, compute: Compute, heard: bool = False) -> None:
        client, run = self.client(), submit(self.client(), self.job(claim, compute))
        if heard:
            wait(client, run, self.poll_seconds)
        else:
            cancel(client, run, self.poll_seconds)
        self._folders(claim.group).drop(claim)

    def _folders(self, group: str) -> Folders:
        return Folders(self.files(), f"{self.volume.rstrip('/')}/runs", group)


def _alike(some: Sequence[str], others: Sequence[str]) -> bool:
    """Whether requests ask for the same; what there was before a task is another matter once it has made something."""
    first, second = ([replace(from_json(Request, it), made_since=None) for it in them] for them in (some, others))
    return first == second


def _signed_in(patience: int) -> WorkspaceClient:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

    made = WorkspaceClient(config=Config(retry_timeout_seconds=patience))
    made.config.authenticate()  # an OAuth client is given its token here, or is refused
    return made


def _places(settings: Settings) -> list[str]:
    told = {
        "lake": settings.lake, "landing": settings.landing, "catalog": settings.catalog,
        "domains": settings.domains, "secrets": settings.databricks_secrets,
    }  # fmt: skip
    given = [text for name, value in told.items() if value for text in (f"--{name}", value)]
    return given + (["--by-factory"] if settings.data_factory else [])
