"""Drift and live quality of a model, held against pandas, scipy and scikit-learn on the same rows."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from lakehouse_assets.engine.errors import DeclarationError
from lakehouse_assets.engine.models.watch.baseline import baseline_of, shares
from lakehouse_assets.engine.models.watch.drift import shares_of
from lakehouse_assets.engine.models.watch.watched import Watched
from lakehouse_assets_tests.engine.models.test_train import NAME, client
from lakehouse_assets_tests.engine.models.visits import SCORES, built, declare, visits
from lakehouse_assets_tests.project import Project

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FEATURES = ("pages", "minutes", "channel")


def scored(project: Project, more: str, count: int = 600) -> Project:
    """A trained model, and scores that are watched as declared."""
    built(project, count)
    project.table("gold.likely", SCORES.replace("keep=[", f"{more}, keep=["))
    project.train("purchase")
    return project


def arrived(project: Project, name: str, csv: str) -> None:
    project.land(f"visits/{name}.csv", csv)
    project.run("bronze.visits")
    project.run("silver.visits")


def watched(project: Project, name: str, full: bool = False) -> Watched:
    (found,) = [it for it in project.materialize("gold.likely", full).watched if it.name == name]
    return found


def busier(csv: str) -> str:
    """The same visits with twelve pages more, and half of them from a channel that there wasn't."""
    rows = pd.read_csv(io.StringIO(csv))
    rows["pages"] += 12
    return str(rows.assign(channel=np.where(rows.index % 2, "app", rows["channel"])).to_csv(index=False))


def rows_of(project: Project, name: str) -> pd.DataFrame:
    return project.log(name).table.to_pandas().sort_values("visit", ignore_index=True)


def baseline(project: Project) -> dict[str, Any]:
    """What MLflow has of the champion's training rows."""
    run = client(project).get_model_version_by_alias(NAME, "champion").run_id or ""
    path = client(project).download_artifacts(run, "report/baseline.json", str(project.root))
    found: dict[str, Any] = json.loads(Path(path).read_text())
    return found


def brute_psi(now: pd.Series[Any], told: dict[str, Any]) -> float:
    """PSI by pandas' own binning."""
    if "values" in told:
        places = {text: at for at, text in enumerate(told["values"])}
        bins = now.map(lambda v: len(places) + 1 if pd.isna(v) else places.get(v, len(places)))
    else:
        cut = pd.cut(now, [-math.inf, *told["edges"], math.inf], labels=False)
        bins = cut.fillna(len(told["edges"]) + 1).astype(int)
    shares = bins.value_counts(normalize=True)
    pairs = [(max(p, 1e-4), max(shares.get(at, 0.0), 1e-4)) for at, p in enumerate(told["shares"])]
    return sum((q - p) * np.log(q / p) for p, q in pairs)


def test_rows_like_those_of_the_training_dont_break_the_check(learning: Project) -> None:
    scored(learning, "drift=Drift()")
    assert watched(learning, "drift").passed
    arrived(learning, "2", visits(400, first=600, seed=9))
    again = watched(learning, "drift")
    assert again.passed, again.told
    assert (again.version, again.figures["rows"]) == (1, 1000)


def test_drift_breaks_it_and_every_figure_is_that_of_pandas(learning: Project) -> None:
    first = watched(scored(learning, "drift=Drift()"), "drift")
    before = rows_of(learning, "silver.visits")["pages"]
    arrived(learning, "2", busier(visits(900, first=600, seed=9)))
    found = watched(learning, "drift")

    assert not found.passed
    assert "channel: PSI" in found.told
    now = rows_of(learning, "silver.visits").assign(score=rows_of(learning, "gold.likely")["score"])
    told = baseline(learning)
    for name in (*FEATURES, "score"):
        assert found.figures[f"drift_psi/{name}"] == pytest.approx(brute_psi(now[name], told[name]), rel=1e-9), name
    exact = ks_2samp(before, now["pages"]).statistic  # of all rows, where the baseline has three of four
    assert exact - 0.1 <= found.figures["drift_ks/pages"] <= exact + 0.05
    assert "drift_ks/channel" not in found.figures
    assert (found.columns[0], len(found.rows)) == ("column", 4)
    assert found.picture.startswith("iVBOR")  # how a PNG begins, as base64

    run = client(learning).get_model_version_by_alias(NAME, "champion").run_id or ""
    history = client(learning).get_metric_history(run, "drift_psi/pages")
    assert [it.value for it in history] == [it.figures["drift_psi/pages"] for it in (first, found)]
    assert history[0].step < history[1].step


def test_spark_puts_values_into_the_bins_that_pandas_puts_them_into(spark: SparkSession) -> None:
    numbers = [0.0, 1.0, 1.0, 2.5, None, math.nan, math.inf, -math.inf, 3.0]
    rows = pd.DataFrame({"n": [*range(9), *range(20)], "t": ["a", "b", None, "", "a"] * 5 + ["a", "b", "a", "a"]})
    told = baseline_of(rows.astype({"n": "float64"}), np.linspace(0, 1, len(rows)))
    given = [(n, t) for n, t in zip(numbers, ["a", "c", None, "", "b", "a", "a", "a", None], strict=True)]
    found, count = shares_of([(spark.createDataFrame(given, "n double, t string"), ["n", "t"])], told)

    as_pandas = pd.DataFrame(given, columns=["n", "t"])
    assert count == 9
    assert found == {name: shares(as_pandas[name], told[name]) for name in ("n", "t")}


def test_with_a_time_only_the_newest_rows_are_looked_at(learning: Project) -> None:
    scored(learning, "drift=None")
    stamped = (
        "keep=[Column('visit', 'bigint', key=True), Column('at', 'timestamp')], drift=Drift(over='at', newest=0.2)"
    )
    learning.table("gold.likely", f"likely = score(model='models.purchase', rows='silver.timed', {stamped})")
    learning.table(
        "silver.timed",
        """
        timed = sql_table(
            visits="silver.visits", write=merge(on="visit"),
            columns=[Column("visit", "bigint", key=True), Column("pages", "int"), Column("minutes", "double"),
                     Column("channel", "string"), Column("at", "timestamp")],
            sql="SELECT visit, pages, minutes, channel, timestamp_seconds(1700000000 + visit) AS at FROM visits",
        )
        """,
    )
    learning.run("silver.timed")
    assert watched(learning, "drift", full=True).figures["rows"] == pytest.approx(120, abs=2)
    arrived(learning, "2", busier(visits(250, first=600, seed=9)))
    learning.run("silver.timed")
    found = watched(learning, "drift")
    told = baseline(learning)
    newest = rows_of(learning, "silver.timed").tail(int(found.figures["rows"]))
    assert found.figures["rows"] == pytest.approx(170, abs=2)
    assert found.figures["drift_psi/pages"] == pytest.approx(brute_psi(newest["pages"], told["pages"]), rel=1e-9)
    assert "Only 170 rows" in found.told or "Only 171 rows" in found.told


def test_a_time_that_isnt_kept_is_told_of(project: Project) -> None:
    declare(project)
    project.table("gold.likely", SCORES.replace("keep=[", "drift=Drift(over='at'), keep=["))
    with pytest.raises(DeclarationError, match="looks for drift over 'at', which it doesn't keep"):
        _ = project.lakehouse


def turned(csv: str) -> str:
    """The same visits with what happened turned round."""
    return csv.replace(",true\n", ",?\n").replace(",false\n", ",true\n").replace(",?\n", ",false\n")


def unlabelled(csv: str) -> str:
    return csv.replace(",true\n", ",\n").replace(",false\n", ",\n")


@pytest.mark.parametrize(("happened", "passes"), [(lambda csv: csv, True), (turned, False)])
def test_quality_is_scikit_learns_on_rows_whose_label_came_later(
    learning: Project, happened: Callable[[str], str], passes: bool
) -> None:
    scored(learning, "quality=Quality()")
    later = visits(500, first=600, seed=5)
    arrived(learning, "2", unlabelled(later))
    none = watched(learning, "quality")
    assert none.passed
    assert none.told.startswith("Only 0 scored rows")
    arrived(learning, "3", happened(later))
    found = watched(learning, "quality")

    rows, scores = rows_of(learning, "silver.visits"), rows_of(learning, "gold.likely")
    new = rows["visit"] >= 600
    assert found.figures["rows"] == 500  # and none of those that it learnt from
    exact = roc_auc_score(rows["bought"][new].astype(bool), scores["score"][new])
    assert found.figures["live/roc_auc"] == pytest.approx(exact, abs=1e-12)
    assert found.passed is passes
    assert "on 500 rows with labels" in found.told


def test_labels_may_come_in_a_table_of_their_own(learning: Project) -> None:
    learning.table(
        "bronze.outcomes",
        """
        @table(landed=files("outcomes/*"))
        def outcomes(landed: DataFrame) -> DataFrame:
            return landed.withColumns(
                {"visit": F.col("visit").cast("bigint"), "bought": F.col("bought").cast("boolean")}
            )
        """,
    )
    scored(learning, "quality=Quality(labels='bronze.outcomes')")
    assert watched(learning, "quality").told.endswith("isn't built yet, so no label is known.")
    later = visits(300, first=600, seed=5)
    arrived(learning, "2", unlabelled(later))
    learning.land("outcomes/1.csv", later)
    learning.run("bronze.outcomes")
    found = watched(learning, "quality")
    assert found.figures["rows"] == 300
    assert "shop.bronze.outcomes" in learning.lakehouse.reads("shop.gold.likely")


def test_what_cant_be_looked_at_ends_no_run_and_says_why(learning: Project) -> None:
    scored(learning, "drift=Drift()")
    run = client(learning).get_model_version_by_alias(NAME, "champion").run_id or ""
    (kept,) = learning.root.glob(f"mlflow/artifacts/*/{run}/artifacts/report/baseline.json")
    kept.unlink()
    found = watched(learning, "drift")
    assert (found.passed, found.version) == (False, 0)
    assert "Reading baseline.json" in found.told
    assert len(learning.rows("gold.likely")) == 600


def test_a_table_that_isnt_watched_has_no_such_check(learning: Project) -> None:
    scored(learning, "drift=None")
    assert learning.materialize("gold.likely").watched == ()
