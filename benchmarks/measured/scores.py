"""Scores of many rows by a registered model, beside MLflow's own `spark_udf` for the same version on the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Bench, Row, timed
from lakehouse_assets.engine.models.fitted import save
from lakehouse_assets.engine.models.logged import log_model
from lakehouse_assets.engine.models.tracking import run as mlflow_run
from lakehouse_assets.engine.registry.quiet import quiet
from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets.engine.registry.versions import Version, register
from lakehouse_assets.engine.scoring.batch import scored
from lakehouse_assets.engine.spec.inputs import Upstream
from lakehouse_assets.engine.spec.models.metrics import Gate
from lakehouse_assets.engine.spec.models.model import Model
from lakehouse_assets.engine.spec.models.score import Score
from lakehouse_assets.engine.spec.models.split import AtRandom

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

FEATURES = tuple(f"x{n}" for n in range(8))


def run(bench: Bench) -> list[Row]:
    spark, number = bench.engine.session(), bench.size(1_000_000, 20_000)
    store = ModelStore(uri := f"sqlite:///{bench.folder}/mlflow.db", uri, str(bench.folder / "mlflow"))
    rows = _rows(spark, bench.folder / "scored", number)
    found = []
    for name, fitted in _fitted(rows.limit(5_000).toPandas()).items():
        version = _registered(name, fitted, store, rows.limit(100).toPandas())
        sides = {"ours": _ours(rows, version, store), "theirs": _theirs(spark, rows, version, store)}
        sums = {side: _sum(made) for side, made in sides.items()}
        assert abs(sums["ours"] - sums["theirs"]) < 1e-6 * number, sums
        medians = bench.pair(timed(lambda s=sides: _sum(s["ours"])), timed(lambda s=sides: _sum(s["theirs"])))
        found.append(Row(f"scores of {number:,} rows by {name}", *medians, "at most 1.0"))
    return found


def _rows(spark: SparkSession, path: Path, number: int) -> DataFrame:
    columns = [f"randn({n}) AS {name}" for n, name in enumerate(FEATURES)]
    spark.range(number).selectExpr("id", *columns, "randn(99) > 0.5 AS y").write.parquet(str(path))
    return spark.read.parquet(str(path))


def _fitted(rows: pd.DataFrame) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression
    from xgboost import XGBClassifier

    x, y = rows[[*FEATURES]], rows["y"]
    trees = XGBClassifier(n_estimators=150, max_depth=6, n_jobs=1)
    return {"a logistic regression": LogisticRegression().fit(x, y), "150 boosted trees": trees.fit(x, y)}


def _registered(name: str, fitted: Any, store: ModelStore, some: pd.DataFrame) -> Version:
    key, folder = f"bench.models.{name.split()[1]}", Path(store.folder) / name.split()[1] / "fitted"
    model = Model(
        domain="bench", name=key.rpartition(".")[2], doc="", rows=Upstream("bench.gold.rows"), label="y",
        features=FEATURES, split=AtRandom(), metrics=(), gate=Gate("roc_auc"), file=Path(__file__), line=1, fn=print,
    )  # fmt: skip
    framework = save(fitted, model, folder, [], "")
    with mlflow_run(store, key, {}) as mine:
        source = log_model(mine, folder, framework, some[[*FEATURES]])
        return register(store, key, source, mine.id, {})


def _ours(rows: DataFrame, version: Version, store: ModelStore) -> DataFrame:
    return scored(rows, Score("", ("id",), key=version.name), version, store)


def _theirs(spark: SparkSession, rows: DataFrame, version: Version, store: ModelStore) -> DataFrame:
    import mlflow
    from pyspark.sql import functions as F

    mlflow.set_tracking_uri(store.tracking)
    with quiet():
        udf = mlflow.pyfunc.spark_udf(spark, version.source, result_type="double", env_manager="local")
    return rows.select("id", udf(F.struct(*FEATURES)).alias("score"))


def _sum(rows: DataFrame) -> float:
    from pyspark.sql import functions as F

    (found,) = rows.agg(F.sum("score")).collect()
    return float(found[0])
