"""Expectations and table checks as Dagster asset checks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES as EVALUATED,
)

from lakehouse_assets.engine.compile.files_readable import files_spec
from lakehouse_assets.engine.compile.snapshots_plausible import snapshots_spec
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.markdown import as_code, as_text
from lakehouse_assets.engine.quality.expectation_counts import ExpectationCounts
from lakehouse_assets.engine.quality.table_checks import BALANCE, Violations, not_built, stored_violations, table_checks
from lakehouse_assets.engine.spec.table import (
    FILES_READABLE,
    SNAPSHOTS_PLAUSIBLE,
    Action,
    Expectation,
    Table,
    TableCheck,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_MEANING: Mapping[Action, str] = {
    "warn": "rows that break it are kept and counted",
    "drop": "rows that break it go to quarantine",
    "fail": "a row that breaks it stops the write",
}


def check_specs(table: Table) -> list[dg.AssetCheckSpec]:
    """One check per expectation and per table check. Those that are errors block what is downstream."""
    asset = dg.AssetKey(table.key.split("."))
    expectations = [
        _expectation_spec(expectation, asset, table.expectations_version) for expectation in table.expectations
    ]
    files = [files_spec(asset)] if table.source else []
    plausible = [snapshots_spec(asset)] if table.snapshots else []
    return expectations + [_table_spec(c, asset) for c in table_checks(table)] + files + plausible


def _expectation_spec(expectation: Expectation, asset: dg.AssetKey, version: str) -> dg.AssetCheckSpec:
    metadata = {"condition": expectation.condition, "action": expectation.action, "rules_version": version}
    doc = expectation.doc or f"{as_code(expectation.condition)}: {_MEANING[expectation.action]}."
    return dg.AssetCheckSpec(
        expectation.name, asset=asset, description=doc, blocking=expectation.action == "fail", metadata=metadata
    )


def _table_spec(check: TableCheck, asset: dg.AssetKey) -> dg.AssetCheckSpec:
    blocking = check.severity == "error"
    return dg.AssetCheckSpec(check.name, asset=asset, description=check.doc, blocking=blocking)


def expectation_results(table: Table, verdicts: ExpectationCounts) -> Iterator[dg.AssetCheckResult]:
    """What the run saw of each expectation."""
    broken = dict(verdicts.by_expectation)
    for expectation in table.expectations:
        yield _expectation_result(table, expectation, broken.get(expectation.name, 0), verdicts.judged)


def _expectation_result(table: Table, expectation: Expectation, rows: int, judged: int) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if expectation.action == "fail" else dg.AssetCheckSeverity.WARN
    metadata = {
        "rows_judged": judged,
        "rows_broken": rows,
        "action": expectation.action,
        "rules_version": table.expectations_version,
    }
    return dg.AssetCheckResult(
        passed=rows == 0, check_name=expectation.name, asset_key=dg.AssetKey(table.key.split(".")),
        severity=severity, metadata=metadata,
    )  # fmt: skip


def stopped(table: Table, check: str, message: str) -> dg.AssetCheckResult:
    """The verdict of the expectation or check that stopped the write."""
    return dg.AssetCheckResult(
        passed=False, check_name=check, asset_key=dg.AssetKey(table.key.split(".")),
        severity=dg.AssetCheckSeverity.ERROR, description=as_text(message), metadata={"action": "fail"},
    )  # fmt: skip


def stored_results(table: Table, lake: Lake, spark: SparkSession) -> Iterator[dg.AssetCheckResult]:
    """The expectations judged on the rows as stored: what a run of the checks alone looks at."""
    from lakehouse_assets.engine.quality.judge import tally
    from lakehouse_assets.engine.quality.typed_columns import with_texts

    expectations = [Expectation(r.name, r.condition, "warn") for r in table.expectations]
    stored = spark.read.format("delta").load(lake.table(table.key))
    verdicts = tally(with_texts(stored, table.texts), expectations)
    yield from expectation_results(table, verdicts)


def table_results(table: Table, env: Context, audited: Collection[str] = ()) -> Iterator[dg.AssetCheckResult]:
    """Run the table checks but those audited before; each reports how many violations there are, and shows a few."""
    from lakehouse_assets.engine.run.verify import show_balance

    for check in table_checks(table):
        if check.name in audited:
            yield _table_result(table, check, True, _shown(Violations(0)))
        elif missing := not_built(check, table, env.lake):
            yield _table_result(table, check, False, {"not_built_yet": ", ".join(missing)})
        else:
            if check.adds_up:
                show_balance(table, env, BALANCE)
            found = stored_violations(check, table, env)
            yield _table_result(table, check, found.number == 0, _shown(found))


def _shown(found: Violations) -> dict[str, dg.MetadataValue | str]:
    number = dg.MetadataValue.int(found.number)
    if not found.some:
        return {"violations": number}
    return {
        "violations": number,
        "sample": dg.MetadataValue.md("\n".join(f"- {as_code(str(row))}" for row in found.some)),
    }


def _table_result(
    table: Table, check: TableCheck, passed: bool, metadata: Mapping[str, dg.MetadataValue | str]
) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if check.severity == "error" else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        passed=passed, check_name=check.name, asset_key=dg.AssetKey(table.key.split(".")),
        severity=severity, metadata=metadata,
    )  # fmt: skip


def carried_results(context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """The last verdicts again, for a run that found nothing to do: what they were about hasn't changed."""
    storage = context.instance.event_log_storage
    for key in (k for k in context.selected_asset_check_keys if k.name not in (FILES_READABLE, SNAPSHOTS_PLAUSIBLE)):
        # Left out are those that were planned and not evaluated, as this run's own.
        history = storage.get_asset_check_execution_history(key, limit=1, status=EVALUATED)
        last = history[0].evaluation if history else None
        if last is not None:
            yield dg.AssetCheckResult(
                passed=last.passed, check_name=key.name, asset_key=key.asset_key, severity=last.severity,
                metadata=last.metadata, description=last.description,
            )  # fmt: skip
