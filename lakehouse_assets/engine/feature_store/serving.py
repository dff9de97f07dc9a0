"""Looks up the latest values of entities in the online store, for one that serves a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import FeatureError
from lakehouse_assets.engine.feature_store.entities import entity_text, row_of
from lakehouse_assets.engine.feature_store.online import OnlineStore
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    import pandas as pd

# What a column is in a DataFrame, where it may also be missing.
_DTYPES = {**dict.fromkeys(("tinyint", "smallint", "int", "bigint"), "Int64"), "float": "float64", "double": "float64",
           "boolean": "boolean", "timestamp": "datetime64[us, UTC]", "timestamp_ntz": "datetime64[us]"}  # fmt: skip


def lookup(store: OnlineStore, table: Table, keys: pd.DataFrame) -> pd.DataFrame:
    """The latest values of the entities in `keys`, row for row, without the key; missing where there are none.

    They are those of one version of the table, whoever writes meanwhile.

    Raises:
        FeatureError: the table isn't online, a column of its key isn't there, or the store can't be reached.
    """
    import pandas as pd

    feature, types = table.feature, {column.name: column.type for column in table.columns}
    if feature is None or not feature.online:
        raise FeatureError(f"Looking up {table.key}: it isn't online; declare it with features(…, online=True)")
    if missing := [name for name in feature.on if name not in keys]:
        known = ", ".join(feature.on)
        raise FeatureError(f"Looking up {table.key}: no {missing[0]!r} is given; its key has {known}")
    asked = zip(*(keys[name].tolist() for name in feature.on), strict=True)
    entities = [entity_text(values, [types[name] for name in feature.on]) for values in asked]
    found = store.find(table.key, list({entity for entity in entities if entity}))
    rows: list[dict[str, Any]] = [row_of(found[it], types) if it in found else {} for it in entities]
    columns = {name: kind for name, kind in types.items() if name not in feature.on}
    made = {n: pd.Series([r.get(n) for r in rows], keys.index, _DTYPES.get(k, "object")) for n, k in columns.items()}
    return pd.DataFrame(made, index=keys.index)
