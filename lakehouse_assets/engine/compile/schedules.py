"""A domain as a job of all its tables, on the domain's schedule; and a job of every check, for CI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from lakehouse_assets.engine.spec.asset import Domain

if TYPE_CHECKING:
    from lakehouse_assets.private.dagster import Job


def domain_job(name: str, domain: Domain, aside: Sequence[dg.AssetCheckKey] = ()) -> Job:
    """All tables of a domain, without the checks that are no matter of its runs."""
    selection: dg.AssetSelection = dg.AssetSelection.groups(name)
    selection = selection - dg.AssetSelection.checks(*aside) if aside else selection
    return dg.define_asset_job(name, selection=selection, description=domain.doc or None)


def domain_schedule(domain: Domain, job: Job) -> dg.ScheduleDefinition:
    """When the job of a domain runs by itself."""
    return dg.ScheduleDefinition(name=f"{job.name}_schedule", job=job, cron_schedule=domain.schedule)


def checks_job() -> Job:
    """Judges every table as it is stored, and changes none."""
    doc = "Every expectation and table check, on the tables as they are stored."
    return dg.define_asset_job("checks", selection=dg.AssetSelection.all_asset_checks(), description=doc)
