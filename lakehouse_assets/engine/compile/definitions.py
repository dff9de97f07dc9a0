"""Everything declared, as Dagster definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from lakehouse_assets.engine.compile.assets import Runner, build_asset
from lakehouse_assets.engine.compile.jobs_of_others.assets import external_assets
from lakehouse_assets.engine.compile.jobs_of_others.check import job_check
from lakehouse_assets.engine.compile.jobs_of_others.sensor import external_tables, job_sensors
from lakehouse_assets.engine.compile.landing import landing_assets
from lakehouse_assets.engine.compile.late_rows import late_rows_sensor
from lakehouse_assets.engine.compile.models.assets import build_model
from lakehouse_assets.engine.compile.models.retraining import retraining_sensor
from lakehouse_assets.engine.compile.names import asset_key
from lakehouse_assets.engine.compile.notices.sensor import notices_sensor
from lakehouse_assets.engine.compile.schedules import checks_job, domain_job, domain_schedule
from lakehouse_assets.engine.compile.sensors import arrivals_sensor
from lakehouse_assets.engine.compile.sinks.assets import build_sink
from lakehouse_assets.engine.compile.streams.event_time import event_time_sensor
from lakehouse_assets.engine.compile.streams.live import live_jobs, live_sensor
from lakehouse_assets.engine.graph.collector import collector_paused
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.markdown import as_text

_SENSORS = (arrivals_sensor, late_rows_sensor, retraining_sensor)


@collector_paused()
def compile_definitions(
    lakehouse: Lakehouse, resources: Mapping[str, Any], runner: Runner | None = None
) -> dg.Definitions:
    """Assets, checks, jobs, schedules and sensors of a lakehouse.

    Steps run in the run's own process: the warm engine does the parallel work, and a process per step costs 2.7 s.
    """
    filled = {key.split(".")[0] for key in lakehouse.worked_on}
    # In the workspace that is asked anyway: how jobs of others end.
    watched = external_tables(lakehouse) if "databricks" in resources else []
    checks = [job_check(table) for table in watched]
    aside = [key for check in checks for key in check.check_keys]
    jobs = {name: domain_job(name, domain, aside) for name, domain in lakehouse.domains.items() if name in filled}
    sensors = [make(name, lakehouse, job) for name, job in jobs.items() for make in _SENSORS]
    sensors += [make(name, lakehouse) for name in jobs for make in (event_time_sensor, notices_sensor)]
    live = live_jobs(lakehouse)
    # Dagster would add it, open to launches, for values that steps return. Ours return none.
    unused = {"io_manager": dg.FilesystemIOManager()}
    return dg.Definitions(
        assets=[
            *landing_assets(lakehouse, by_factory="data_factory" in resources),
            *(build_asset(t, lakehouse, runner) for t in lakehouse.runnable.values()),
            *(build_model(m, lakehouse, runner) for m in lakehouse.models.values()),
            *(build_sink(s, lakehouse) for s in lakehouse.sinks.values()),
            *external_assets(lakehouse),
            *_left_out_assets(lakehouse),
        ],
        jobs=[*([checks_job()] if lakehouse.runnable or checks else []), *live],
        schedules=[domain_schedule(lakehouse.domains[name], job) for name, job in jobs.items()],
        asset_checks=checks,
        sensors=[
            *(s for s in sensors if s is not None),
            *(job_sensors(lakehouse) if watched else ()),
            *(live_sensor(job, lakehouse) for job in live),
        ],
        resources={name: _fixed(made) for name, made in {**resources, **unused}.items()},
        executor=dg.in_process_executor,
    )


def _left_out_assets(lakehouse: Lakehouse) -> Iterator[dg.AssetSpec]:
    """An asset in the place of each table that is left out: what was materialised before stays to be seen."""
    for key, why in lakehouse.left_out.items():
        domain = key.split(".")[0]
        group = domain if domain.isidentifier() and domain.isascii() else None
        yield dg.AssetSpec(
            asset_key(key), description=f"**Not loaded.** {as_text(why)}", group_name=group, kinds={"not loaded"}
        )


def _fixed(resource: Any) -> dg.ResourceDefinition:
    """A resource that is as the code location made it, whatever a launch says.

    Whoever reaches the UI may launch. By the launchpad's `resources` they could send credentials to an address of
    theirs, have JARs of theirs loaded, or write the tables elsewhere; by `{env: NAME}` they could read the environment.
    """
    made: dg.ResourceDefinition = resource.get_resource_definition()
    return made.configured(lambda _: resource.model_dump(), config_schema={}, description=resource.__doc__)
