"""Databricks, for every step that a cluster computes: the workspace, and the runner that sends it requests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg

from lakehouse_assets.engine.compile.assets import Runner
from lakehouse_assets.engine.deploy.databricks_job import Program, environments, task
from lakehouse_assets.engine.errors import JobFailed, LakehouseError, SettingsError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.run.plain_json import error_of, from_json, to_json
from lakehouse_assets.engine.run.report import Failure, Report
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.engine.spec.compute import Cluster, Compute
from lakehouse_assets.resources.databricks_folders import Claim, Folders
from lakehouse_assets.resources.databricks_jobs import cancel, failed, submit, succeeded, told_of, why_it_failed
from lakehouse_assets.settings import Settings

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from lakehouse_assets.resources.databricks_pipes import JobInFolder

ENTRY_POINT = "lakehouse-run-asset"


class DatabricksResource(dg.ConfigurableResource[None]):
    """A Databricks workspace, as its own tools are told of it: by DATABRICKS_HOST with a token, an OAuth client or an
    Azure service principal, or by a profile. None of that is kept here.

    `volume` is the folder of a Unity Catalog volume for messages, `wheels` are those that a job installs.
    `places` are the arguments that say where the lakehouse is. A job is looked at each `poll_seconds`.
    """

    volume: str
    wheels: list[str]
    places: list[str]
    poll_seconds: float = 5

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
        return cls(volume=settings.databricks_volume, wheels=[*settings.databricks_wheels], places=_places(settings))

    def client(self) -> WorkspaceClient:
        """The workspace.

        Raises:
            SettingsError: it isn't told where it is or how to sign in, or it's told more than one way to.
        """
        from databricks.sdk import WorkspaceClient

        try:
            return WorkspaceClient()
        except ValueError as error:
            raise SettingsError(
                f"Signing in to Databricks: {str(error).splitlines()[0]}; set DATABRICKS_HOST, and one of "
                "DATABRICKS_TOKEN, DATABRICKS_CLIENT_ID with DATABRICKS_CLIENT_SECRET, ARM_CLIENT_ID with "
                "ARM_CLIENT_SECRET and ARM_TENANT_ID, or DATABRICKS_CONFIG_PROFILE; where several ways are set, "
                "DATABRICKS_AUTH_TYPE says which"
            ) from error

    def folders(self, table: str) -> Folders:
        return Folders(self.client(), f"{self.volume.rstrip('/')}/runs/{table}")

    def job(self, request: Request, compute: Compute, token: str) -> dict[str, Any]:
        """The job that carries out a request, as the Jobs API takes it."""
        program = Program(ENTRY_POINT, ("--request", to_json(request), *self.places), tuple(self.wheels))
        return {
            "run_name": request.table,
            "idempotency_token": token,
            "tasks": [task(request.table.replace(".", "_"), program, compute)],
            "environments": environments(compute, self.wheels),
        }


def _places(settings: Settings) -> list[str]:
    told = {
        "lake": settings.lake, "landing": settings.landing, "catalog": settings.catalog,
        "domains": settings.domains, "secrets": settings.databricks_secrets,
    }  # fmt: skip
    given = [text for name, value in told.items() if value for text in (f"--{name}", value)]
    return given + (["--by-factory"] if settings.data_factory else [])


def on_databricks(lakehouse: Lakehouse) -> Runner:
    """A runner whose requests are carried out by jobs, on the compute that their tables are declared for."""

    def run(request: Request, context: dg.AssetExecutionContext) -> Report:
        return carried_out(request, compute_of(request.table, lakehouse), context)

    return Runner(run, frozenset({"databricks", "lake"}))


def compute_of(table: str, lakehouse: Lakehouse) -> Compute:
    """What computes a table: what it says, else its domain, else a small cluster."""
    found = lakehouse.tables[table]
    return found.compute or lakehouse.domains[found.domain].compute or Cluster()


def carried_out(request: Request, compute: Compute, context: dg.AssetExecutionContext) -> Report:
    """The report of the job that carried out a request: one that outlived its Dagster run, or a new one.

    Raises:
        JobFailed: the job ended otherwise than well, or without a report.
        LakehouseError: what went wrong on the cluster, as it would have here.
    """
    from databricks.sdk.service.jobs import SubmitTask

    from lakehouse_assets.resources.databricks_pipes import JobInFolder  # which loads what Dagster has for Databricks

    databricks: DatabricksResource = context.resources.databricks
    folders = databricks.folders(request.table)
    claim = _adopted(request, databricks, folders, context) or folders.new(request, context)
    pipes = JobInFolder(folders.client, claim.folder, databricks.poll_seconds)
    job = databricks.job(request, compute, claim.token)
    try:
        pipes.run(context=context, task=SubmitTask.from_dict(job.pop("tasks")[0]), submit_args=job)
    except dg.DagsterExecutionInterruptedError:
        folders.drop(claim)  # as its job is cancelled
        raise
    folders.drop(claim)
    return _report(request, pipes)


def _adopted(
    request: Request, databricks: DatabricksResource, folders: Folders, context: dg.AssetExecutionContext
) -> Claim | None:
    """The folder of a job that outlived its Dagster run and does what is asked for. Others are cancelled."""
    mine = None
    for claim in folders.outlived(context):
        # By its token the run that is there is found, whatever else the job says.
        run = submit(folders.client, databricks.job(request, Cluster(), claim.token))
        if mine is None and claim.request == to_json(request) and not failed(folders.client, run):
            context.log.info(f"job run {run} outlived the Dagster run that began it; its end is awaited here")
            mine = claim
        else:
            cancel(folders.client, run, databricks.poll_seconds)
            folders.drop(claim)
    return mine


def _report(request: Request, pipes: JobInFolder) -> Report:
    run = pipes.ended
    assert run is not None  # noqa: S101  (it has been waited for)
    told = {kind: text for message in pipes.messages for kind, text in message.items()}
    if "failure" in told:
        error = error_of(from_json(Failure, told["failure"]))
        error.details = (*error.details, f"on Databricks: {run.run_page_url}")
        raise error
    if not succeeded(run) or "report" not in told:
        raise _failed(request, pipes)
    return replace(from_json(Report, told["report"]), job=told_of(run))


def _failed(request: Request, pipes: JobInFolder) -> LakehouseError:
    run = pipes.ended
    assert run is not None  # noqa: S101
    end, said = why_it_failed(pipes.client, run)
    why = f"ended as {end}" if not succeeded(run) else "ended well, but without a report"
    return JobFailed(
        f"Running {request.table} on Databricks: job run {run.run_id} {why}; see {run.run_page_url}, and run the table "
        "again", said,
    )  # fmt: skip
