"""Scores of the rows of a DataFrame, computed where the rows are: in Spark's Python workers, or by Spark MLlib."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import ScoringFailed
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets.engine.registry.versions import Version, version
from lakehouse_assets.engine.scoring import scorer
from lakehouse_assets.engine.scoring.copies import copy_of, described, scores_of
from lakehouse_assets.engine.scoring.features import looked_up
from lakehouse_assets.engine.spec.models.score import RUN, SCORE, VERSION, Score
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import Column, DataFrame

_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "boolean")
# Up to this size a model travels with the query, so workers on other machines have it; each task unpacks it again.
TRAVELS = 8_000_000  # bytes


def bound(table: Table, champion: Version, store: ModelStore, run: int) -> Table:
    """A table of scores with a function that scores its rows by a version, in the run of a number."""
    score = table.score
    assert score is not None  # noqa: S101  (the caller looked)

    def of_inputs(**inputs: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F

        rows = looked_up(inputs, score.lookups, score.tables, score.at)
        return scored(rows, score, champion, store).withColumn(RUN, F.lit(run).cast("bigint"))

    return replace(table, fn=of_inputs)


def as_recorded(table: Table, mark: Mapping[str, Any], lake: Lake) -> Table:
    """The same as a run has recorded it in its mark; any other table as it is."""
    if table.score is None:
        return table
    by = version(lake.registry, table.score.key, mark["read"][table.score.key]["to"])
    return bound(table, by, lake.registry, mark["run"])


def scored(rows: DataFrame, score: Score, champion: Version, store: ModelStore) -> DataFrame:
    """The columns that are kept, with the score and the version that gave it.

    Raises:
        ScoringFailed: the model can't be loaded, or the rows lack a column of it or have another type there.
    """
    from pyspark.sql import functions as F

    folder, told = copy_of(store, champion), described(store, champion)
    doing = f"Scoring by version {champion.number} of {score.key}"
    features = as_features(rows, told.columns, doing)
    _hold_to(rows, told.columns, told.texts, doing)
    number = F.lit(champion.number).cast("int").alias(VERSION)
    if told.framework == "mllib":
        return _by_mllib(rows, features, folder, told.probability).select(*score.kept, SCORE, number)
    scores_of(store, champion)  # which says what is wrong with it; of a worker's error only a line is left
    by = _udf(str(folder), told.columns)
    return rows.select(*score.kept, by(F.struct(*features.values())).alias(SCORE), number)


def as_features(rows: DataFrame, columns: Sequence[str], doing: str) -> dict[str, Column]:
    """The columns as a model's signature has them: numbers and booleans as doubles, texts as they are.

    Raises:
        ScoringFailed: one is missing, or has a type that no feature has.
    """
    from pyspark.sql import functions as F

    kinds = {field.name: field.dataType.simpleString() for field in rows.schema.fields}
    if missing := [name for name in columns if name not in kinds]:
        raise ScoringFailed(
            f"{doing}: the rows have no column {', '.join(missing)}; add it to the table that is scored"
        )
    if strange := [name for name in columns if not is_feature(kinds[name])]:
        named = ", ".join(f"{name} is a {kinds[name]}" for name in strange)
        raise ScoringFailed(
            f"{doing}: {named}; a feature is a number, a boolean or a string, so make it one in the table"
        )
    return {
        name: F.col(name) if kinds[name] == "string" else F.col(name).cast("double").alias(name) for name in columns
    }


def _hold_to(rows: DataFrame, columns: Sequence[str], texts: Collection[str], doing: str) -> None:
    kinds = {field.name: field.dataType.simpleString() for field in rows.schema.fields}
    changed = [name for name in columns if (kinds[name] == "string") != (name in texts)]
    if changed:
        told = ", ".join(f"{n} is a {kinds[n]}, and was a {'text' if n in texts else 'number'}" for n in changed)
        raise ScoringFailed(f"{doing}: {told} when it was trained; make it that again, or train the model anew")


def is_feature(kind: str) -> bool:
    """Whether a column of a Spark type can be a feature."""
    return kind == "string" or is_number(kind)


def is_number(kind: str) -> bool:
    """Whether a column of a Spark type is a double in a signature."""
    return kind in _NUMBERS or kind.startswith("decimal")


def _by_mllib(rows: DataFrame, features: dict[str, Column], folder: Path, probability: bool) -> DataFrame:
    from pyspark.ml import PipelineModel

    found = PipelineModel.load(f"{folder}/mllib").transform(rows.withColumns(features))
    return found.select(*rows.columns, scorer.score_of_mllib(probability))


def _udf(folder: str, columns: Sequence[str]) -> Callable[[Column], Column]:
    import pandas as pd
    from pyspark.sql.pandas.functions import pandas_udf

    packed = _packed(Path(folder))

    def scores(batches: Iterator[pd.DataFrame]) -> Iterator[pd.Series[Any]]:
        by = loaded(folder, packed)
        for batch in batches:
            yield pd.Series(by(as_trained(batch, columns)))

    # By these PySpark knows what it is given; as text they'd name a module that this one doesn't have at its top.
    scores.__annotations__ = {"batches": Iterator[pd.DataFrame], "return": Iterator[pd.Series]}
    made: Callable[[Column], Column] = pandas_udf(scores, "double")  # type: ignore[call-overload]
    return made


def as_trained(batch: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Rows as a model was trained on them: nulls among numbers are NaN, those among texts None."""
    texts = [name for name in columns if batch[name].dtype == object]
    for name in texts:
        batch[name] = batch[name].where(batch[name].notna(), None)
    return batch


def _packed(folder: Path) -> bytes:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    if sum(file.stat().st_size for file in files) > TRAVELS:
        return b""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, str(file.relative_to(folder)))
    return out.getvalue()


# By folder: a worker is used again and again.
_loaded: dict[str, scorer.Scores] = {}


def loaded(folder: str, packed: bytes) -> scorer.Scores:
    """What scores, loaded once a process, from a folder or, where that isn't to be seen, from what travelled here."""
    if folder not in _loaded:
        _loaded[folder] = scorer.load(folder if Path(folder).exists() else _unpacked(folder, packed))
    return _loaded[folder]


def _unpacked(folder: str, packed: bytes) -> str:
    if not packed:
        raise ScoringFailed(
            f"Loading the model at {folder}: no worker sees that folder, and it has more than {TRAVELS:,} "
            "bytes; set LAKEHOUSE_HOME to a folder that all machines of the cluster see"
        )
    scratch = mkdtemp(prefix="lakehouse-model-")
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(scratch)
    return scratch
