"""Brings the online store to the version of a features table, from whichever version it is at.

It's done after each run, also after one with nothing to do: so what a run that was killed has left undone is made up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import FeatureError
from lakehouse_assets.engine.feature_store.entities import entity_text, row_text
from lakehouse_assets.engine.feature_store.online import Change, Held, OnlineStore
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.delta_rs import arrow, column, errors_of_delta_rs, text
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.spec.features.key import FeatureKey
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

# So many entities are named in a query; for more all rows are read, and the store's rows of the others stay.
NAMED = 200
ATTEMPTS = 5
_WRITTEN: dict[str, Callable[[Any], str]] = {
    "string": text, **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), str),
}  # fmt: skip


def bring_online(table: Table, lake: Lake) -> Held | None:
    """Have the online store hold the latest values of each entity at the table's version; what it holds then.

    None for a table that isn't online or isn't built, and where there is no store.

    Raises:
        FeatureError: the store can't be reached, or other runs kept writing to it first.
    """
    if table.feature is None or not table.feature.online or not lake.online:
        return None
    store = OnlineStore(lake.online)
    for _ in range(ATTEMPTS):
        log, before = read_log(lake.table(table.key)), store.held(table.key)
        if log is None or (before and before.id == log.id and before.version >= log.version):
            return before
        to = Held(log.id, log.version, 0)
        if store.commit(table.key, before, to, _change(table.feature, log, before)):
            return store.held(table.key)
    raise FeatureError(f"Bringing {table.key} online: other runs kept writing first; run it again")


def _change(key: FeatureKey, log: TableLog, before: Held | None) -> Change:
    changed = _changed(key, log, before)
    types = [log.columns[name] for name in key.on]
    entities = None if changed is None else {it for row in changed if (it := entity_text(row, types))}
    named = _named(key, types, changed) if changed is not None and len(changed) <= NAMED else None
    found = dict[str, str]()
    for row in _latest(key, log, named).to_pylist() if changed is None or changed else []:
        entity = entity_text([row[name] for name in key.on], types)
        if entity and (entities is None or entity in entities):
            found[entity] = row_text(row)
    return Change(found, entities)


def _changed(key: FeatureKey, log: TableLog, before: Held | None) -> list[tuple[Any, ...]] | None:
    """The entities of which rows have changed; None where that can't be told, or all were made anew."""
    import pyarrow as pa

    since = log.since(before.version) if before and before.id == log.id else None
    if before is None or since is None or any(c.replaces_all or c.restores for c in since):
        return None
    if not any(c.changes_data for c in since):
        return []
    try:
        feed = log.table.load_cdf(before.version + 1, log.version, columns=[column(name) for name in key.on])
        batches = pa.RecordBatchReader.from_stream(feed)
        return list({tuple(row[name] for name in key.on) for batch in batches for row in batch.to_pylist()})
    except errors_of_delta_rs():  # it's off, or cleaned away
        return None


def _named(key: FeatureKey, types: list[str], entities: Collection[tuple[Any, ...]]) -> str | None:
    """A condition that these entities meet; None where a key has a type that isn't written alike everywhere."""
    if not all(kind in _WRITTEN for kind in types):
        return None
    known = [entity for entity in entities if None not in entity]
    told = (zip(key.on, types, entity, strict=True) for entity in known)
    each = [" AND ".join(f'"{name}" = {_WRITTEN[kind](value)}' for name, kind, value in one) for one in told]
    return " OR ".join(f"({one})" for one in each) or "false"


def _latest(key: FeatureKey, log: TableLog, condition: str | None) -> pa.Table:
    """Of each entity the row with the latest event, and of several of that event the one that was known last."""
    columns = [name for name in log.columns if not name.startswith("_")]
    entity = ", ".join(f'"{name}"' for name in key.on)
    order = f'"{key.event_time}" DESC, "{key.known_time}" DESC'
    there = " AND ".join(f'"{name}" IS NOT NULL' for name in key.columns)
    listed = ", ".join(f'"{name}"' for name in columns)
    query = (
        f"SELECT {listed} FROM (SELECT *, row_number() OVER ("
        f"PARTITION BY {entity} ORDER BY {order}) AS _nth FROM stored WHERE {there} AND ({condition or 'true'}))"
        " AS ranked WHERE _nth = 1"
    )
    return arrow(log.table, "stored", query)
