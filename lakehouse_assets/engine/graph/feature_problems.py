"""What can be wrong with a table of features, and with a table in its layer that is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from lakehouse_assets.engine.graph.table_problems import where
from lakehouse_assets.engine.spec.asset import Domain
from lakehouse_assets.engine.spec.features.key import FeatureKey
from lakehouse_assets.engine.spec.modes import History
from lakehouse_assets.engine.spec.table import Table

LAYER = "features"
_TIMES = ("date", "timestamp", "timestamp_ntz")


def feature_problems(table: Table, _domains: Mapping[str, Domain], _tables: Mapping[str, Table]) -> Iterator[str]:
    """Each problem with its file and line, and with what to do."""
    yield from (f"{where(table)}: {problem}" for problem in _problems(table))


def _problems(table: Table) -> Iterator[str]:
    if table.feature is None:
        if table.layer == LAYER:
            yield "is in the folder of features, and declares none; use features(…), or move the file to gold"
        return
    if table.layer != LAYER:
        yield f"declares features in the folder {table.layer!r}; move the file to {LAYER}"
    if not table.feature.on:
        yield "its features are about no entity; name the columns of its key, as in features(on=…)"
    if isinstance(table.write, History):
        yield "keeps a history of features, which have their times already; use merge(…), or leave write=… out"
    yield from _column_problems(table, table.feature)


def _column_problems(table: Table, key: FeatureKey) -> Iterator[str]:
    types = {column.name: column.type for column in table.columns}
    for name in [name for name in key.columns if name not in types]:
        near = get_close_matches(name, types, n=1)
        yield f"its features are found by {name!r}, which isn't among its columns" + (
            f"; did you mean {near[0]!r}?" if near else "; declare it"
        )
    for name in dict.fromkeys((key.event_time, key.known_time)):
        if types.get(name, _TIMES[0]) not in _TIMES:
            yield f"its features are placed in time by {name!r}, a {types[name]}; make it a timestamp or a date"
    for name in [name for name in key.on if name in (key.event_time, key.known_time)]:
        yield f"its features are about {name!r}, which is a time of theirs; name the columns of an entity"
    if set(table.keys) - set(key.columns):
        extra = ", ".join(sorted(set(table.keys) - set(key.columns)))
        yield f"{extra} is declared as key, by which no feature is found; add it to on=…, or remove key=True"
    if not set(types) - set(key.columns):
        yield "has no values beside its key and times; declare a column for each"
