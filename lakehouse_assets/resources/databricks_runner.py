"""A runner that sends what is asked of a step to a job, and has its report from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import dagster as dg

from lakehouse_assets.engine.compile.assets import Runner, request_of
from lakehouse_assets.engine.compile.names import op_name
from lakehouse_assets.engine.errors import JobFailed, LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.run.plain_json import error_of, from_json
from lakehouse_assets.engine.run.report import Failure, Report
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.engine.spec.compute import Cluster, Compute
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.private.dagster import steps_of_run
from lakehouse_assets.resources.databricks import DatabricksResource
from lakehouse_assets.resources.databricks_jobs import output, succeeded, told_of, why_it_failed
from lakehouse_assets.resources.databricks_pipes import Heard, JobInFolder


def on_databricks(lakehouse: Lakehouse) -> Runner:
    """A runner whose requests are carried out by jobs, on the compute that their tables are declared for."""

    def run(request: Request, context: dg.AssetExecutionContext) -> Report:
        databricks: DatabricksResource = context.resources.databricks
        table, requests = lakehouse.tables[request.table], together(request, context, lakehouse)
        group = table.domain if lakehouse.domains[table.domain].run_as_one_job else table.key
        with databricks.claimed(group, requests, table.key, context) as (claim, last):
            pipes = JobInFolder(databricks.client(), claim.folder, table.key, databricks.poll_seconds)
            heard = pipes.run(context, databricks.job(claim, compute_of(table, lakehouse)), to_its_end=last)
        if last and (printed := output(databricks.client(), heard.run)):
            print(printed)  # into the step's output, as it would be here
        return _report(request, heard, pipes)

    return Runner(run, frozenset({"databricks", "lake"}))


def compute_of(table: Table, lakehouse: Lakehouse) -> Compute:
    """What computes a table: what it says, else its domain, else a small cluster."""
    return table.compute or lakehouse.domains[table.domain].compute or Cluster()


def together(request: Request, context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> Sequence[Request]:
    """The requests that one job carries out: this one and, in a domain that runs as one job, those of the run's other
    steps that need the same compute, and nothing of this run that isn't in the job or done.

    A table of days is alone in a backfill, as its days are those of its step.
    """
    table, steps = lakehouse.tables[request.table], steps_of_run(context)
    alone = {t.key for t in lakehouse.tables.values() if t.partitions} if _is_backfill(context) else set()
    if not lakehouse.domains[table.domain].run_as_one_job or table.key in alone:
        return [request]
    stats = context.instance.get_run_step_stats(context.run.run_id)
    waiting = steps - {step.step_key for step in stats if step.status and step.status.value == "SUCCESS"}
    chosen: dict[str, Request] = {}
    for other in (t for t in lakehouse.tables.values() if op_name(t.key) in waiting and t.key not in alone):
        ready = not (_steps_before(other, lakehouse) & waiting - _steps(chosen))
        if other.key == table.key:
            chosen[other.key] = request
        elif ready and other.domain == table.domain and compute_of(other, lakehouse) == compute_of(table, lakehouse):
            chosen[other.key] = request_of(other, context)
    return list(chosen.values())


def _is_backfill(context: dg.AssetExecutionContext) -> bool:
    return bool(context.has_partition_key or context.has_partition_key_range)


def _steps(keys: dict[str, Request]) -> set[str]:
    return {op_name(key) for key in keys}


def _steps_before(table: Table, lakehouse: Lakehouse) -> set[str]:
    return {op_name(key) for key in lakehouse.upstreams(table).values()} | {f"{table.domain}__landing__{table.name}"}


def _report(request: Request, heard: Heard, pipes: JobInFolder) -> Report:
    told = {kind: text for message in heard.messages for kind, text in message.items()}
    if "failure" in told:
        error = error_of(from_json(Failure, told["failure"]))
        error.details = (*error.details, f"on Databricks: {heard.run.run_page_url}")
        raise error
    if "report" not in told:
        raise _failed(request, heard, pipes)
    return replace(from_json(Report, told["report"]), job=told_of(heard.run))


def _failed(request: Request, heard: Heard, pipes: JobInFolder) -> LakehouseError:
    run = heard.run
    end, said = why_it_failed(pipes.client, run)
    why = f"ended as {end}" if not succeeded(run) else "ended well, but without a report"
    return JobFailed(
        f"Running {request.table} on Databricks: job run {run.run_id} {why}; see {run.run_page_url}, and run the table "
        "again", said,
    )  # fmt: skip
