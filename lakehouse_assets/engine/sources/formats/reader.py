"""Read a batch of files into one DataFrame: every value kept, none under the wrong name, each bad file by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lakehouse_assets.engine.sources.arrivals.listing import Arrival
from lakehouse_assets.engine.sources.first_look.footers import batch_memory
from lakehouse_assets.engine.sources.first_look.text_head import is_near
from lakehouse_assets.engine.sources.formats import columnar, delimited
from lakehouse_assets.engine.sources.formats.column_names import Target, folded, target_of
from lakehouse_assets.engine.sources.formats.converted import find_damaged
from lakehouse_assets.engine.sources.formats.opened import look_at, open_files
from lakehouse_assets.engine.sources.formats.rescue import Group, conform
from lakehouse_assets.engine.sources.formats.unreadable import bisect
from lakehouse_assets.engine.spec.formats import Csv, Format, Orc

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse_assets.engine.spec.columns import Column
    from lakehouse_assets.engine.spec.inputs import Files


INTEGERS = {"tinyint", "smallint", "int", "bigint"}
NUMBERS = INTEGERS | {"float", "double"}


@dataclass(frozen=True)
class Reading:
    """What a batch of files holds.

    `df` has the table's columns, then new ones, then `_rescued` (a JSON object of what fits no column, or null) and
    `_source` (the file's path); it's None when there is nothing to read. `failed` maps the path of a file that was
    left out to the reason. `empty` are the paths of files without rows. `added` maps the columns that this reading
    brings and the table doesn't have to their types.
    """

    df: DataFrame | None
    failed: Mapping[str, str]
    empty: frozenset[str]
    added: Mapping[str, str]


def read_files(
    spark: SparkSession, source: Files, files: Sequence[Arrival], known: Mapping[str, str], columns: tuple[Column, ...]
) -> Reading:
    """Read a batch of files. `known` has the types of the table's columns, empty if it's new; `columns` its contract.

    Text formats give strings, unless a column has another type in the table or its contract. Wrong bytes in a text
    end the query that reads them, as does a damaged file: `find_unreadable` then says which files those are. So does
    another version than the `Arrival`'s, where that can be seen (see `opening.load`); `still_there` says which.

    Raises:
        SourceError: the source's encoding is not known.
        SparkUnavailable: the engine went away.
    """
    kind, target = source.format, target_of(known, columns, source.intake.evolve)
    kept = sorted((f for f in files if f.size), key=lambda f: f.path)
    opened = open_files(spark, kind, kept, target)
    empty = opened.empty | {f.path for f in files if not f.size}
    if not opened.groups:
        return Reading(None, opened.failed, empty, {})
    infer = isinstance(kind, Csv) and kind.infer_types and not known
    full = _full(opened.groups, target, delimited.inferred(opened.groups, target) if infer else {})
    have = {folded(n) for n in known}
    added = {n: kind for n, kind in full.types.items() if folded(n) not in have}
    ordered = [_ordered(conform(g, full), full) for g in opened.groups]
    return Reading(delimited.union(ordered), opened.failed, empty, added)


def find_unreadable(
    spark: SparkSession, source: Files, files: Sequence[Arrival], known: Mapping[str, str], columns: tuple[Column, ...]
) -> dict[str, str]:
    """Path → reason, for the files that can't be read: by halves, so that one in a thousand takes twenty small jobs.

    Raises:
        SparkUnavailable: the engine went away, which says nothing about the files.
    """
    failed: dict[str, str] = {}

    def probe(some: Sequence[Arrival]) -> None:
        reading = read_files(spark, source, some, known, columns)
        failed.update(reading.failed)
        if reading.df is not None:
            reading.df.write.format("noop").mode("overwrite").save()

    return bisect(source.format, files, probe) | failed


def find_endless(spark: SparkSession, kind: Format, files: Sequence[Arrival]) -> dict[str, str]:
    """Path → reason, for the files over which Spark wouldn't come to an end: damaged ones of ORC.

    Of a store, only those that are read in a moment are looked at.
    """
    if not isinstance(kind, Orc):
        return {}
    most, near = batch_memory(spark), [f for f in files if f.size and is_near(f)]
    signatures, failed = look_at(near, lambda file: columnar.signature(file.path, kind.name, most))
    return failed | find_damaged([file for file, schema in signatures.items() if schema is not None])


def _full(groups: Sequence[Group], target: Target, inferred: Mapping[str, str]) -> Target:
    """The target with the columns that these groups add to it."""
    if not target.open:
        return target
    found: dict[str, set[str]] = {}
    for group in groups:
        for name in target.new(group.columns):
            found.setdefault(name, set()).add(group.columns[name][1])
    return replace(target, types={**target.types, **{n: inferred.get(n, _common(k)) for n, k in found.items()}})


def _common(kinds: set[str]) -> str:
    """One type for a new column that has several in one batch; what doesn't fit it is rescued."""
    kinds = kinds - {"void"} or {"string"}
    if len(kinds) == 1:
        return next(iter(kinds))
    return "bigint" if kinds <= INTEGERS else "double" if kinds <= NUMBERS else "string"


def _ordered(df: DataFrame, target: Target) -> DataFrame:
    from lakehouse_assets.engine.sources.formats.rescue import column

    return df.select(*[column(name) for name in (*target.types, "_rescued", "_source")])
