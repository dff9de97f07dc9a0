"""What the UI shows of a table: its schema, lineage and code before it's built; rows, bytes and a preview after."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from lakehouse_assets.engine.alerts.deliver import Told
from lakehouse_assets.engine.compile.names import asset_key
from lakehouse_assets.engine.markdown import as_code, as_table, as_text
from lakehouse_assets.engine.printable import printable
from lakehouse_assets.engine.run.report import JobRun, Preview, Report, StreamReport, Written
from lakehouse_assets.engine.spec.columns import Column
from lakehouse_assets.engine.spec.table import Table


def declared_metadata(table: Table) -> dict[str, Any]:
    """Known before anything runs: contract and code."""
    metadata: dict[str, Any] = {
        "dagster/code_references": code_reference(table.file, table.line),
        "dagster/table_name": table.key,
    }
    if table.columns:
        metadata["dagster/column_schema"] = dg.TableSchema([_declared_column(c) for c in table.columns])
    return metadata


def code_reference(file: Path, line: int) -> dg.CodeReferencesMetadataValue:
    """Where something is declared, by which the UI shows its source."""
    with warnings.catch_warnings():
        # Code references are the UI's way to show the source; in Dagster 1.13 they are still called beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        reference = dg.LocalFileCodeReference(file_path=str(file), line_number=line, label=file.name)
        return dg.CodeReferencesMetadataValue(code_references=[reference])


def _declared_column(column: Column) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(nullable=not column.required, other=["key"] if column.key else [])
    return dg.TableColumn(column.name, column.type, column.doc or None, constraints)


def run_metadata(table: Table, report: Report) -> dict[str, Any]:
    """Known after a run: what it wrote, unless it found nothing to do or took rows out, and so judged no row."""
    stored, written = report.stored, report.written
    counts = {"dagster/row_count": stored.rows, "delta_version": stored.version} if stored else {}
    return {
        **counts,
        **(_written(table, written) if written else {}),
        **_lineage(report.lineage),
        "seconds": round(report.seconds, 3),
        "strategy": report.strategy,
        "reason": printable(report.reason),
        "rows_judged": report.counts.judged,
        "rows_rejected": report.counts.rejected,
        **_arrivals(report),
        **(_stream(report.stream, report.seconds) if report.stream else {}),
        **(_job(report.job) if report.job else {}),
        **({"online_version": report.online.version, "online_rows": report.online.rows} if report.online else {}),
        **(_alerts(report.alerts) if report.alerts else {}),
    }


def _stream(stream: StreamReport, seconds: float) -> dict[str, Any]:
    newest = {"newest_message_at": dg.MetadataValue.text(stream.newest)} if stream.newest else {}
    return {
        "topic": stream.topic,
        "lag_messages": stream.lag,
        "messages": stream.taken,
        "messages_per_second": round(stream.taken / seconds, 1) if seconds else 0.0,
        "offsets": dg.MetadataValue.json(stream.offsets),
        **newest,
    }


def _alerts(told: Told) -> dict[str, Any]:
    metadata: dict[str, Any] = {"alerts_open": told.open, "alerts_waiting": told.waiting, "alerts_sent": told.sent}
    if told.episodes:
        rows = [(it.text, it.alert, it.key, it.since, it.id) for it in told.episodes]
        metadata["alerts"] = dg.MetadataValue.md(as_table(["text", "alert", "key", "since", "episode"], rows))
    if told.problems:
        metadata["alerts_problems"] = dg.MetadataValue.md("\n".join(f"- {as_text(why)}" for why in told.problems))
    return metadata


def _job(job: JobRun) -> dict[str, Any]:
    return {
        "databricks_run": dg.MetadataValue.url(job.url),
        "databricks_run_id": str(job.id),
        "databricks_cluster": job.cluster or "serverless",
        "databricks_setup_seconds": job.setup_seconds,
        "databricks_seconds": job.seconds,
    }


def _written(table: Table, written: Written) -> dict[str, Any]:
    return {
        "dagster/uri": written.path,
        "dagster/column_schema": written_schema(table, written.columns),
        "bytes": written.bytes,
        "files": written.files,
        "preview": dg.MetadataValue.md(_preview(written.preview)),
    }


def _arrivals(report: Report) -> dict[str, Any]:
    metadata: dict[str, Any] = {f"arrivals_{status}": n for status, n in report.files.items() if n}
    if report.failed_files:
        failed = list(report.failed_files.items())[:20]
        lines = [f"- {as_code(path)}: {as_text(reason)}" for path, reason in failed]
        metadata["failed_files"] = dg.MetadataValue.md("\n".join(lines))
    if report.added:
        lines = [f"- {as_code(name)} {as_text(kind)}" for name, kind in report.added.items()]
        metadata["columns_added"] = dg.MetadataValue.md("\n".join(lines))
    return metadata


def written_schema(table: Table, columns: Mapping[str, str]) -> dg.TableSchema:
    """The columns as they are in Delta, with what the contract says of them."""
    declared = {c.name: _declared_column(c) for c in table.columns}
    return dg.TableSchema([declared.get(n) or dg.TableColumn(n, kind) for n, kind in columns.items()])


def _lineage(lineage: Mapping[str, list[tuple[str, str]]]) -> dict[str, Any]:
    if not lineage:
        return {}
    deps = {
        column: [dg.TableColumnDep(asset_key(key), name) for key, name in origins]
        for column, origins in lineage.items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)}


def _preview(found: Preview) -> str:
    """A few rows as a Markdown table, or why there is none."""
    return f"No rows can be shown: {as_text(found.problem)}" if found.problem else as_table(found.columns, found.rows)
