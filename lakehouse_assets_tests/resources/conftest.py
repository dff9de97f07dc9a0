"""A workspace whose clusters have the tables of a test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.resources.jobs import Jobs
from lakehouse_assets_tests.servers.azurite import Azurite
from lakehouse_assets_tests.servers.databricks import SCOPE, Databricks

TABLE = """
@table(raw="bronze.orders", write=merge(on="id"), checks=[volume()],
       columns=[Column("id", "int", key=True), Column("amount", "int")],
       expect=[drop("amount > 0"), warn("id < 3"), fail("amount < 1000", name="plausible")])
def orders(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "int(amount) amount")
"""


@pytest.fixture
def databricks(
    workspace: Databricks, project: Project, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Databricks]:
    """The workspace, with the way to it in the environment, and `project` installed on its clusters.

    Messages are in a volume; with the parameter "container" they are in one of Azure Storage, which jobs have the way
    to by a secret.
    """
    for name, value in workspace.environment.items():
        monkeypatch.setenv(name, value)
    workspace.install(project.root, project.package)
    project.bronze("orders")
    project.table("silver.orders", TABLE)
    project.land("orders/1.csv", "id,amount\n1,5\n2,-1\n3,7\n")
    (workspace.folder / "secrets.json").unlink(missing_ok=True)
    own = replace(workspace, name=project.package)
    if getattr(request, "param", "volume") == "container":
        own = replace(own, container=request.getfixturevalue("container"))
        azurite: Azurite = request.getfixturevalue("azurite")
        own.keep_secret("azure-storage-connection-string", azurite.connection_string)
        monkeypatch.setenv("LAKEHOUSE_DATABRICKS_SECRETS", SCOPE)
    yield own
    own.fail()
    assert own.left == {}  # no job's messages stay behind, however it ended


@pytest.fixture
def jobs(project: Project, databricks: Databricks) -> Jobs:
    return Jobs(project, databricks)


@pytest.fixture
def command(
    project: Project, databricks: Databricks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The command, whose runs are carried out by jobs."""
    for name, value in {
        "COMPUTE": "databricks",
        "DATABRICKS_VOLUME": databricks.volume,
        "DATABRICKS_WHEELS": databricks.wheel,
    }.items():
        monkeypatch.setenv(f"LAKEHOUSE_{name}", str(value))
    return Command(project, monkeypatch, capsys)
