"""What can be wrong with one declared table: each problem with its file and line, and with what to do."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.graph.labels import NAME, label_problems
from lakehouse_assets.engine.spec.asset import LAYERS, Domain
from lakehouse_assets.engine.spec.checks import FILES_READABLE, SNAPSHOTS_PLAUSIBLE, adds_up
from lakehouse_assets.engine.spec.compute import capabilities_of
from lakehouse_assets.engine.spec.encodings import WITHOUT_SETTINGS, needs_setting, python_encoding
from lakehouse_assets.engine.spec.expectations import Watermark
from lakehouse_assets.engine.spec.formats import TextFormat
from lakehouse_assets.engine.spec.inputs import VARIABLE, AzureSql, Files, Http
from lakehouse_assets.engine.spec.models.model import Model
from lakehouse_assets.engine.spec.modes import VALIDITY, Append, Daily, History, Merge, Refresh
from lakehouse_assets.engine.spec.sinks.sink import Sink
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.engine.spec.texts import can_be_typed

_TYPE = re.compile(
    r"(string|boolean|tinyint|smallint|int|bigint|float|double|date|timestamp|timestamp_ntz|binary|variant"
    r"|decimal\(\d+, ?\d+\)|(array|map|struct)<.+>)"
)


def where(table: Table | Model | Sink) -> str:
    return f"{table.file}:{table.line}: {table.key}"


def _domain_problems(table: Table, domains: Mapping[str, Domain], _tables: Mapping[str, Table]) -> Iterator[str]:
    if table.domain not in domains:
        yield f"{where(table)}: its domain has no Domain; add one to {table.domain}/__init__.py"
    if table.layer not in LAYERS:
        yield f"{where(table)}: folder {table.layer!r} is no layer; use {', '.join(LAYERS)}"
    if not table.doc:
        yield f"{where(table)}: has no docstring, which is its description for analysts; write one"


def _label_problems(table: Table, domains: Mapping[str, Domain], _tables: Mapping[str, Table]) -> Iterator[str]:
    for problem in label_problems(table, domains.get(table.domain)):
        yield f"{where(table)}: {problem}"


def _parameter_problems(table: Table, _domains: Mapping[str, Domain], _tables: Mapping[str, Table]) -> Iterator[str]:
    if table.fn is None:
        return
    parameters = set(inspect.signature(table.fn).parameters)
    for name in sorted(parameters - set(table.inputs)):
        yield f'{where(table)}: parameter {name!r} is bound to nothing; add {name}="layer.table" to @table'
    for name in sorted(set(table.inputs) - parameters):
        yield f"{where(table)}: {name!r} is bound, but the function has no such parameter; add or remove it"


def _column_problems(table: Table, _domains: Mapping[str, Domain], _tables: Mapping[str, Table]) -> Iterator[str]:
    for name in _repeated(c.name.lower() for c in table.columns):
        yield f"{where(table)}: column {name!r} is declared twice; Delta takes names without regard to case"
    for column in table.columns:
        if not _TYPE.fullmatch(column.type):
            yield f"{where(table)}: column {column.name!r} has type {column.type!r}, which Spark SQL doesn't know"


def _text_problems(table: Table, _domains: Mapping[str, Domain], _tables: Mapping[str, Table]) -> Iterator[str]:
    declared = {c.name: c.type for c in table.columns}
    for t in table.typed:
        kind = t.type or declared.get(t.column, "")
        if not t.column and not declared:
            yield f"{where(table)}: typed() is about its columns, and it declares none; name a column and its type"
        elif t.column and not kind:
            near = get_close_matches(t.column, declared, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; declare it, or give its type"
            yield f"{where(table)}: typed({t.column!r}) is about no column of it{hint}"
        elif t.column and (kind != declared.get(t.column, kind) or not can_be_typed(kind)):
            why = f"declared as {declared[t.column]}" if can_be_typed(kind) else "which no text is cast to"
            yield f"{where(table)}: typed({t.column!r}) has the type {kind}, {why}; make them agree, or remove it"


def _check_problems(table: Table, _domains: Mapping[str, Domain], _tables: Mapping[str, Table]) -> Iterator[str]:
    own = [FILES_READABLE] * (table.source is not None) + [SNAPSHOTS_PLAUSIBLE] * bool(table.snapshots)
    watched = list(table.score.watched) if table.score else []
    names = [e.name for e in table.expectations] + [c.name for c in table.all_checks] + own + watched
    for name in _repeated(names):
        yield f"{where(table)}: two expectations or checks are called {name!r}; give one of them name=…"
    if not table.takes_new_rows and any(adds_up(check) for check in table.checks):
        yield f"{where(table)}: adds up its rows, but takes in no new rows of another table; remove that check"
    for name in names:
        if not NAME.fullmatch(name):
            yield f"{where(table)}: an expectation is called {name!r}; give it name=… of letters, digits and _"


def _write_problems(table: Table, _domains: Mapping[str, Domain], tables: Mapping[str, Table]) -> Iterator[str]:
    growing = [p for p, i in table.inputs.items() if not getattr(i, "lookup", False)]
    if isinstance(table.write, Append | Merge | History) and len(growing) > 1:
        names = ", ".join(growing)
        yield f"{where(table)}: takes new rows from several inputs ({names}); keep one, and make the others lookup(…)"
    if table.source is not None and (len(table.inputs) > 1 or not isinstance(table.write, Append)):
        yield f"{where(table)}: a table with a source appends what arrives and reads nothing else; use a silver table"
    if table.source is not None:
        yield from _source_problems(table, table.source, tables)
    if table.watermark:
        yield from _watermark_problems(table, table.watermark)
    if isinstance(table.write, Merge | History):
        yield from _change_problems(table, table.write)
    if table.partitions:
        yield from _partition_problems(table, table.partitions)
    if isinstance(table.write, Refresh):
        yield from _refresh_problems(table, table.write)


def _source_problems(table: Table, source: Files, tables: Mapping[str, Table]) -> Iterator[str]:
    try:
        python_encoding(source.format.encoding if isinstance(source.format, TextFormat) else "UTF-8")
    except SourceError as error:
        yield f"{where(table)}: {str(error).removeprefix('Reading files: ')}"
    by = source.delivered_by
    if isinstance(by, Http) and not by.urls:
        yield f"{where(table)}: its http(…) names no address; give it one"
    unknown = set(VARIABLE.findall(by.query)) - {"SINCE"} if isinstance(by, AzureSql) else set()
    if unknown:
        yield f"{where(table)}: its query names {', '.join(sorted(unknown))}; only ${{SINCE}} is filled in there"
    if source.intake.afterwards == "keep":
        return
    if isinstance(by, Http):
        yield f"{where(table)}: knows by the files there what it has downloaded; remove afterwards=…"
    others = [t.key for t in tables.values() if t is not table and t.source and t.domain == table.domain
              and t.source.path == source.path]  # fmt: skip
    if others:
        yield f"{where(table)}: {', '.join(others)} reads the same files; remove afterwards=…, or read them once"


def _compute_problems(table: Table, domains: Mapping[str, Domain], _tables: Mapping[str, Table]) -> Iterator[str]:
    """What its compute can't do, as far as its declaration tells; a table has to come out the same everywhere."""
    domain = domains.get(table.domain)
    compute = table.compute or (domain.compute if domain else None)
    text = table.source.format if table.source and isinstance(table.source.format, TextFormat) else None
    if text and compute and not capabilities_of(compute).settings and needs_setting(text.encoding):
        yield f"{where(table)}: reads files in {text.encoding}; {WITHOUT_SETTINGS}"


def _watermark_problems(table: Table, mark: Watermark) -> Iterator[str]:
    kind = next((c.type for c in table.columns if c.name == mark.column), None)
    if kind not in ("date", "timestamp", "timestamp_ntz"):
        what = f"a {kind}" if kind else "which isn't among its columns"
        yield f"{where(table)}: has its watermark on {mark.column!r}, {what}; take a date or a timestamp of its own"
    if not table.takes_new_rows:
        yield f"{where(table)}: has a watermark, but takes every row in; put it on one that merges or appends new rows"


def _partition_problems(table: Table, days: Daily) -> Iterator[str]:
    if not isinstance(table.write, Refresh) or days.column not in table.write.by:
        yield f"{where(table)}: its days are those of {days.column!r}; add that to refresh(by), or remove partitions"
    elif next((c.type for c in table.columns if c.name == days.column), "") != "date":
        yield f"{where(table)}: its days are those of {days.column!r}, which isn't a date; make it one"


def _change_problems(table: Table, mode: Merge | History) -> Iterator[str]:
    declared, keys = {c.name for c in table.columns}, tuple(c.name for c in table.columns if c.key)
    used = (*mode.on, *mode.newest, *(mode.track if isinstance(mode, History) else ()))
    for name in [n for n in used if n not in declared and not n.startswith("_")]:
        yield f"{where(table)}: merges by {name!r}, which isn't among its columns; declare it"
    if set(keys) - set(mode.on):
        yield f"{where(table)}: merges on {mode.on}, but its key columns are {keys}; make them one"
    if not mode.newest and (mode.delete_when or isinstance(mode, History)):
        yield f"{where(table)}: has no newest=…, without which a deletion or a version has no place in time; add it"
    for name in [n for n in VALIDITY if n in declared and isinstance(mode, History)]:
        yield f"{where(table)}: declares {name!r}, which a history adds by itself; remove it"


def _refresh_problems(table: Table, mode: Refresh) -> Iterator[str]:
    declared = {c.name: c.type for c in table.columns}
    if not mode.by:
        yield f"{where(table)}: refreshes by no column; name those that tell its groups apart, or use replace()"
    for name in [n for n in mode.by if n not in declared]:
        yield f"{where(table)}: refreshes by {name!r}, which isn't among its columns; declare it"
    for name in [n for n in mode.by if "<" in declared.get(n, "")]:
        yield f"{where(table)}: refreshes by {name!r}, a {declared[name]}; group by plain values"
    for parameter in [p for p, u in table.upstreams.items() if u.snapshot_on]:
        yield f"{where(table)}: {parameter!r} reads snapshots, which feed merge and history; put one between"


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


_Problems = Callable[[Table, Mapping[str, Domain], Mapping[str, Table]], Iterator[str]]


CHECKS: tuple[_Problems, ...] = (
    _domain_problems,
    _label_problems,
    _parameter_problems,
    _column_problems,
    _text_problems,
    _check_problems,
    _write_problems,
    _compute_problems,
)
