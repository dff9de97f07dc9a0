"""What goes wrong between training and scoring: a clear error, with the champion and its scores left as they were."""

from __future__ import annotations

import shutil

import mlflow
import pytest

from lakehouse_assets.engine.errors import LakehouseError, ScoringFailed, TrainingFailed
from lakehouse_assets.engine.registry.versions import champion
from lakehouse_assets_tests.engine.models.visits import SCORES, built, declare_model, visits
from lakehouse_assets_tests.project import Project

NAME = "shop.models.purchase"


@pytest.fixture
def scoring(learning: Project) -> Project:
    """A champion whose scores are there."""
    built(learning).train("purchase")
    learning.run("gold.likely")
    return learning


def number(project: Project) -> int | None:
    now = champion(project.lake.registry, NAME)
    return now.number if now else None


def damage(project: Project) -> None:
    """Cut the file of the champion, as a full disk does, where the registry has it and in the copy."""
    shutil.rmtree(project.root / "mlflow" / "copies")
    (file,) = (project.root / "mlflow" / "artifacts").rglob("model.skops")
    file.write_bytes(file.read_bytes()[:200])


def assert_scores_are_the_models(project: Project) -> None:
    """Each score is what MLflow's own pyfunc of the champion gives for the row as it's now."""
    uri = project.lake.registry.tracking
    mlflow.set_tracking_uri(uri)
    loaded = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
    rows = project.log("silver.visits").table.to_pandas().sort_values("visit", ignore_index=True)
    scores = project.log("gold.likely").table.to_pandas().sort_values("visit", ignore_index=True)
    wanted = loaded.predict(rows[["pages", "minutes", "channel"]].astype({"pages": "float64"}))
    assert scores["score"].tolist() == wanted.tolist()


def test_a_damaged_model_is_told_of_and_the_scores_stay(scoring: Project) -> None:
    before = scoring.rows("gold.likely")
    damage(scoring)
    with pytest.raises(LakehouseError, match=r"version 1 of shop.models.purchase.*`lakehouse model rollback`"):
        scoring.run("gold.likely", full=True)
    assert scoring.rows("gold.likely") == before


def test_a_champion_that_cant_score_keeps_its_place_until_a_person_decides(scoring: Project) -> None:
    damage(scoring)
    told = scoring.train("purchase", full=True)
    assert (told.alias, number(scoring)) == ("challenger", 1)
    assert "can't score these rows" in told.gate
    assert "`lakehouse model promote shop.models.purchase VERSION`" in told.gate


def test_a_column_that_is_gone_is_named(scoring: Project) -> None:
    scoring.table("silver.fewer", 'fewer = sql_table(v="silver.visits", sql="SELECT visit, channel, pages FROM v")')
    scoring.table("gold.likely", SCORES.replace('rows="silver.visits"', 'rows="silver.fewer"'))
    scoring.run("silver.fewer")
    with pytest.raises(ScoringFailed, match=r"Scoring by version 1 of shop.models.purchase: .* no column minutes"):
        scoring.run("gold.likely")


def test_a_column_that_has_become_text_is_named_with_what_it_was(scoring: Project) -> None:
    query = "SELECT visit, channel, pages, concat('about ', minutes) AS minutes FROM v"
    scoring.table("silver.vague", f'vague = sql_table(v="silver.visits", sql="{query}")')
    scoring.table("gold.likely", SCORES.replace('rows="silver.visits"', 'rows="silver.vague"'))
    scoring.run("silver.vague")
    with pytest.raises(ScoringFailed, match=r"minutes is a string, and was a number when it was trained"):
        scoring.run("gold.likely")


def test_new_and_changed_rows_are_scored_alone(scoring: Project) -> None:
    changed = visits(2, seed=9).splitlines()
    scoring.land("visits/2.csv", "\n".join([*changed, *visits(30, first=400, seed=5).splitlines()[1:]]) + "\n")
    scoring.run("bronze.visits")
    scoring.run("silver.visits")
    done = scoring.run("gold.likely")
    found = dict(scoring.rows("gold.likely", "visit", "channel"))
    assert (done.plan.strategy, done.counts.judged) == ("merge", 32)
    assert found == dict(scoring.rows("silver.visits", "visit", "channel"))
    assert_scores_are_the_models(scoring)


def test_a_new_champion_scores_all_rows_anew(scoring: Project) -> None:
    declare_model(scoring, more="seed=3, params={'better': True}", bound="0.7")
    learnt = (scoring.root / scoring.package / "shop" / "models" / "purchase.py").read_text()
    assert "seed=3" in learnt
    scoring.train("purchase")
    from lakehouse_assets.engine.registry.promotion import promote

    promote(scoring.lake.registry, NAME, 2, "ann")
    done = scoring.run("gold.likely")
    assert done.plan.strategy == "full"
    assert done.plan.reason == "version 2 of shop.models.purchase is the champion now, not 1"
    assert {row[-1] for row in scoring.rows("gold.likely", "visit", "model_version")} == {2}


@pytest.mark.parametrize(
    ("used", "more", "problem"),
    [
        ('["pages"]', 'where="no_such_column > 1"', "no_such_column"),
        ('["minute"]', "", "its function raised ValueError"),
    ],
)
def test_a_training_that_fails_leaves_the_champion(scoring: Project, used: str, more: str, problem: str) -> None:
    declare_model(scoring, used=used, more=more)
    with pytest.raises(Exception, match=problem) as raised:
        scoring.train("purchase")
    assert isinstance(raised.value, TrainingFailed) or "no_such_column" in str(raised.value)
    assert number(scoring) == 1
