"""Expectations and table checks as Dagster asset checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from lakehouse_assets.engine.compile.models.watch_checks import watch_specs
from lakehouse_assets.engine.compile.names import asset_key
from lakehouse_assets.engine.compile.source_checks import files_spec, snapshots_spec
from lakehouse_assets.engine.markdown import as_code, as_text
from lakehouse_assets.engine.quality.expectation_counts import ExpectationCounts
from lakehouse_assets.engine.run.report import CheckReport
from lakehouse_assets.engine.spec.checks import FILES_READABLE, SNAPSHOTS_PLAUSIBLE, Check
from lakehouse_assets.engine.spec.expectations import Action, Expectation
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.private.dagster import evaluated

_MEANING: Mapping[Action, str] = {
    "warn": "rows that break it are kept and counted",
    "drop": "rows that break it go to quarantine",
    "fail": "a row that breaks it stops the write",
}


def check_specs(table: Table) -> list[dg.AssetCheckSpec]:
    """One check per expectation and per table check. Those that are errors block what is downstream."""
    asset = asset_key(table.key)
    expectations = [
        _expectation_spec(expectation, asset, table.expectations_version) for expectation in table.expectations
    ]
    files = [files_spec(asset)] if table.source else []
    plausible = [snapshots_spec(asset)] if table.snapshots else []
    return expectations + [_table_spec(c, asset) for c in table.all_checks] + watch_specs(table) + files + plausible


def _expectation_spec(expectation: Expectation, asset: dg.AssetKey, version: str) -> dg.AssetCheckSpec:
    metadata = {"condition": expectation.condition, "action": expectation.action, "expectations_version": version}
    doc = expectation.doc or f"{as_code(expectation.condition)}: {_MEANING[expectation.action]}."
    return dg.AssetCheckSpec(
        expectation.name, asset=asset, description=doc, blocking=expectation.action == "fail", metadata=metadata
    )


def _table_spec(check: Check, asset: dg.AssetKey) -> dg.AssetCheckSpec:
    blocking = check.severity == "error"
    return dg.AssetCheckSpec(check.name, asset=asset, description=check.doc, blocking=blocking)


def expectation_results(table: Table, counts: ExpectationCounts) -> Iterator[dg.AssetCheckResult]:
    """What a run saw of each expectation."""
    broken = dict(counts.by_expectation)
    for expectation in table.expectations:
        yield _expectation_result(table, expectation, broken.get(expectation.name, 0), counts.judged)


def _expectation_result(table: Table, expectation: Expectation, rows: int, judged: int) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if expectation.action == "fail" else dg.AssetCheckSeverity.WARN
    metadata = {
        "rows_judged": judged,
        "rows_broken": rows,
        "action": expectation.action,
        "expectations_version": table.expectations_version,
    }
    return dg.AssetCheckResult(
        passed=rows == 0, check_name=expectation.name, asset_key=asset_key(table.key),
        severity=severity, metadata=metadata,
    )  # fmt: skip


def stopped(table: Table, check: str, message: str) -> dg.AssetCheckResult:
    """The verdict of the expectation or check that stopped the write."""
    return dg.AssetCheckResult(
        passed=False, check_name=check, asset_key=asset_key(table.key),
        severity=dg.AssetCheckSeverity.ERROR, description=as_text(message), metadata={"action": "fail"},
    )  # fmt: skip


def table_results(table: Table, reports: Sequence[CheckReport]) -> Iterator[dg.AssetCheckResult]:
    """What a run found by each check of the whole table: how many violations there are, and a few of them."""
    declared = {check.name: check for check in table.all_checks}
    for report in reports:
        error = declared[report.name].severity == "error"
        yield dg.AssetCheckResult(
            passed=report.passed, check_name=report.name, asset_key=asset_key(table.key),
            severity=dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN, metadata=_shown(report),
        )  # fmt: skip


def _shown(report: CheckReport) -> dict[str, dg.MetadataValue | str]:
    if report.not_built:
        return {"not_built_yet": ", ".join(report.not_built)}
    shown: dict[str, dg.MetadataValue | str] = {"violations": dg.MetadataValue.int(report.violations)}
    if report.sample:
        shown["sample"] = dg.MetadataValue.md("\n".join(f"- {as_code(row)}" for row in report.sample))
    return shown


def carried_results(context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """The last verdicts again, for a run that found nothing to do: what they were about hasn't changed."""
    for key in (k for k in context.selected_asset_check_keys if k.name not in (FILES_READABLE, SNAPSHOTS_PLAUSIBLE)):
        last = last_verdict(key, context.instance)
        if last is not None:
            yield dg.AssetCheckResult(
                passed=last.passed, check_name=key.name, asset_key=key.asset_key, severity=last.severity,
                metadata=last.metadata, description=last.description,
            )  # fmt: skip


def evaluation(result: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    """A result as Dagster is told of it outside of the step of its asset."""
    assert result.asset_key is not None  # noqa: S101  (set by all who make one)
    assert result.check_name is not None  # noqa: S101
    return dg.AssetCheckEvaluation(
        result.asset_key, result.check_name, result.passed, result.metadata,
        severity=result.severity, description=result.description,
    )  # fmt: skip


def last_verdict(key: dg.AssetCheckKey, instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation | None:
    """The last evaluation of a check, without those that were planned and not evaluated; None if there is none."""
    history = instance.event_log_storage.get_asset_check_execution_history(key, limit=1, status=evaluated())
    return history[0].evaluation if history else None
