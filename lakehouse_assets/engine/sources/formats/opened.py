"""A batch of files, sorted out: those that are read together, those that are refused and why, those without rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from lakehouse_assets.engine.lake.stores import refusals, unreachable
from lakehouse_assets.engine.sources.arrivals.links import is_barred, why_barred
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, still_there
from lakehouse_assets.engine.sources.first_look.contents import Unreadable
from lakehouse_assets.engine.sources.first_look.footers import batch_memory
from lakehouse_assets.engine.sources.first_look.records import MOST_COLUMNS, TOO_MANY
from lakehouse_assets.engine.sources.first_look.text_head import Head, is_blank, is_near, read_head
from lakehouse_assets.engine.sources.formats import columnar, delimited, json_documents
from lakehouse_assets.engine.sources.formats.column_names import Target, folded
from lakehouse_assets.engine.sources.formats.converted import convert, read_converted
from lakehouse_assets.engine.sources.formats.not_lines import not_lines
from lakehouse_assets.engine.sources.formats.open_version import is_comparable, unopenable
from lakehouse_assets.engine.sources.formats.rescue import Group
from lakehouse_assets.engine.sources.formats.unreadable import bisect, raise_if_gone, reason, told
from lakehouse_assets.engine.spec.encodings import python_encoding
from lakehouse_assets.engine.spec.formats import Avro, Csv, Format, Json, JsonLines, Orc, Parquet, TextFormat

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


READERS = 16  # heads of files that are read at once; the wait is for the store


H = TypeVar("H")


@dataclass(frozen=True)
class Opened:
    """Files sorted out: groups to be read together, the refused ones with the reason, those without rows."""

    groups: Sequence[Group]
    failed: Mapping[str, str]
    empty: frozenset[str]


def look_at(files: Sequence[Arrival], look: Callable[[Arrival], H]) -> tuple[dict[Arrival, H], dict[str, str]]:
    """What `look` finds in each file, and the reasons why it couldn't."""
    failed: dict[str, str] = {}

    def attempt(file: Arrival) -> list[H]:
        try:
            if why := why_barred(file.path) if is_barred(file.etag) else unopenable(file.path):
                raise Unreadable(why)
            return [look(file)]
        except Unreadable as e:
            failed[file.path] = str(e)
            return []
        except refusals() as e:  # which says nothing about the file
            raise unreachable("Reading", file.path, e) from e

    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(attempt, files))
    return {f: seen[0] for f, seen in zip(files, found, strict=True) if seen}, failed


def _refused(target: Target, names: Collection[str]) -> str | None:
    """Why a file with these columns is refused, if it is."""
    if len(names) > MOST_COLUMNS:
        return TOO_MANY
    if target.types and names and len(target.new(names)) == len(names):
        shares = f"it has columns {_listed(names)}; none of the table's {_listed(target.types)}"
        return f"{shares}; it may be another table's, or lack a header: move it, or declare header=False"
    new = target.new(names) if target.evolve == "fail" and target.types else []
    if not new:
        return None
    return (
        f"new column{'s' if len(new) > 1 else ''} {_listed(new)} while evolve='fail'; declare what is new, or say 'add'"
    )


def _listed(names: Collection[str]) -> str:
    """Some names for a message."""
    return ", ".join(list(names)[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _spelled(found: Iterable[Sequence[str]], target: Target) -> dict[str, str]:
    return target.spelling([name for names in found for name in names])


def open_files(spark: SparkSession, kind: Format, files: Sequence[Arrival], target: Target) -> Opened:
    if isinstance(kind, TextFormat):
        python_encoding(kind.encoding)
    match kind:
        case Csv():
            return _open_delimited(spark, kind, files, target)
        case Json() | JsonLines():
            return _open_documents(spark, kind, files, target)
        case Parquet() | Avro() | Orc():
            return _open_typed(spark, kind, files, target)


def _open_delimited(spark: SparkSession, dialect: Csv, files: Sequence[Arrival], target: Target) -> Opened:
    heads, failed = look_at(files, lambda file: read_head(file, dialect))
    declared = list(target.types)
    empty = {f.path for f, head in heads.items() if head is None or (dialect.header and not head.more)}
    alike: dict[tuple[tuple[str, ...], Head], list[Arrival]] = {}
    for file, head in heads.items():
        if head is None or file.path in empty:
            continue
        names = delimited.header_of(head, dialect, declared)
        if refusal := _refused(target, names):
            failed[file.path] = refusal + delimited.other_delimiter(head, dialect)
        else:
            alike.setdefault((names, replace(head, cells=())), []).append(file)
    spelling = _spelled((names for names, _ in alike), target)
    groups = [
        delimited.read_delimited(spark, dialect, some, [spelling[folded(n)] for n in names], head)
        for (names, head), some in alike.items()
    ]
    return Opened(groups, failed, frozenset(empty))


def _open_documents(spark: SparkSession, kind: Json | JsonLines, files: Sequence[Arrival], target: Target) -> Opened:
    blanks, failed = look_at(files, lambda file: is_blank(file, kind))
    empty = frozenset(f.path for f, blank in blanks.items() if blank)
    kept = [f for f, blank in blanks.items() if not blank]
    keys, broken = _keys(spark, kind, kept)
    kept = [f for f in kept if f.path not in broken]
    if target.types and target.new(json_documents.column_names(keys)):
        refused = _with_new_keys(spark, kind, kept, target)
        broken |= refused
        kept = [f for f in kept if f.path not in refused]
        keys = _keys(spark, kind, kept)[0] if refused else keys
    if not kept:
        return Opened([], failed | broken, empty)
    names = json_documents.column_names(keys)
    objects = json_documents.read_objects(spark, kind, kept)
    return Opened([json_documents.group_of(objects, target.spelling(names), keys)], failed | broken, empty)


def _keys(spark: SparkSession, kind: Json | JsonLines, files: Sequence[Arrival]) -> tuple[list[str], dict[str, str]]:
    """The keys in the files that can be read, and the reasons for those that can't."""
    keys: dict[str, None] = {}
    odd = False

    def probe(some: Sequence[Arrival]) -> None:
        nonlocal odd
        found, some_odd = json_documents.keys_of(json_documents.read_objects(spark, kind, some))
        if len(found) > MOST_COLUMNS:
            raise Unreadable(TOO_MANY)
        keys.update(dict.fromkeys(found))
        odd = odd or some_odd

    broken = bisect(kind, files, probe)
    refused = _not_lines(spark, kind, [f for f in files if f.path not in broken]) if odd else {}
    if not refused:
        return list(keys), broken
    found, others = _keys(spark, kind, [f for f in files if f.path not in broken | refused])
    return found, broken | refused | others


def _not_lines(spark: SparkSession, kind: Json | JsonLines, files: Sequence[Arrival]) -> dict[str, str]:
    """The files declared `jsonl` that are something else, with the reason."""
    if not isinstance(kind, JsonLines):
        return {}
    objects = json_documents.read_objects(spark, kind, files)
    suspects = json_documents.odd_lines(objects)
    return {path: why for path, none in suspects.items() if (why := not_lines(path, kind.encoding, none=none))}


def _with_new_keys(
    spark: SparkSession, kind: Json | JsonLines, files: Sequence[Arrival], target: Target
) -> dict[str, str]:
    """The files that have new keys, or can't be read, with the reason."""
    refused: dict[str, str] = {}

    def probe(some: Sequence[Arrival]) -> None:
        for path, keys in json_documents.keys_by_file(json_documents.read_objects(spark, kind, some)).items():
            if refusal := _refused(target, json_documents.column_names(keys)):
                refused[path] = refusal

    return bisect(kind, files, probe) | refused


def _open_typed(spark: SparkSession, kind: Parquet | Avro | Orc, files: Sequence[Arrival], target: Target) -> Opened:
    most = batch_memory(spark)
    signatures, failed = look_at(
        files, lambda file: columnar.signature(file.path, kind.name, most, whole=is_near(file))
    )
    read, odd = list[tuple[Group, Sequence[Arrival]]](), dict[Arrival, str]()
    for signature in dict.fromkeys(s for s in signatures.values() if s is not None):
        some = [f for f, s in signatures.items() if s == signature]
        group, refused = _read_typed(spark, kind, some)
        read += [(group, [f for f in some if f not in refused])] if group else []
        odd |= refused
    converted, broken = _converted(spark, kind, odd)
    failed |= broken
    groups = list[Group]()
    for found, its in read + converted:
        if refusal := _refused(target, found.columns):
            failed |= {f.path: refusal for f in its}
        else:
            groups.append(found)
    spelling = _spelled((list(g.columns) for g in groups), target)
    groups = [replace(g, columns={spelling[folded(n)]: c for n, c in g.columns.items()}) for g in groups]
    return Opened(groups, failed, frozenset(f.path for f, s in signatures.items() if s is None))


def _read_typed(
    spark: SparkSession, kind: Parquet | Avro | Orc, files: Sequence[Arrival]
) -> tuple[Group | None, dict[Arrival, str]]:
    """Files with one schema, and those, damaged perhaps, in which Spark doesn't find it, with the reason."""
    from pyspark.errors import PySparkException

    odd = dict[Arrival, str]()
    for number, file in enumerate(files):
        try:
            return columnar.read_typed(spark, kind.name, files[number:]), odd
        except PySparkException as error:
            raise_if_gone(error)
            if still_there([file])[1]:  # it's about that file alone
                raise
            odd[file] = told(error)
    return None, odd


def _converted(
    spark: SparkSession, kind: Parquet | Avro | Orc, odd: Mapping[Arrival, str]
) -> tuple[list[tuple[Group, Sequence[Arrival]]], dict[str, str]]:
    """Files that Spark doesn't read, with the reason, converted one by one; and those that can't be."""
    read, failed = list[tuple[Group, Sequence[Arrival]]](), dict[str, str]()
    for file, found in convert(list(odd), kind.name):
        if isinstance(found, str):
            failed[file.path] = f"{reason(kind, file, odd[file])}; {found}"
        elif is_comparable(file) and still_there([file])[1]:
            failed[file.path] = "it was overwritten while it was read"
        else:
            read.append((read_converted(spark, file, found), [file]))
    return read, failed
