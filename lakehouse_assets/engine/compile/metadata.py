"""What the UI shows of a table: its schema, lineage and code before it's built; rows, bytes and a preview after."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from lakehouse_assets.engine.lake.delta_log import TableLog, errors_of_delta_rs
from lakehouse_assets.engine.markdown import as_code, as_table, as_text
from lakehouse_assets.engine.printable import printable
from lakehouse_assets.engine.query.column_lineage import Lineage
from lakehouse_assets.engine.run.outcome import Outcome
from lakehouse_assets.engine.spec.table import Column, Table

PREVIEW_ROWS = 10
PREVIEW_CELL = 60  # characters


def declared_metadata(table: Table) -> dict[str, Any]:
    """Known before anything runs: contract and code."""
    metadata: dict[str, Any] = {"dagster/code_references": _code_reference(table), "dagster/table_name": table.key}
    if table.columns:
        metadata["dagster/column_schema"] = dg.TableSchema([_declared_column(c) for c in table.columns])
    return metadata


def _code_reference(table: Table) -> dg.CodeReferencesMetadataValue:
    with warnings.catch_warnings():
        # Code references are the UI's way to show the source; in Dagster 1.13 they are still called beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        reference = dg.LocalFileCodeReference(file_path=str(table.file), line_number=table.line, label=table.file.name)
        return dg.CodeReferencesMetadataValue(code_references=[reference])


def _declared_column(column: Column) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(nullable=not column.required, other=["key"] if column.key else [])
    return dg.TableColumn(column.name, column.type, column.doc or None, constraints)


def run_metadata(table: Table, outcome: Outcome, log: TableLog, path: str) -> dict[str, Any]:
    """Known after a run; all of it read from the Delta log, none of it by another query."""
    verdicts = outcome.counts
    return {
        "dagster/row_count": log.rows,
        "dagster/uri": path,
        "dagster/column_schema": written_schema(table, log.columns),
        **_lineage(outcome.lineage),
        "delta_version": log.version,
        "bytes": log.bytes,
        "files": log.file_count,
        "seconds": round(outcome.seconds, 3),
        "strategy": outcome.plan.strategy,
        "reason": printable(outcome.plan.reason),
        "rows_judged": verdicts.judged,
        "rows_rejected": verdicts.rejected,
        "preview": dg.MetadataValue.md(preview(log)),
        **_arrivals(outcome),
    }


def idle_metadata(outcome: Outcome, log: TableLog | None) -> dict[str, Any]:
    """A run that judged no row: it found nothing to do, or took rows out."""
    counts = {"dagster/row_count": log.rows, "delta_version": log.version} if log else {}
    return {**counts, "strategy": outcome.plan.strategy, "reason": printable(outcome.plan.reason), "rows_judged": 0,
            "rows_rejected": 0, "seconds": round(outcome.seconds, 3), **_arrivals(outcome)}  # fmt: skip


def _arrivals(outcome: Outcome) -> dict[str, Any]:
    metadata: dict[str, Any] = {f"arrivals_{status}": n for status, n in outcome.files.items() if n}
    if outcome.failed_files:
        failed = list(outcome.failed_files.items())[:20]
        lines = [f"- {as_code(path)}: {as_text(reason)}" for path, reason in failed]
        metadata["failed_files"] = dg.MetadataValue.md("\n".join(lines))
    if outcome.added:
        lines = [f"- {as_code(name)} {as_text(kind)}" for name, kind in outcome.added.items()]
        metadata["columns_added"] = dg.MetadataValue.md("\n".join(lines))
    return metadata


def written_schema(table: Table, columns: Mapping[str, str]) -> dg.TableSchema:
    """The columns as they are in Delta, with what the contract says of them."""
    declared = {c.name: _declared_column(c) for c in table.columns}
    return dg.TableSchema([declared.get(n) or dg.TableColumn(n, kind) for n, kind in columns.items()])


def _lineage(lineage: Lineage) -> dict[str, Any]:
    if not lineage:
        return {}
    deps = {
        column: [dg.TableColumnDep(dg.AssetKey(key.split(".")), name) for key, name in origins]
        for column, origins in lineage.items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)}


def preview(log: TableLog) -> str:
    """A few rows as a Markdown table, long cells cut; why there is none where delta-rs can't read them."""
    try:
        head = log.head(PREVIEW_ROWS)
        rows = [[_cut(value) for value in row.values()] for row in head.to_pylist()]
    except errors_of_delta_rs() as error:  # a type that it lacks, or a time that Python has not
        return f"No rows can be shown: {as_text(_cut(error))}"
    return as_table(head.column_names, rows)


def _cut(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= PREVIEW_CELL else f"{text[: PREVIEW_CELL - 1]}…"
