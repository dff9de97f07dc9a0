"""Where the history of runs is kept, and that a run of the command is seen there like any other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster_graphql.schema import create_schema

from lakehouse_assets.cli.home import enter_home, instance
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.settings import PROJECT, read_settings
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.engine.compile.test_in_flight import record

# As the timeline and the page of a job ask: by the code location that they show.
RUNS = """
{ runsOrError(filter: {pipelineName: "__ASSET_JOB", tags: [
    {key: ".dagster/repository", value: "__repository__@lakehouse_assets.definitions"}]})
  { ... on Runs { results { runId status assetSelection { path } hasReExecutePermission
                            repositoryOrigin { repositoryName repositoryLocationName } } } } }
"""


def asked(home: dg.DagsterInstance, query: str) -> Any:
    with WorkspaceProcessContext(home, EmptyWorkspaceTarget()) as workspace:
        answer = create_schema().execute(query, context_value=workspace.create_request_context())
    assert answer.errors is None, answer.errors
    return answer.data


def test_a_run_of_the_command_is_in_the_timeline_and_on_the_page_of_its_job(command: Command) -> None:
    command.project.bronze("orders")
    command.project.land("orders/1.csv", "id\n1\n")
    assert command("run").code == 0
    with dg.DagsterInstance.from_config(str(command.project.root)) as home:
        (run,) = asked(home, RUNS)["runsOrError"]["results"]
    assert run["status"] == "SUCCESS"
    assert run["assetSelection"] == [{"path": ["shop", "bronze", "orders"]}]
    assert run["repositoryOrigin"] == {"repositoryName": "__repository__",
                                       "repositoryLocationName": "lakehouse_assets.definitions"}  # fmt: skip


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A current folder, and no variable that names another."""
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith("LAKEHOUSE_") or n == "DAGSTER_HOME"]:
        monkeypatch.delenv(name)
    for name in ("LAKEHOUSE_HOME", "LAKEHOUSE_LAKE"):
        monkeypatch.setenv(name, "")
    return tmp_path


def test_two_lakes_have_two_histories(unset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "other"):
        monkeypatch.setenv("LAKEHOUSE_HOME", str(unset / name))
        with instance() as home:
            assert home.get_runs_count() == 0
            record(home)
        assert (unset / name / ".dagster" / "storage").is_dir()
        assert (unset / name / "dagster.yaml").resolve() == PROJECT / "dagster.yaml"


def test_paths_mean_the_same_when_the_folder_has_changed(unset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_HOME", "home")
    monkeypatch.setenv("LAKEHOUSE_LAKE", "lake")
    before = read_settings()
    assert enter_home() == unset / "home"
    assert Path.cwd() == unset / "home"
    assert read_settings() == before
    assert before.lake == str(unset / "lake")


def test_without_a_home_it_is_that_of_the_project(unset: Path) -> None:
    assert enter_home() == PROJECT
    assert not (PROJECT / "dagster.yaml").is_symlink()


def test_a_folder_of_dagster_that_cannot_be_written_is_one_line(unset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (unset / "file").touch()
    monkeypatch.setenv("LAKEHOUSE_HOME", str(unset / "file"))
    with pytest.raises(LakehouseError, match=r"Writing to Dagster's folder, .*: File exists"):
        instance()
