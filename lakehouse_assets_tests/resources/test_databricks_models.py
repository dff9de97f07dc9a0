"""Models trained by jobs of a workspace, whose versions and scores are told as of a run here."""

from __future__ import annotations

from lakehouse_assets.resources.databricks import DatabricksResource
from lakehouse_assets_tests.engine.models.visits import built
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.resources.jobs import Jobs
from lakehouse_assets_tests.servers.databricks import SCOPE, Databricks


def test_a_model_is_trained_by_a_job_and_its_scores_are_made_by_another(
    learning: Project, databricks: Databricks
) -> None:
    built(learning)
    databricks.keep_secret("lakehouse-mlflow", learning.lake.registry.tracking)
    jobs = Jobs(learning, databricks)
    own = jobs.resource
    jobs.resource = DatabricksResource(
        volume=own.volume, wheels=own.wheels, poll_seconds=own.poll_seconds, places=[*own.places, "--secrets", SCOPE]
    )
    trained = jobs.run("models.purchase")
    scored = jobs.run("gold.likely")

    assert (trained.success, scored.success) == (True, True)
    (version,) = [e.materialization.metadata["version"].value for e in trained.get_asset_materialization_events()]
    (gate,) = trained.get_asset_check_evaluations()
    table = learning.log("gold.likely").table.to_pandas()
    assert (version, gate.passed, set(table["model_version"]), len(table)) == (1, True, {1}, 400)
