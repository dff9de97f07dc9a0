"""The task of a Databricks job that makes a table where no function or query of ours does, and what it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lakehouse_assets.engine.deploy.databricks_job import compute_of, new_cluster, task_key
from lakehouse_assets.engine.errors import SettingsError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.spec.compute import Cluster, Compute, ExistingCluster
from lakehouse_assets.engine.spec.elsewhere.tasks import Jar, Notebook, SqlFile
from lakehouse_assets.engine.spec.table import Table


@dataclass(frozen=True)
class Place:
    """Where a table is: its path, and its name in a catalog if one has it."""

    path: str
    name: str = ""

    @property
    def in_sql(self) -> str:
        """The table as SQL names it; also in `IDENTIFIER(:output)`."""
        return self.name or f"delta.`{self.path}`"


Places = Callable[[str], Place]


def made_key(table: str) -> str:
    """What the task is called that makes a table. The one behind it, which looks at the table, has the table's name.

    No table has a hyphen in its name, so no other task is called so.
    """
    return f"{task_key(table)}-made"


def task_of(table: Table, lakehouse: Lakehouse, places: Places, full: bool = False) -> dict[str, Any]:
    """The task that makes a table, once what it reads is made; empty for a table of ours.

    Raises:
        SettingsError: see `told`.
    """
    if table.task is None:
        return {}
    compute = compute_of(table, lakehouse)
    return {
        "task_key": made_key(table.key),
        **_work(table, told(table, lakehouse, places, full), compute),
        **({"timeout_seconds": compute.minutes * 60} if compute.minutes else {}),
    }


def told(table: Table, lakehouse: Lakehouse, places: Places, full: bool) -> dict[str, str]:
    """The parameters that say where the table and its inputs are, and whether a rebuild is asked for.

    Raises:
        SettingsError: a file of SQL reads a table that no catalog has; Spark takes no path as a parameter to read from.
    """
    keys = {"output": table.key, **lakehouse.upstreams(table)}
    found = {name: places(key) for name, key in keys.items()}
    nameless = [keys[name] for name, at in found.items() if not at.name and name != "output"]
    if nameless and isinstance(table.task, SqlFile):
        raise SettingsError(
            f"Making {table.key}: {table.task} reads {', '.join(nameless)} by name, and it has none; set "
            "LAKEHOUSE_CATALOG, or use a notebook, which can read by path, as for a table that lies outside of the lake"
        )
    where = {name: text for n, at in found.items() for name, text in ((n, at.in_sql), (f"{n}_path", at.path))}
    return {**where, "full_refresh": str(full).lower()}


def _work(table: Table, told: dict[str, str], compute: Compute) -> dict[str, Any]:
    match table.task:
        case Notebook(path, parameters):
            notebook = {"notebook_path": path, "source": "WORKSPACE", "base_parameters": {**told, **parameters}}
            return {"notebook_task": notebook, **_on(compute)}
        case SqlFile(path, warehouse, parameters):
            file = {"path": path, "source": "WORKSPACE"}
            return {"sql_task": {"warehouse_id": warehouse, "file": file, "parameters": {**told, **parameters}}}
        case Jar(main_class, jars, parameters):
            given = [text for name, value in told.items() for text in (f"--{name}", value)]
            jar = {"main_class_name": main_class, "parameters": [*given, *parameters]}
            return {"spark_jar_task": jar, "libraries": [{"jar": path} for path in jars], **_on(compute)}
    raise AssertionError(table.task)


def _on(compute: Compute) -> dict[str, Any]:
    """Where it runs; on serverless compute a notebook names nothing, as it has an environment of its own."""
    if isinstance(compute, ExistingCluster):
        return {"existing_cluster_id": compute.id}
    return {"new_cluster": new_cluster(compute)} if isinstance(compute, Cluster) else {}
