"""A runner that sends what is asked of a step to a job, and has its report from there."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg

from lakehouse_assets.engine.compile.assets import Runner, request_of
from lakehouse_assets.engine.compile.names import landing_op, op_name
from lakehouse_assets.engine.deploy.databricks_job import compute_of
from lakehouse_assets.engine.deploy.databricks_tasks import Place, task_of
from lakehouse_assets.engine.errors import JobFailed, LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.places import Lake, TableRef
from lakehouse_assets.engine.plan.plan import Logs
from lakehouse_assets.engine.plan.planner import plan_table
from lakehouse_assets.engine.run.made_elsewhere import version_of
from lakehouse_assets.engine.run.plain_json import error_of, from_json
from lakehouse_assets.engine.run.report import Failure, Report, Stored
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.private.dagster import steps_of_run
from lakehouse_assets.resources.databricks import Asked, DatabricksResource
from lakehouse_assets.resources.databricks_jobs import ended, outputs_of, succeeded, told_of, why_it_failed
from lakehouse_assets.resources.databricks_pipes import Heard, JobInFolder

if TYPE_CHECKING:
    from databricks.sdk.service.jobs import Run, RunOutput


def on_databricks(lakehouse: Lakehouse) -> Runner:
    """A runner whose requests are carried out by jobs, on the compute that their tables are declared for."""

    def run(request: Request, context: dg.AssetExecutionContext) -> Report:
        databricks: DatabricksResource = context.resources.databricks
        if waits := _waiting(request, context, lakehouse):
            return waits
        client, asked = databricks.client(), _asked(request, context, lakehouse)
        with databricks.claimed(asked, context) as (claim, last):
            pipes = JobInFolder(client, databricks.files(), claim.folder, request.table, databricks.poll_seconds)
            heard = pipes.run(context, databricks.job(claim, asked.compute, asked.first), to_its_end=last)
        outputs = outputs_of(client, heard.run) if ended(heard.run) else []
        if "failure" in heard.told:
            databricks.expect_no_more(claim, _left_out(request.table, claim.tables, lakehouse))
        if last:  # into the step's output, as it would be here
            print("".join(it.logs or "" for it in outputs), end="")
        return _report(request, heard, outputs)

    return Runner(run, frozenset({"databricks", "lake"}))


def _asked(request: Request, context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> Asked:
    if request.table in lakehouse.models:  # whose training is a job of its own
        return Asked(request.table, [request], request.table, compute_of(lakehouse.models[request.table], lakehouse))
    table = lakehouse.tables[request.table]
    compute = compute_of(table, lakehouse)
    if _is_made(request, table):
        lake: Lake = context.resources.lake.lake()
        first = task_of(table, lakehouse, lambda key: _place(lake.table(key)), request.full)
        return Asked(table.key, [replace(request, made_since=version_of(table, lake))], table.key, compute, first)
    group = table.domain if lakehouse.domains[table.domain].run_as_one_job and not table.task else table.key
    promised = context.resources.databricks.promised
    return Asked(table.key, together(request, context, lakehouse, promised), group, compute)


def _is_made(request: Request, table: Table) -> bool:
    """Whether a request is for the table's own task; its checks are judged without it."""
    return bool(table.task) and not (request.only_checks or request.replay or request.forget)


def _waiting(request: Request, context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> Report | None:
    """The report of a table whose task isn't run, as something that it reads isn't there yet."""
    table = lakehouse.tables.get(request.table)
    if table is None or not _is_made(request, table):
        return None
    lake: Lake = context.resources.lake.lake()
    plan, log = plan_table(table, lakehouse, Logs(lake)), read_log(lake.table(table.key))
    stored = Stored(log.id, log.version, log.rows) if log else None
    return Report(table.key, "nothing", plan.reason, 0, stored=stored) if plan.strategy == "nothing" else None


def _place(table: TableRef) -> Place:
    return Place(table.path, table.name)


def together(
    request: Request, context: dg.AssetExecutionContext, lakehouse: Lakehouse, promised: AbstractSet[str]
) -> Sequence[Request]:
    """The requests that one job carries out: this one and, in a domain that runs as one job, those of the run's steps
    that haven't begun, need the same compute, and read nothing of this run that isn't in the job or done. Those that
    are `promised` are in another job, as where a step is tried again.

    A table of days is alone in a backfill, as its days are those of its step. One with a task of its own always is.
    """
    table = lakehouse.tables[request.table]
    alone = {t.key for t in lakehouse.tables.values() if t.task or (t.partitions and _is_backfill(context))}
    if not lakehouse.domains[table.domain].run_as_one_job or table.key in alone:
        return [request]
    ends = {it.step_key: it.status for it in context.instance.get_run_step_stats(context.run.run_id)}
    waiting = steps_of_run(context) - {key for key, end in ends.items() if end and end.value == "SUCCESS"}
    chosen: dict[str, Request] = {}
    for other in (t for t in lakehouse.tables.values() if t.domain == table.domain):
        ready = not (_steps_before(other, lakehouse) & waiting - set(map(op_name, chosen)))
        fits = compute_of(other, lakehouse) == compute_of(table, lakehouse) and other.key not in alone
        if other.key == table.key:
            chosen[other.key] = request
        elif op_name(other.key) in waiting - ends.keys() - set(map(op_name, promised)) and ready and fits:
            chosen[other.key] = request_of(other, context)
    return list(chosen.values())


def _is_backfill(context: dg.AssetExecutionContext) -> bool:
    return bool(context.has_partition_key or context.has_partition_key_range)


def _steps_before(table: Table, lakehouse: Lakehouse) -> set[str]:
    return {op_name(key) for key in lakehouse.reads(table.key)} | {landing_op(table)}


def _left_out(failed: str, tables: Sequence[str], lakehouse: Lakehouse) -> set[str]:
    """The tables of a job that it leaves out, as they read one that failed, or one that is left out."""
    left = {failed}
    for key in tables:  # each after those that it reads
        if left & {*lakehouse.reads(key)}:
            left.add(key)
    return left


def _report(request: Request, heard: Heard, outputs: Sequence[RunOutput]) -> Report:
    told = heard.told
    if "failure" in told:
        error = error_of(from_json(Failure, told["failure"]))
        error.details = (*error.details, f"on Databricks: {heard.run.run_page_url}")
        raise error
    if "report" not in told:
        raise _failed(request, heard.run, outputs)
    report = replace(from_json(Report, told["report"]), job=told_of(heard.run))
    return replace(report, seconds=report.job.seconds) if report.strategy == "task" and report.job else report


def _failed(request: Request, run: Run, outputs: Sequence[RunOutput]) -> LakehouseError:
    end, said = why_it_failed(run, outputs)
    why = f"ended as {end}" if not succeeded(run) else "ended well, but without a report"
    return JobFailed(
        f"Running {request.table} on Databricks: job run {run.run_id} {why}; see {run.run_page_url}, and run the table "
        "again", said,
    )  # fmt: skip
