"""How a domain file declares a table of features: like any table, with what its rows are about, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.spec.declare import sql_table, table
from lakehouse_assets.engine.spec.expectations import Expectation
from lakehouse_assets.engine.spec.features.key import FeatureKey
from lakehouse_assets.engine.spec.inputs import Delivery, Files
from lakehouse_assets.engine.spec.modes import Refresh
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def features(
    *, on: str | Sequence[str], event_time: str, known_time: str | None = None, online: bool = False, **declared: Any
) -> Callable[[Callable[..., DataFrame]], Table]:
    """Declare the decorated function as a table of features, in `features/` of a domain; all else is as in `table`.

    A row has the values of the entity `on` at `event_time`, the moment that they're about, known since `known_time`; by
    default that is the same. These columns are the table's key. A row that is known before its event is quarantined.
    With `online`, the latest values of each entity are in the online store too. Without `write`, the table refreshes by
    its key.
    """
    key = _key(on, event_time, known_time, online)
    return lambda fn: replace(table(**_options(key, declared))(fn), feature=key)


def sql_features(
    *, on: str | Sequence[str], event_time: str, known_time: str | None = None, online: bool = False,
    sql: str | None = None, **declared: Any,
) -> Table:  # fmt: skip
    """Declare a table of features by a SELECT. See `features` and `sql_table`."""
    key = _key(on, event_time, known_time, online)
    return replace(sql_table(sql=sql, **_options(key, declared)), feature=key)


def _options(key: FeatureKey, declared: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a table, of which the key decides more than it does of others."""
    keyed = [replace(c, key=c.key or c.name in key.columns) for c in declared.get("columns", ())]
    arrives = any(isinstance(given, Files | Delivery) for given in declared.values())
    write = {} if arrives else {"write": Refresh((*key.on, key.event_time))}
    return {**write, **declared, "columns": keyed, "expect": [*declared.get("expect", ()), *_known_afterwards(key)]}


def _key(on: str | Sequence[str], event_time: str, known_time: str | None, online: bool) -> FeatureKey:
    return FeatureKey((on,) if isinstance(on, str) else tuple(on), event_time, known_time or event_time, online)


def _known_afterwards(key: FeatureKey) -> list[Expectation]:
    """That nothing is known before it happens. A null breaks the expectation that a key has a value, and not this."""
    if key.known_time == key.event_time:
        return []
    met = f"`{key.known_time}` IS NULL OR `{key.event_time}` IS NULL OR `{key.known_time}` >= `{key.event_time}`"
    doc = f"`{key.known_time}`, since when a row is known, isn't before its `{key.event_time}`."
    return [Expectation("known_afterwards", met, "drop", doc)]
