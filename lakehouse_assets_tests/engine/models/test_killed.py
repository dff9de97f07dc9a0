"""Trainings that are killed, or that run at once: one champion, no version undecided, no run forgotten."""

from __future__ import annotations

import signal

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from lakehouse_assets_tests.crash import assert_at_once, run_and_die
from lakehouse_assets_tests.engine.models.visits import built
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.soak import some

NAME = "shop.models.purchase"
TRAIN, PROMOTION = "lakehouse_assets.engine.models.train", "lakehouse_assets.engine.registry.promotion"
BOUNDARIES = [
    f"before {TRAIN}:fit",
    f"after {TRAIN}:log_model",
    f"before {TRAIN}:register",
    f"after {TRAIN}:register",
    f"before {PROMOTION}:set_alias",
    f"after {PROMOTION}:set_alias",
    f"after {TRAIN}:decide",
]


def client(project: Project) -> MlflowClient:
    uri = f"sqlite:///{project.root}/mlflow/mlflow.db"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def statuses(project: Project) -> list[str]:
    """The status of each run of the model, the oldest first."""
    found = client(project).search_experiments(ViewType.ALL, filter_string=f"name = '{NAME}'")
    runs = client(project).search_runs([it.experiment_id for it in found], order_by=["attributes.start_time"])
    return [run.info.status for run in runs]


def assert_sound(project: Project) -> None:
    """One champion that is there and decided; each version is decided; no run goes on."""
    versions = {int(it.version): it for it in client(project).search_model_versions(f"name = '{NAME}'")}
    aliases = client(project).get_registered_model(NAME).aliases
    assert "champion" in aliases
    assert {int(number) for number in aliases.values()} <= versions.keys()
    assert all(it.tags.get("lakehouse.decided") in ("champion", "challenger") for it in versions.values())
    assert "RUNNING" not in statuses(project)


@pytest.mark.parametrize("where", some(BOUNDARIES, 3), ids=lambda where: where.replace(":", " ").replace(".", " "))
def test_a_killed_training_is_made_up_for_by_the_next_run(learning: Project, where: str) -> None:
    built(learning)
    assert run_and_die(learning, "purchase", where, "train") == -signal.SIGKILL
    killed = statuses(learning)
    learning.train("purchase")

    assert_sound(learning)
    # Once it's registered, all that is left to do is to decide about it.
    registered = BOUNDARIES.index(where) >= BOUNDARIES.index(f"after {TRAIN}:register")
    assert len(statuses(learning)) == len(killed) + (0 if registered else 1)


def test_two_trainings_at_once_leave_one_champion(learning: Project) -> None:
    built(learning)
    assert_at_once(learning, "purchase", "train")

    assert_sound(learning)
    assert statuses(learning) == ["FINISHED", "FINISHED"]
    assert len(client(learning).search_model_versions(f"name = '{NAME}'")) == 2
