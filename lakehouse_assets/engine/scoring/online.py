"""What a request leaves out, filled in from the online store by the keys that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import FeatureError
from lakehouse_assets.engine.feature_store.online import OnlineStore
from lakehouse_assets.engine.feature_store.serving import lookup
from lakehouse_assets.engine.feature_store.wanted import pairs
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.spec.models.model import FeatureLookup, Model
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    import pandas as pd


def by_key(model: Model, lakehouse: Lakehouse, url: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """A function that adds the features which a model looks up, as the online store has them now, to rows with keys.

    A value that is sent counts, and isn't looked up. Columns of keys that the model doesn't learn from are left out.

    Raises:
        FeatureError: the model looks nothing up, or a table of features isn't online.
    """
    tables = {it.parameter: lakehouse.tables[key] for it, key in _looked_up(model, lakehouse)}
    offline = [table.key for table in tables.values() if not (table.feature and table.feature.online)]
    if not tables or offline:
        why = f"{offline[0]} isn't online; declare it with online=True" if offline else "it looks no features up"
        raise FeatureError(f"Serving {model.key} with features by key: {why}")
    store = OnlineStore(url)

    def filled(sent: pd.DataFrame) -> pd.DataFrame:
        made, keys = sent.copy(), set[str]()
        for it in model.lookups:
            table = tables[it.parameter]
            of_row = {name: it.on.get(name, name) for name in _key(table)}
            keys |= {*of_row.values()}
            for name, values in _found(store, table, it, _asked(sent, of_row, table)).items():
                made[name] = made.get(name, values)
        return made.drop(columns=[name for name in keys - {*model.inputs} if name in made])

    return filled


def _looked_up(model: Model, lakehouse: Lakehouse) -> list[tuple[FeatureLookup, str]]:
    upstreams = lakehouse.upstreams(model)
    return [(it, upstreams[it.parameter]) for it in model.lookups]


def _key(table: Table) -> tuple[str, ...]:
    return table.feature.on if table.feature else ()


def _asked(sent: pd.DataFrame, of_row: Mapping[str, str], table: Table) -> pd.DataFrame:
    if missing := [name for name in of_row.values() if name not in sent]:
        raise FeatureError(f"There is no column {missing[0]!r}, by which features of {table.key} are looked up.")
    return sent[[*of_row.values()]].set_axis([*of_row], axis=1)


def _found(store: OnlineStore, table: Table, it: FeatureLookup, keys: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """By the name that it gets, each column that is looked up, as a model takes it: numbers are doubles."""
    import pandas as pd

    found = lookup(store, table, keys)
    if it.within is not None and table.feature is not None:
        found = found.mask(_age(found[table.feature.event_time]) > it.within)
    names = pairs(it.columns)
    texts = {column.name for column in table.columns if column.type == "string"}
    plain = {old: found[old].astype(object).where(found[old].notna(), None) for old in names}
    return {
        new: plain[old] if old in texts else pd.to_numeric(plain[old]).astype("float64") for old, new in names.items()
    }


def _age(event: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    known: pd.Series[Any] = pd.to_datetime(event, utc=True)
    return (datetime.now(UTC) - known).fillna(timedelta(0))
