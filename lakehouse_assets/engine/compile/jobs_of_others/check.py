"""The check that the last run of a job of others went well. (Dagster reads its annotations, so none is postponed.)"""

import dagster as dg

from lakehouse_assets.engine.compile.jobs_of_others.sensor import CHECK, Workspace, external, verdict
from lakehouse_assets.engine.compile.names import asset_key
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.markdown import as_text
from lakehouse_assets.engine.spec.table import Table


def job_check(table: Table) -> dg.AssetChecksDefinition:
    """The check that the last run of a table's job went well. The sensor tells of each; to run the check looks anew."""

    @dg.asset_check(
        asset=asset_key(table.key),
        name=CHECK,
        description="The last run of the job that makes it went well.",
        required_resource_keys={"databricks"},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        workspace: Workspace = context.resources.databricks
        try:
            run = workspace.last_run_of(external(table).job)
            return verdict(run, workspace) if run else _never_ran(table)
        except LakehouseError as error:
            raise dg.Failure(str(error), allow_retries=False) from error

    return check


def _never_ran(table: Table) -> dg.AssetCheckResult:
    told = f"The workspace has no run of {table.made_by} that has ended."
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description=as_text(told))
