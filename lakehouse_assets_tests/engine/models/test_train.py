"""A model is trained, judged, registered, and made the champion or not, as MLflow's own client has it."""

from __future__ import annotations

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from lakehouse_assets_tests.engine.models.visits import built, declare_model, visits
from lakehouse_assets_tests.project import Project

NAME = "shop.models.purchase"


def client(project: Project) -> MlflowClient:
    uri = f"sqlite:///{project.root}/mlflow/mlflow.db"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def aliases(project: Project) -> dict[str, int]:
    found = client(project).get_registered_model(NAME).aliases
    return {alias: int(number) for alias, number in found.items()}


def scored(project: Project, name: str, by: str) -> pd.DataFrame:
    return project.log(name).table.to_pandas().sort_values(by, ignore_index=True)


def test_the_first_version_that_reaches_the_bound_is_the_champion(learning: Project) -> None:
    told = built(learning).train("purchase")

    assert (told.version, told.alias, told.champion, told.passed) == (1, "champion", 1, True)
    champion = client(learning).get_model_version_by_alias(NAME, "champion")
    run = client(learning).get_run(champion.run_id or "")
    assert run.info.status == "FINISHED"
    assert run.data.metrics.keys() == {"roc_auc", "brier"}
    assert run.data.metrics["roc_auc"] > 0.7


def test_mlflow_has_what_the_version_was_trained_on_and_all_that_it_needs(learning: Project) -> None:
    built(learning).train("purchase")

    version = client(learning).get_model_version_by_alias(NAME, "champion")
    run = version.run_id or ""
    files = {it.path for it in client(learning).list_artifacts(run, "report")}
    loaded = mlflow.pyfunc.load_model(version.source)
    assert {f"report/{name}" for name in ("roc.png", "calibration.png", "importances.png", "inputs.json")} <= files
    assert (
        str(loaded.metadata.signature.inputs)
        == "['pages': double (required), 'minutes': double (optional), 'channel': string (optional)]"
    )
    assert loaded.metadata.get_input_schema().input_names() == ["pages", "minutes", "channel"]
    assert '"shop.silver.visits"' in version.tags["lakehouse.read"]


def test_a_version_that_is_no_better_on_the_same_rows_is_the_challenger(learning: Project) -> None:
    built(learning).train("purchase")
    told = learning.train("purchase", full=True)

    assert (told.version, told.alias, told.champion, told.passed) == (2, "challenger", 1, False)
    assert "not better than" in told.gate
    assert told.metrics == told.of_champion


def test_the_same_rows_give_the_same_metrics_to_the_last_digit(learning: Project) -> None:
    first = built(learning).train("purchase")
    learning.land("visits/2.csv", visits(300, first=400, seed=2))
    learning.run("bronze.visits")
    learning.run("silver.visits")
    newer = learning.train("purchase", full=True)
    again = learning.train("purchase", full=True, like=1)

    assert newer.metrics != first.metrics
    assert again.metrics == first.metrics
    assert again.rows == first.rows


def test_a_better_version_takes_the_champions_place(learning: Project) -> None:
    built(learning)
    declare_model(learning, used='["minutes"]', bound="0.4")
    poor = learning.train("purchase")
    declare_model(learning, bound="0.4")
    good = learning.train("purchase")

    assert good.alias == "champion"
    assert good.of_champion == poor.metrics
    assert aliases(learning) == {"champion": 2}


def test_a_first_version_below_the_bound_is_no_champion_and_scores_wait(learning: Project) -> None:
    built(learning)
    declare_model(learning, bound="0.99")
    told = learning.train("purchase")

    assert (told.alias, told.champion) == ("challenger", None)
    assert "but has to be at least 0.99" in told.gate
    assert learning.run("gold.likely").plan.reason == f"{NAME} has no champion yet"


def test_it_is_not_trained_again_where_nothing_changed(learning: Project) -> None:
    built(learning).train("purchase")
    assert learning.train("purchase").version is None
    declare_model(learning, more="seed=7")
    assert learning.train("purchase").version == 2


def test_a_function_that_raises_leaves_the_champion_and_the_run_says_why(learning: Project) -> None:
    built(learning).train("purchase")
    declare_model(learning, used='["page"]')
    with pytest.raises(
        Exception, match=r"Training shop.models.purchase: its function raised ValueError: .*purchase.py:"
    ):
        learning.train("purchase")

    assert aliases(learning) == {"champion": 1}
    (experiment,) = client(learning).search_experiments(filter_string=f"name = '{NAME}'")
    statuses = [run.info.status for run in client(learning).search_runs([experiment.experiment_id])]
    assert sorted(statuses) == ["FAILED", "FINISHED"]


def test_scores_are_those_of_mlflows_own_pyfunc_bit_for_bit(learning: Project) -> None:
    built(learning).train("purchase")
    learning.run("gold.likely")

    loaded = mlflow.pyfunc.load_model(client(learning).get_model_version_by_alias(NAME, "champion").source)
    rows, scores = scored(learning, "silver.visits", "visit"), scored(learning, "gold.likely", "visit")
    features = rows[["pages", "minutes", "channel"]].astype({"pages": "float64"})
    alone = pd.concat([pd.Series(loaded.predict(features.iloc[[n]])) for n in range(40)], ignore_index=True)
    assert scores["model_version"].unique().tolist() == [1]
    assert (scores["score"] == loaded.predict(features)).all()
    assert (scores["score"][:40] == alone).all()
