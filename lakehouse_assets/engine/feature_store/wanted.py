"""Which values are wanted of which features, held to the columns that are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import FeatureError
from lakehouse_assets.engine.spec.features.key import FeatureKey

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

# Names that stay, or old names → new ones.
Names = str | Sequence[str] | Mapping[str, str]

TIMES = ("date", "timestamp", "timestamp_ntz")
_WHOLE = ("tinyint", "smallint", "int", "bigint")


@dataclass(frozen=True)
class Wanted:
    """What is looked up: of the features with this key, as of the time `at` of the rows.

    `on` has, for each column of the entity's key, the rows' name of it, and `columns`, for each column that is taken,
    the name that it gets; None takes all but keys and times. `features` is what errors call them.
    """

    key: FeatureKey
    at: str
    on: Mapping[str, str]
    columns: Mapping[str, str] | None = None
    within: timedelta | None = None
    features: str = "features"

    def taken(self, features: StructType) -> dict[str, str]:
        """Each column of the features that is taken → the name that it gets."""
        if self.columns is not None:
            return dict(self.columns)
        keys = {name.lower() for name in self.key.columns}
        return {name: name for name in features.names if name.lower() not in keys and not name.startswith("_")}


def pairs(names: Names) -> dict[str, str]:
    """Old name → new name."""
    if isinstance(names, Mapping):
        return dict(names)
    return {name: name for name in ((names,) if isinstance(names, str) else names)}


def hold(wanted: Wanted, rows: StructType, features: StructType) -> None:
    """Hold what is wanted to the columns that are there.

    Raises:
        FeatureError: a column isn't there, is there already, or has a type that doesn't fit.
    """
    problem = next(_problems(wanted, rows, features), None)
    if problem:
        raise FeatureError(f"Joining {wanted.features} as of {wanted.at!r}: {problem}")


def _problems(wanted: Wanted, rows: StructType, features: StructType) -> Iterator[str]:
    key, left, right = wanted.key, types_of(rows), types_of(features)
    if not key.on:
        yield "no column tells the entities apart; name them with on=…"
    if wanted.within is not None and wanted.within < timedelta(0):
        yield f"within={wanted.within} is less than nothing; give a positive one"
    yield from _missing("the rows", left, [*wanted.on.values(), wanted.at])
    yield from _missing("the features", right, [*key.columns, *wanted.taken(features)])
    yield from _wrong_times({wanted.at: left[wanted.at.lower()]})
    yield from _wrong_times({name: right[name.lower()] for name in (key.event_time, key.known_time)})
    for name, ours in wanted.on.items():
        yield from _differ(ours, left[ours.lower()], name, right[name.lower()])
    yield from _twice([*rows.names, *wanted.taken(features).values()])


def types_of(schema: StructType) -> dict[str, str]:
    """Lower-case name → type; Spark takes names without regard to case."""
    return {field.name.lower(): field.dataType.simpleString() for field in schema}


def _missing(where: str, there: Mapping[str, str], named: Iterable[str]) -> Iterator[str]:
    for name in named:
        if name.lower() not in there:
            near = get_close_matches(name.lower(), there, n=1)
            yield f"{where} have no column {name!r}" + (f"; did you mean {near[0]!r}?" if near else "; mend the name")


def _wrong_times(times: Mapping[str, str]) -> Iterator[str]:
    for name, kind in times.items():
        if kind not in TIMES:
            yield f"{name!r} is a {kind}, and no time; make it a timestamp or a date"


def _differ(ours: str, kind: str, theirs: str, other: str) -> Iterator[str]:
    if kind != other and not (kind in _WHOLE and other in _WHOLE):
        yield f"{ours!r} of the rows is a {kind}, and {theirs!r} of the features a {other}; cast one of them"


def _twice(names: Sequence[str]) -> Iterator[str]:
    for name in [n for n, count in Counter(map(str.lower, names)).items() if count > 1]:
        yield f"there would be two columns {name!r}; take it by another name, as in columns={{{name!r}: 'other'}}"
