"""The examples that a model learns from: rows at pinned versions, with their features, as pandas, in two parts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import TooFewRows
from lakehouse_assets.engine.scoring.batch import as_features, as_trained, is_feature
from lakehouse_assets.engine.spec.models.model import Model, Training
from lakehouse_assets.engine.spec.models.split import AtRandom, ByFlag, ByGroup, ByTime, Split

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Examples:
    """The features and labels of some rows, in the order of their key, and the whole rows beside them."""

    x: pd.DataFrame
    y: pd.Series[Any]
    rows: pd.DataFrame
    spark: DataFrame | None = None

    def part(self, held_out: pd.Series[bool]) -> tuple[Examples, Examples]:
        """Those that aren't held out, and those that are."""
        return self._where(~held_out), self._where(held_out)

    def _where(self, mask: pd.Series[bool]) -> Examples:
        x, rows = (it[mask].reset_index(drop=True) for it in (self.x, self.rows))
        return Examples(x, self.y[mask].reset_index(drop=True), rows, self.spark)

    def training(self, model: Model, params: dict[str, Any]) -> Training:
        """What the model's function is given."""
        return Training(self.x, self.y, model.seed, params, self._in_spark)

    def _in_spark(self) -> DataFrame:
        assert self.spark is not None  # noqa: S101  (read by Spark)
        return self.spark.sparkSession.createDataFrame(self.x.assign(label=self.y))


def examples(rows: DataFrame, model: Model, keys: Sequence[str], also: Sequence[str] = ()) -> tuple[Examples, int]:
    """All rows that have a label, and how many have none. Beside what is learnt from they have the columns `also`, as
    far as there are such features: those of the champion, against which the model will be judged.

    Raises:
        TooFewRows: no row has a label.
        ScoringFailed: a column is missing, or of a type that no feature or label has.
    """
    doing, chosen = f"Training {model.key}", rows.where(model.where) if model.where else rows
    kinds = {field.name: field.dataType.simpleString() for field in chosen.schema.fields}
    more = [name for name in also if name not in model.inputs and is_feature(kinds.get(name, ""))]
    typed = as_features(chosen, [*model.inputs, *more, model.label], doing)
    others = [name for name in dict.fromkeys((*keys, *_of_split(model.split), model.at)) if name and name not in typed]
    found = chosen.select(*others, *typed.values()).toPandas()
    found = found.sort_values([*keys], kind="stable", ignore_index=True)
    labelled = found[found[model.label].notna()].reset_index(drop=True)
    if labelled.empty:
        raise TooFewRows(f"{doing}: none of the {len(found)} rows has a {model.label!r}; nothing can be learnt")
    x = as_trained(labelled[[*model.inputs]].copy(), model.inputs)
    return Examples(x, labelled[model.label].astype("float64"), labelled, chosen), len(found) - len(labelled)


def texts_of(x: pd.DataFrame) -> list[str]:
    """The columns that are texts; all others are doubles."""
    return [str(name) for name in x.columns if x[name].dtype == object]


def held_out(found: Examples, split: Split, keys: Sequence[str]) -> pd.Series[bool]:
    """Which of the rows are held out, by the split."""
    import pandas as pd

    rows = found.rows
    match split:
        case ByTime(column=column, since=since, share=share):
            at = pd.to_datetime(rows[column], utc=True)
            return at >= (_latest(at, share) if since is None else pd.to_datetime(since, utc=True))
        case ByFlag(column=column):
            return rows[column].astype(bool)
        case ByGroup(column=column, share=share, seed=seed):
            return rows[column].map(lambda value: _falls(value, seed) < share)
        case AtRandom(share=share, seed=seed):
            return rows[[*keys]].astype(str).agg("\x1f".join, axis=1).map(lambda value: _falls(value, seed) < share)


def _latest(at: pd.Series[Any], share: float) -> Any:
    """The time from which on the latest `share` of the rows are."""
    return at.sort_values().iloc[min(int(len(at) * (1 - share)), len(at) - 1)]


def _falls(value: object, seed: int) -> float:
    """A number from 0 to 1 for a value, always the same: a row doesn't change sides as others come."""
    digest = hashlib.blake2b(f"{seed}\x1f{value}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def _of_split(split: Split) -> list[str]:
    return [] if isinstance(split, AtRandom) else [split.column]
