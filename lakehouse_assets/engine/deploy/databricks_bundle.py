"""A Databricks Asset Bundle of the declared tables, so that a team can run them by Databricks' own jobs.

Each domain is a job with a task for each table and model, on the domain's schedule. One whose tables read files has a
second job, which starts the first when files arrive. Another one compacts the tables once a week.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse_assets.engine.deploy.databricks_job import (
    MAINTAIN,
    RUN_ASSET,
    Program,
    compute_of,
    depends_on,
    environments,
    new_cluster,
    task,
    task_key,
)
from lakehouse_assets.engine.deploy.databricks_tasks import Places, task_of
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.spec.asset import Domain
from lakehouse_assets.engine.spec.compute import Cluster, Compute
from lakehouse_assets.engine.spec.models.model import Model
from lakehouse_assets.engine.spec.table import Table

# Of the bundle's folder, `deploy/databricks`; `make wheel` builds it.
WHEEL = "../../dist/*.whl"
VARIABLES = {
    "lake": "root of the Delta tables, abfss://…",
    "landing": "root of the landing folders, abfss://…",
    "catalog": "the catalog that has the tables by name",
    "secrets": "the secret scope with the way to the account of the lake",
    "notify": "the address that hears of failures",
}
PLACES = ("--lake", "${var.lake}", "--landing", "${var.landing}", "--catalog", "${var.catalog}",
          "--secrets", "${var.secrets}")  # fmt: skip
# What a job of a development target is called, and whether its schedule runs, is Databricks' own doing by `mode`.
TARGETS = {"dev": "development", "staging": "production", "prod": "production"}
# In the night to Sunday, as upkeep takes the cluster that the tables could have.
UPKEEP = "0 2 * * 0"
_NICKNAMES = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


@dataclass(frozen=True)
class Declared:
    """What a bundle is made of: the tables, the package that declares them, and where each is by the bundle's
    variables.
    """

    lakehouse: Lakehouse
    package: str
    places: Places

    def program(self, *parameters: str, name: str = RUN_ASSET) -> Program:
        """A program that is told where the lakehouse is."""
        return Program((*parameters, *PLACES, "--domains", self.package), (WHEEL,), name)


def databricks_bundle(declared: Declared) -> dict[str, Any]:
    """The content of `databricks.yml`.

    Raises:
        LakehouseError: a schedule can't be told to Databricks, or the task of a table not where that reads.
    """
    jobs = dict(pair for name in declared.lakehouse.domains for pair in _jobs(name, declared))
    return {
        "bundle": {"name": "lakehouse"},
        "artifacts": {"wheel": {"type": "whl", "path": "../..", "build": "make wheel"}},
        "variables": {name: {"description": doc} for name, doc in VARIABLES.items()},
        "targets": {name: _target(name, mode) for name, mode in TARGETS.items()},
        "resources": {"jobs": jobs},
    }


def _target(name: str, mode: str) -> dict[str, Any]:
    told: dict[str, Any] = {"mode": mode, "variables": {"catalog": "main" if name == "prod" else name}}
    if mode == "production":
        told["workspace"] = {"root_path": f"/Workspace/Shared/.bundle/lakehouse/{name}"}
    return {**told, "default": True} if name == "dev" else told


def _jobs(name: str, declared: Declared) -> Iterator[tuple[str, dict[str, Any]]]:
    lakehouse = declared.lakehouse
    own = [it for key, it in lakehouse.assets.items() if it.domain == name and key in lakehouse.worked_on]
    assets = [it for it in own if isinstance(it, Table | Model)]  # no cluster is needed for a sink
    if not assets:
        return
    domain = declared.lakehouse.domains[name]
    principal = "user_name" if "@" in domain.owner else "group_name"
    shared = {
        "tags": {"domain": name, "owner": domain.principal},
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
        "email_notifications": {"on_failure": ["${var.notify}"]},
        "permissions": [{principal: domain.principal, "level": "CAN_MANAGE_RUN"}],
    }
    yield name, {"name": name, **_tasks(assets, declared), **_schedule(domain.schedule), **shared}
    if any(isinstance(asset, Table) and asset.source for asset in assets):
        arrivals = {"url": f"${{var.landing}}/{name}/", "min_time_between_triggers_seconds": 60}
        started = {"task_key": name, "run_job_task": {"job_id": f"${{resources.jobs.{name}.id}}"}}
        job = {"name": f"{name}_arrivals", "tasks": [started], "trigger": {"file_arrival": arrivals}, **shared}
        yield f"{name}_arrivals", job
    upkeep = f"{name}_maintain"
    yield upkeep, {"name": upkeep, **_upkeep(name, domain, declared), **_schedule(UPKEEP), **shared}


def _schedule(cron: str) -> dict[str, Any]:
    return {"schedule": {"quartz_cron_expression": quartz(cron), "timezone_id": "UTC"}}


def _upkeep(name: str, domain: Domain, declared: Declared) -> dict[str, Any]:
    """The task that maintains all tables of a domain."""
    compute, program = domain.compute or Cluster(), declared.program(name, name=MAINTAIN)
    made = environments(compute, program.wheels)
    return {"tasks": [task(name, program, compute)], **({"environments": made} if made else {})}


def _tasks(assets: Sequence[Table | Model], declared: Declared) -> dict[str, Any]:
    """A task for each table and model, after those that it reads; those declared for equal clusters share one."""
    computes: dict[Compute, str] = {}
    lakehouse = declared.lakehouse
    made, keys = [], {asset.key for asset in assets}
    for asset in assets:
        compute = compute_of(asset, lakehouse)
        cluster = computes.setdefault(compute, f"compute_{len(computes) + 1}")
        given = task_of(asset, lakehouse, declared.places) if isinstance(asset, Table) else None
        program = declared.program(asset.key, *(("--after-task",) if given else ()))
        after = [task_key(key) for key in lakehouse.reads(asset.key) if key in keys]
        if given:
            made.append(_on_shared(given | depends_on(after), cluster))
            after = [given["task_key"]]
        made.append(_on_shared(task(task_key(asset.key), program, compute, after), cluster))
    clusters = [
        {"job_cluster_key": name, "new_cluster": new_cluster(compute)}
        for compute, name in computes.items() if isinstance(compute, Cluster)
    ]  # fmt: skip
    of_job = {"job_clusters": clusters, "environments": _environments(computes)}
    return {"tasks": made, **{name: value for name, value in of_job.items() if value}}


def _on_shared(made: dict[str, Any], cluster: str) -> dict[str, Any]:
    """A task on the cluster or in the environment that its job has for several."""
    if made.pop("new_cluster", None):
        return {**made, "job_cluster_key": cluster}
    return {**made, "environment_key": cluster} if "environment_key" in made else made


def _environments(computes: Mapping[Compute, str]) -> list[dict[str, Any]]:
    found = ((environments(compute, (WHEEL,)), name) for compute, name in computes.items())
    return [{**it, "environment_key": name} for made, name in found for it in made]


def quartz(cron: str) -> str:
    """A cron line as Databricks takes it: with seconds, names of days, and `?` for the one of two kinds of days that
    isn't meant.

    Raises:
        LakehouseError: it names days of the month and of the week, either of which may do for cron; Quartz has no `or`.
    """
    minute, hour, day, month, weekday = _NICKNAMES.get(cron.strip(), cron).split()
    if day != "*" and weekday != "*":
        raise LakehouseError(
            f"Writing the schedule {cron!r} for Databricks: it names days of the month and days of the week, and "
            "Databricks takes one of them; leave one of them *"
        )
    return f"0 {minute} {hour} {day if weekday == '*' else '?'} {month} {'?' if weekday == '*' else _days(weekday)}"


def _days(weekday: str) -> str:
    # The step behind a slash is a number, and no day.
    return re.sub(r"(?<!/)\b\d", lambda found: _DAYS[int(found[0])], weekday)
