"""A domain as a job of all its tables, on the domain's schedule; and a job of every check, for CI."""

from __future__ import annotations

import dagster as dg

from lakehouse_assets.engine.spec import Domain


def domain_schedule(name: str, domain: Domain) -> dg.ScheduleDefinition:
    """The schedule of a domain, which carries its job."""
    job = dg.define_asset_job(name, selection=dg.AssetSelection.groups(name), description=domain.doc or None)
    return dg.ScheduleDefinition(name=f"{name}_schedule", job=job, cron_schedule=domain.schedule)


def checks_job() -> dg.UnresolvedAssetJobDefinition:
    """Judges every table as it is stored, and changes none."""
    doc = "Every rule and table check, on the tables as they are stored."
    return dg.define_asset_job("checks", selection=dg.AssetSelection.all_asset_checks(), description=doc)
