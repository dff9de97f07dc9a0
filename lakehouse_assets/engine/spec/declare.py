"""How a domain file declares its table: a decorator for Python, a call for SQL, and short words for their parts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Unpack

from lakehouse_assets.engine.spec.alerts import Alert
from lakehouse_assets.engine.spec.checks import Check
from lakehouse_assets.engine.spec.columns import Column
from lakehouse_assets.engine.spec.compute import Compute
from lakehouse_assets.engine.spec.expectations import Expectation, Watermark
from lakehouse_assets.engine.spec.formats import Format, FormatName, format_of, options_of
from lakehouse_assets.engine.spec.inputs import AzureSql, Delivery, Files, Http, Intake, Upstream
from lakehouse_assets.engine.spec.modes import Append, Daily, History, Merge, Refresh, Replace, WriteMode
from lakehouse_assets.engine.spec.options import FileOptions, HttpOptions, IntakeOptions
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.engine.spec.texts import Typed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Input = str | Upstream | Files | Delivery


def table(
    *,
    columns: Sequence[Column] = (),
    expect: Sequence[Expectation | Typed] = (),
    checks: Sequence[Check] = (),
    alerts: Sequence[Alert] = (),
    write: WriteMode | None = None,
    watermark: Watermark | None = None,
    partitions: Daily | None = None,
    owner: str | None = None,
    freshness: timedelta | None = None,
    tags: Mapping[str, str] | None = None,
    compute: Compute | None = None,
    **inputs: Input,
) -> Callable[[Callable[..., DataFrame]], Table]:
    """Declare the decorated function as a table; each further keyword binds a parameter to a table or a source.

    Domain and layer are the folders of the file, the name is the function's, the description its docstring (or the
    file's). Without `write`, a table with a source appends and any other is replaced. Owner, freshness and compute
    come from the domain unless they're given.
    """

    def declare(fn: Callable[..., DataFrame]) -> Table:
        code = fn.__code__
        doc = fn.__doc__ or fn.__globals__.get("__doc__") or ""
        return _table(
            fn.__name__, Path(code.co_filename), code.co_firstlineno, doc, inputs,
            fn=fn, columns=tuple(columns), expect=expect, checks=tuple(checks), write=write,
            owner=owner, freshness=freshness, tags=tags or {}, watermark=watermark, partitions=partitions,
            compute=compute, alerts=tuple(alerts),
        )  # fmt: skip

    return declare


def sql_table(
    *,
    sql: str | None = None,
    columns: Sequence[Column] = (),
    expect: Sequence[Expectation | Typed] = (),
    checks: Sequence[Check] = (),
    alerts: Sequence[Alert] = (),
    write: WriteMode | None = None,
    watermark: Watermark | None = None,
    partitions: Daily | None = None,
    owner: str | None = None,
    freshness: timedelta | None = None,
    tags: Mapping[str, str] | None = None,
    compute: Compute | None = None,
    **inputs: Input,
) -> Table:
    """Declare a table by a SELECT, in which each input has the name of its keyword.

    Assign it to a variable named as the file. Without `sql`, the query is in a `.sql` file of the same name beside it.
    """
    caller = _caller()
    file = Path(caller.f_code.co_filename)
    query = sql if sql is not None else file.with_suffix(".sql").read_text()
    return _table(
        file.stem, file, caller.f_lineno, caller.f_globals.get("__doc__") or "", inputs,
        sql=query, columns=tuple(columns), expect=expect, checks=tuple(checks), write=write,
        owner=owner, freshness=freshness, tags=tags or {}, watermark=watermark, partitions=partitions,
        compute=compute, alerts=tuple(alerts),
    )  # fmt: skip


def _caller() -> FrameType:
    """The domain file that declares, by its frame: the first that isn't of these words."""
    frame = sys._getframe(1)
    while frame.f_globals["__name__"].startswith(__package__) and frame.f_back:
        frame = frame.f_back
    return frame


def _table(
    name: str, file: Path, line: int, doc: str, inputs: Mapping[str, Input], *, write: WriteMode | None,
    expect: Sequence[Expectation | Typed], **rest: Any,
) -> Table:  # fmt: skip
    bound = {p: _bound(i, name) for p, i in inputs.items()}
    from_source = any(isinstance(i, Files) for i in bound.values())
    default: WriteMode = Append() if from_source else Replace()
    domain, layer = file.parts[-3:-1]
    return Table(
        domain=domain, layer=layer, name=name, doc=_clean(doc), inputs=bound, write=write or default,
        file=file, line=line, expect=tuple(e for e in expect if isinstance(e, Expectation)),
        typed=tuple(e for e in expect if isinstance(e, Typed)), **rest,
    )  # fmt: skip


def _clean(doc: str) -> str:
    import inspect

    return inspect.cleandoc(doc)


def lookup(table: str) -> Upstream:
    """Read a table whole, as it stands, beside the new rows of the table's main input."""
    return Upstream(table, lookup=True)


def snapshots(table: str, on: str | Sequence[str], at: str = "_batch", loses: float = 0.5) -> Upstream:
    """A table of whole snapshots, read as changes between them, for `merge` and `history`.

    Brings the rows that are new or differ from the snapshot before, and the rows that are gone with `_deleted` set and
    the `at` of the snapshot that lacks them. `on` is the key, `at` the column that tells snapshots apart and orders
    them, as that table has it: text as text, so a date in it should be an ISO date. They may arrive in any order, each
    whole in one batch. A snapshot without a row isn't seen.

    A snapshot that lacks more than the share `loses` of the keys that the one before it has, and more than one, is held
    back, and so is one most of whose rows are rejected: the run writes nothing, and its check `snapshots_plausible`
    fails and says how to accept it. A dump in another format would otherwise be taken for a deletion of everything.
    """
    return Upstream(table, snapshot_on=_names(on), snapshot_at=at, snapshot_loses=loses)


def _bound(given: Input, name: str) -> Upstream | Files:
    match given:
        case str():
            return Upstream(given)
        case Delivery():
            return given.to(name)
        case Files() | Upstream(table=str()):
            return given
    raise TypeError(f"{name} is bound to {given!r}; an input is 'layer.table', lookup(…), snapshots(…) or files(…)")


def files(path: str, format: FormatName = "csv", **options: Unpack[FileOptions]) -> Files:
    """Files that arrive under a path: see `Files`, their format (`Csv`, `Json` …) and `Intake` for the options.

    Raises:
        TypeError: the format has no such option.
    """
    return Files(path, *_format_and_intake(format, dict(options)))


def http(*urls: str, format: FormatName = "csv", **options: Unpack[HttpOptions]) -> Delivery:
    """What is found at some addresses, read anew whenever it has changed; see `Http` and `files` for the options.

    It lands in the landing folder of the domain, in a folder with the name of the table.
    """
    given: dict[str, Any] = dict(options)
    fetched = Http(urls, **{name: given.pop(name) for name in [*given] if name in _OF_HTTP})
    return Delivery(fetched, *_format_and_intake(format, given))


_OF_HTTP = {field.name for field in fields(Http)}


def extract(query: str, server: str, database: str, **options: Unpack[IntakeOptions]) -> Delivery:
    """The rows of a query on an Azure SQL database, copied by Data Factory; see `AzureSql` and `Intake`.

    They land as Parquet in the landing folder of the domain, in a folder with the name of the table.
    """
    return Delivery(AzureSql(query, server, database), *_format_and_intake("parquet", dict(options)))


def _format_and_intake(name: FormatName, options: dict[str, Any]) -> tuple[Format, Intake]:
    of_format = format_of(name, options)
    unknown = set(options) - _OF_INTAKE
    if unknown:
        known = ", ".join([*options_of(name), *sorted(_OF_INTAKE)])
        raise TypeError(f"files of the format {name} have no {', '.join(sorted(unknown))}; their options are {known}")
    return of_format, Intake(**options)


_OF_INTAKE = {field.name for field in fields(Intake)}


def append() -> Append:
    """Add the new rows; never change a row that is there."""
    return Append()


def merge(on: str | Sequence[str], newest: str | Sequence[str] = (), delete_when: str | None = None) -> Merge:
    """One row a key; of several, the one with the greatest `newest` wins. See `Merge`."""
    return Merge(_names(on), _names(newest), delete_when)


def history(
    on: str | Sequence[str], newest: str | Sequence[str], delete_when: str | None = None, track: Sequence[str] = ()
) -> History:
    """SCD 2: a row for each version of a key. See `History`."""
    return History(_names(on), _names(newest), delete_when, tuple(track))


def replace() -> Replace:
    """Compute the whole table anew, and put it in place in one commit."""
    return Replace()


def refresh(by: str | Sequence[str]) -> Refresh:
    """Compute anew the groups whose inputs changed, and put them in place in one commit. See `Refresh`."""
    return Refresh(_names(by))


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
