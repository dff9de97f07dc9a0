"""Finds where a row that broke a `fail` came from: its file, and, where that is text, its lines.

A row that keeps `_source` tells its file. Else the files of what was read are halved for as long as one half breaks the
expectation, and then the rows of the file: a few small jobs, in a run that has failed already.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import ExpectationFailed, LakehouseError
from lakehouse_assets.engine.plan.plan import Plan
from lakehouse_assets.engine.plan.read import inputs_of
from lakehouse_assets.engine.plan.small_runs import interpreted
from lakehouse_assets.engine.quality import judge
from lakehouse_assets.engine.run.build import build
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.sources.formats.lines import lines_of
from lakehouse_assets.engine.spark_errors.broken_expectation import FAILED, told_of
from lakehouse_assets.engine.spark_errors.causes import all_told
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

T = TypeVar("T")
# Of a file with more rows, the lines aren't looked for.
MOST_ROWS = 50_000


@dataclass(frozen=True)
class _Origin:
    """The table that read a file, the file, and the row as it was read there, as far as it was found."""

    table: Table
    path: str
    row: Mapping[str, Any]


@contextmanager
def traced(plan: Plan, context: Context) -> Iterator[None]:
    """Tells of a row that broke a `fail` where it came from, and what can be done about it.

    Raises:
        ExpectationFailed: that.
    """
    try:
        yield
    except ExpectationFailed as error:
        raise _located(error, plan, context) from error


def _located(error: ExpectationFailed, plan: Plan, context: Context) -> ExpectationFailed:
    from pyspark.errors import PySparkException

    try:
        with interpreted(context.session(), 0):
            origin = _origin(error, plan, context)
    except (LakehouseError, PySparkException):  # what it was about to explain matters more
        return error
    if origin is None:
        read = ", ".join(f"{r.key} up to version {r.to}" for r in plan.reads.values() if not r.lookup)
        return told_of(plan.table, error.check, error.row, f", from {read}" if read else "")
    source = origin.table.source
    lines = lines_of(origin.path, source.format, origin.row) if source else None
    where = "" if lines is None else f" line {lines[0]}" if lines[0] == lines[1] else f" lines {lines[0]} to {lines[1]}"
    way = f"`lakehouse forget {origin.table.key} {shlex.quote(origin.path)}` takes the rows of that file out"
    return told_of(plan.table, error.check, error.row, f", from {origin.path}{where}", way)


def _origin(error: ExpectationFailed, plan: Plan, context: Context) -> _Origin | None:
    row = {} if isinstance(error.row, str) else error.row
    path = row.get("_source")
    if plan.table.source:
        return _Origin(plan.table, path, row) if isinstance(path, str) else None
    inputs = inputs_of(context.session(), plan)
    for parameter in sorted(inputs, key=lambda name: plan.reads[name].lookup):
        rows = inputs[parameter]
        if "_source" in rows.columns:
            search = _Search(plan, context, error.check, inputs, parameter)
            file = path if isinstance(path, str) else search.file()
            owner = _owner(plan.table, context, file) if file else None
            if owner and file:
                return _Origin(owner, file, search.row(file) if owner.key == plan.reads[parameter].key else {})
    owner = _owner(plan.table, context, path) if isinstance(path, str) else None
    return _Origin(owner, path, {}) if owner and isinstance(path, str) else None


@dataclass(frozen=True)
class _Search:
    """What the expectation is tried on: the inputs of a run, of one of which only some rows are taken."""

    plan: Plan
    context: Context
    expectation: str
    inputs: Mapping[str, DataFrame]
    parameter: str

    def file(self) -> str | None:
        """The file whose rows break the expectation by themselves."""
        rows = self.inputs[self.parameter]
        files = [row[0] for row in rows.select("_source").distinct().collect() if row[0]]
        found = narrowed_down(sorted(files), lambda some: self._breaks(_of_files(rows, some)))
        return found[0] if found and len(found) == 1 else None

    def row(self, file: str) -> Mapping[str, Any]:
        """The row of a file that breaks the expectation by itself; empty if none does."""
        rows = _of_files(self.inputs[self.parameter], [file]).limit(MOST_ROWS + 1).toArrow()
        if rows.num_rows > MOST_ROWS:
            return {}
        spark = self.context.session()

        def breaks(some: Sequence[int]) -> bool:
            return self._breaks(spark.createDataFrame(rows.slice(some[0], len(some))))

        found = narrowed_down(range(rows.num_rows), breaks)
        row: Mapping[str, Any] = rows.slice(found[0], 1).to_pylist()[0] if found and len(found) == 1 else {}
        return row

    def _breaks(self, rows: DataFrame) -> bool:
        from pyspark.errors import PySparkException

        table, key = self.plan.table, self.plan.reads[self.parameter].key
        built = build(self.context.session(), table, {**self.inputs, self.parameter: rows.alias(key)})
        try:
            judge.try_out(
                built, [expectation for expectation in table.expectations if expectation.name == self.expectation]
            )
        except PySparkException as error:
            return FAILED in all_told(error)
        return False


def narrowed_down(some: Sequence[T], breaks: Callable[[Sequence[T]], bool]) -> Sequence[T] | None:
    """As few of some things as break something by themselves, halved again and again; None if all of them don't."""
    if not some or not breaks(some):
        return None
    while len(some) > 1:
        halves = some[: len(some) // 2], some[len(some) // 2 :]
        broken = next((half for half in halves if breaks(half)), None)
        if broken is None:
            break
        some = broken
    return some


def _of_files(rows: DataFrame, files: Sequence[str]) -> DataFrame:
    from pyspark.sql import functions as F

    return rows.where(F.col("_source").isin(list(files)))


def _owner(table: Table, context: Context, path: str) -> Table | None:
    """The table upstream that read a file."""
    for key in context.lakehouse.upstreams(table).values():
        upstream = context.lakehouse.tables[key]
        if upstream.source and Ledger(context.lake.arrivals(key), context.lake.storage).state().named(path):
            return upstream
        found = _owner(upstream, context, path)
        if found:
            return found
    return None
