"""A table as it is declared: a frozen value that says what it is, and nothing about how it runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse_assets.engine.spec.alerts import Alert
from lakehouse_assets.engine.spec.checks import Check, UniqueKey, ValuesAvailable
from lakehouse_assets.engine.spec.columns import Column
from lakehouse_assets.engine.spec.compute import Compute
from lakehouse_assets.engine.spec.elsewhere.tasks import External, Task
from lakehouse_assets.engine.spec.expectations import ON_TIME, POSITION_KNOWN, Action, Expectation, Watermark
from lakehouse_assets.engine.spec.features.key import FeatureKey
from lakehouse_assets.engine.spec.inputs import Files, Topic, Upstream
from lakehouse_assets.engine.spec.models.score import Score
from lakehouse_assets.engine.spec.modes import POSITION, UNAVAILABLE, VALIDITY, Append, Daily, History, Merge, WriteMode
from lakehouse_assets.engine.spec.texts import Typed, can_be_typed, check_name, literal, names_in, parses

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Table:
    """A declared table. Call it to run its function on DataFrames of your own, as in a test."""

    domain: str
    layer: str
    name: str
    doc: str
    inputs: Mapping[str, Upstream | Files | Topic]
    columns: tuple[Column, ...]
    expect: tuple[Expectation, ...]
    checks: tuple[Check, ...]
    write: WriteMode
    file: Path
    line: int
    fn: Callable[..., DataFrame] | None = None
    sql: str | None = None
    owner: str | None = None
    freshness: timedelta | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    watermark: Watermark | None = None
    partitions: Daily | None = None
    typed: tuple[Typed, ...] = ()
    compute: Compute | None = None
    task: Task | None = None
    external: External | None = None
    score: Score | None = None
    feature: FeatureKey | None = None
    alerts: tuple[Alert, ...] = ()

    def __call__(self, *args: DataFrame, **inputs: DataFrame) -> DataFrame:
        if self.fn is None:
            declared = "declared by its model" if self.score else "declared in SQL"
            how = f"made by {self.made_by}" if self.made_by else declared
            raise TypeError(f"{self.key} is {how}; it has no Python function to call")
        return self.fn(*args, **inputs)

    @property
    def key(self) -> str:
        """`domain.layer.name`, the table's name everywhere: logs, commands, Delta transactions."""
        return f"{self.domain}.{self.layer}.{self.name}"

    @property
    def made_by(self) -> str:
        """What makes it that isn't ours, in words: a task, or a job of others; empty where a function or query does."""
        return str(self.task or "") or (str(self.external.job) if self.external else "")

    @property
    def source(self) -> Files | None:
        return next((i for i in self.inputs.values() if isinstance(i, Files)), None)

    @property
    def topic(self) -> Topic | None:
        return next((i for i in self.inputs.values() if isinstance(i, Topic)), None)

    @property
    def takes_new_rows(self) -> bool:
        """Whether a run takes in the rows of other tables that are new, and not all of them."""
        return bool(self.upstreams) and isinstance(self.write, Append | Merge | History)

    @property
    def upstreams(self) -> dict[str, Upstream]:
        """Parameter name → upstream table, sources left out."""
        return {p: i for p, i in self.inputs.items() if isinstance(i, Upstream)}

    @property
    def snapshots(self) -> list[Upstream]:
        """The upstream tables of which it reads whole snapshots."""
        return [i for i in self.upstreams.values() if i.snapshot_on]

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        declared = tuple(c.name for c in self.columns if c.key)
        return (*declared, VALIDITY[0]) if declared and isinstance(self.write, History) else declared

    @property
    def mode(self) -> str:
        """The name of the write mode."""
        return type(self.write).__name__.lower()

    @property
    def delete_when(self) -> str | None:
        return self.write.delete_when if isinstance(self.write, Merge | History) else None

    @property
    def texts(self) -> dict[str, str]:
        """The columns that may come as text → the types that they're cast to."""
        declared = {c.name: c.type for c in self.columns}
        named = {t.column: t.type or declared.get(t.column, "") for t in self.typed if t.column}
        found = declared | named if any(not t.column for t in self.typed) else named
        return {name: kind for name, kind in found.items() if kind and can_be_typed(kind)}

    @property
    def parse_expectations(self) -> dict[str, Expectation]:
        """Of each column that may come as text, the expectation that drops what isn't of its type."""
        return {
            name: Expectation(check_name(name, kind), parses(name, kind), "drop",
                              f"The text of `{name}` is one that {kind} holds exactly; others are in quarantine.")
            for name, kind in self.texts.items()
        }  # fmt: skip

    @property
    def expectations(self) -> tuple[Expectation, ...]:
        """The declared expectations, one that drops a null for each required column that none of them covers, and one
        that drops what doesn't parse for each column that may come as text.

        A row that deletes isn't stored, so all it has to have is its key, and its place where there is one. No
        row ends a run by what didn't parse in it. What is made elsewhere is stored already, so nulls in it are counted.
        """
        action: Action = "warn" if self.made_by else "drop"
        covered = {e.condition for e in self.expect}
        implied = [(c, Expectation(f"{c.name}_not_null", f"`{c.name}` IS NOT NULL", action)) for c in self.columns]
        keys = tuple(e for c, e in implied if c.key and e.condition not in covered)
        others = tuple(e for c, e in implied if c.required and not c.key and e.condition not in covered)
        late = (self.watermark.expectation,) if self.watermark else ()
        parse = self.parse_expectations
        own = tuple(parse[c.name] for c in self.columns if c.key and c.name in parse)
        rest = tuple(expectation for expectation in parse.values() if expectation not in own)
        expect = tuple(_where_parsed(e, parse) for e in self.expect)
        told = keys + own + self._in_order
        judged = tuple(self._where_told(e) for e in others + rest + expect)
        return told + tuple(_unless(self.delete_when, e) for e in judged) + late

    @property
    def placed(self) -> bool:
        """Whether its rows are events that have a place in a log."""
        return isinstance(self.write, Merge | History) and POSITION in self.write.newest

    @property
    def _in_order(self) -> tuple[Expectation, ...]:
        kept = (_kept(self.columns),) if self.columns else ()
        return (POSITION_KNOWN, *kept) if self.placed else ()

    def _where_told(self, expectation: Expectation) -> Expectation:
        """An expectation that doesn't judge an event by values that it doesn't tell."""
        read = names_in(expectation.condition) if self.placed else set[str]()
        names = [c.name for c in self.columns if c.name.lower() in read]
        untold = f"coalesce(arrays_overlap(`{UNAVAILABLE}`, {_array(names)}), false)"
        return replace(expectation, condition=f"{untold} OR ({expectation.condition})") if names else expectation

    @property
    def all_checks(self) -> tuple[Check, ...]:
        """The declared checks, that a key is unique, and that no value of a change is unavailable."""
        key = (UniqueKey(self.keys),) if self.keys else ()
        return (*key, *((ValuesAvailable(UNAVAILABLE),) if self.placed else ()), *self.checks)

    @property
    def has_quarantine(self) -> bool:
        """Whether a row of it may be rejected."""
        return any(expectation.action == "drop" for expectation in self.expectations)

    @property
    def expectations_version(self) -> str:
        """A hash of the expectation set, stored with every row it rejects."""
        return _digest([(r.name, r.condition, r.action) for r in self.expectations if r.name != ON_TIME])

    @property
    def code_version(self) -> str:
        """A hash of all that decides the table's contents: its code, contract, expectations and write mode."""
        elsewhere = repr(self.task or self.external) if self.made_by else repr(self.score) if self.score else ""
        body = elsewhere or (self.sql if self.fn is None else _code(self.fn))
        contract = [(c.name, c.type, c.required) for c in self.columns]
        late = repr(replace(self.watermark, behind="")) if self.watermark else ""
        return _digest(
            [body, contract, self.expectations_version, repr(self.write), repr(sorted(self.inputs.items())), late]
        )


def _where_parsed(expectation: Expectation, parse: Mapping[str, Expectation]) -> Expectation:
    """A `fail` that isn't broken by a row that goes to quarantine anyway, as a text that it reads doesn't parse."""
    if expectation.action != "fail":
        return expectation
    read = names_in(expectation.condition)
    bad = " AND ".join(f"({p.condition})" for name, p in parse.items() if name.lower() in read)
    return replace(expectation, condition=f"NOT ({bad}) OR ({expectation.condition})") if bad else expectation


def _kept(columns: tuple[Column, ...]) -> Expectation:
    """The expectation that what an event doesn't tell is a column of the table, or what was there couldn't be kept."""
    names = _array([c.name for c in columns if not c.key])
    met = f"`{UNAVAILABLE}` IS NULL OR size(array_except(`{UNAVAILABLE}`, {names})) = 0"
    return Expectation(
        "unavailable_kept", met, "drop",
        "What the event doesn't tell is a column of the table, under the name that it has in the source.",
    )  # fmt: skip


def _array(names: list[str]) -> str:
    return f"array({', '.join(map(literal, names))})"


def _unless(deletes: str | None, expectation: Expectation) -> Expectation:
    return replace(expectation, condition=f"({deletes}) OR ({expectation.condition})") if deletes else expectation


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def _code(fn: Callable[..., object]) -> str:
    import inspect

    return inspect.getsource(fn)
