"""Tables of a project as jobs of a workspace compute them, and what Dagster has of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest

from lakehouse_assets.engine.compile.assets import Runner, build_asset
from lakehouse_assets.engine.compile.models.assets import build_model
from lakehouse_assets.engine.compile.names import op_name
from lakehouse_assets.resources.databricks import DatabricksResource
from lakehouse_assets.resources.databricks_runner import on_databricks
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.databricks import SCOPE, Databricks
from lakehouse_assets_tests.soak import some

IN_BOTH = pytest.mark.parametrize("databricks", ["volume", "container"], indirect=True)  # where messages are
IN_ONE = pytest.mark.parametrize("databricks", some(["container", "volume"], 1), indirect=True)  # in a soak in both


class Jobs:
    """Materialises tables of a project by jobs of a workspace."""

    def __init__(self, project: Project, workspace: Databricks) -> None:
        self.project, self.workspace = project, workspace
        lake, secrets = project.lake, ["--secrets", SCOPE] if workspace.container else []
        catalog = ["--catalog", lake.catalog] if lake.catalog else []
        self.resource = DatabricksResource(
            volume=workspace.volume, wheels=[workspace.wheel], poll_seconds=0.2,
            places=["--lake", lake.root, "--landing", lake.landing, "--domains", project.package, *secrets, *catalog],
        )  # fmt: skip

    def run(self, name: str, **options: Any) -> dg.ExecuteInProcessResult:
        return materialised(self.project, name, on_databricks(self.project.lakehouse), self.resource, **options)

    @contextmanager
    def counted(self) -> Iterator[list[str]]:
        """The requests that were begun in a block, once it has ended."""
        before, begun = self.workspace.seen["started"], list[str]()
        yield begun
        for request, times in self.workspace.seen["started"].items():
            begun += [request] * (times - before.get(request, 0))


def materialised(
    project: Project, name: str, runner: Runner | None, databricks: DatabricksResource | None = None, **options: Any
) -> dg.ExecuteInProcessResult:
    lakehouse, key = project.lakehouse, f"shop.{name}"
    model = lakehouse.models.get(key)
    asset = build_model(model, lakehouse, runner) if model else build_asset(lakehouse.tables[key], lakehouse, runner)
    instance = options.pop("instance", None)
    resources = {**project.resources, **({"databricks": databricks} if databricks else {})}
    config = {"ops": {op_name(key): {"config": options}}}
    return dg.materialize([asset], instance=instance, resources=resources, run_config=config, raise_on_error=False)


def told(result: dg.ExecuteInProcessResult, project: Project) -> list[object]:
    """What Dagster has of a run, but for what is another in each run, and where it was."""
    anew = {"seconds", "delta_version", "bytes", "preview", "reason"}
    events = [e.materialization for e in result.get_asset_materialization_events()]
    shown = [
        {name: repr(value).replace(str(project.root), "") for name, value in of.metadata.items()
         if name not in anew and not name.startswith("databricks")}
        for of in events
    ]  # fmt: skip
    checks = [(c.check_name, c.passed, c.severity, repr(c.metadata)) for c in result.get_asset_check_evaluations()]
    return [result.success, *shown, *checks]


def failure(result: dg.ExecuteInProcessResult) -> str:
    """Why the only step failed, as the UI has it first."""
    assert not result.success
    assert not result.get_asset_materialization_events()
    (event,) = (e for e in result.all_events if e.is_step_failure)
    data = event.step_failure_data
    assert data.user_failure_data is not None
    return data.user_failure_data.description or ""
