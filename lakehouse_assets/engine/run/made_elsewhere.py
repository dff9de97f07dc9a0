"""A table that a task of Databricks has made: held to its contract, judged, and told of like any other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import ContractError, MadeElsewhere
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.places import Lake, TableRef
from lakehouse_assets.engine.run.report import Report, Written
from lakehouse_assets.engine.run.reporting import as_stored, preview
from lakehouse_assets.engine.spec.table import Table


def version_of(table: Table, lake: Lake) -> str:
    """Which version of a table is stored; empty where there is no table."""
    log = read_log(lake.table(table.key))
    return _version(log) if log else ""


def look(table: Table, before: str, context: Context) -> Report:
    """The report of a task that has ended well, and found the table as `before`.

    Raises:
        ContractError: there is no table where the task was told to write it, or its columns aren't those declared.
    """
    start, place = time.monotonic(), context.lake.table(table.key)
    log = read_log(place)
    if log is None:
        raise ContractError(f"Making {table.key}: {table.made_by} ended well, and there is no Delta table {_at(place)}")
    if breaches := [*_breaches(table, log.columns)]:
        raise ContractError(
            f"Making {table.key}: version {log.version} by {table.made_by} doesn't fit its columns: "
            f"{'; '.join(breaches)}. Mend either; its rows are stored, and what reads them was left as it is"
        )
    same = _version(log) == before
    what = "made no new version of it" if same else f"made version {log.version}"
    made = f"{'unchanged: ' if same else ''}{table.made_by} {what}"
    written = Written(log.version, place.path, log.columns, log.bytes, log.file_count, preview(log))
    # Judged also where it's as before: what came before may have ended before it was.
    report = as_stored(table, context)
    return replace(report, strategy="task", reason=made, written=written, seconds=time.monotonic() - start)


def refuse(table: Table) -> None:
    """
    Raises:
        MadeElsewhere: nothing here can make the table.
    """
    if table.external:
        raise MadeElsewhere(
            f"Running {table.key}: {table.made_by} makes it, which others own and start; start it in the workspace"
        )
    if table.task:
        raise MadeElsewhere(
            f"Running {table.key}: it is made by {table.made_by} on Databricks; set LAKEHOUSE_COMPUTE=databricks"
        )


def _version(log: TableLog) -> str:
    return f"{log.id}@{log.version}"


def _at(place: TableRef) -> str:
    called = f"; put {place.name} there" if place.name else ""
    return f"at {place.path}, which it's told as output_path{called}"


def _breaches(table: Table, found: Mapping[str, str]) -> Iterator[str]:
    for column in table.columns:
        kind = found.get(column.name)
        if kind is None:
            near = get_close_matches(column.name, found, n=1)
            yield f"{column.name!r} is missing{f' (did you mean {near[0]!r}?)' if near else ''}"
        elif kind.replace(" ", "") != column.type.replace(" ", ""):
            yield f"{column.name!r} is {kind}, declared {column.type}"
