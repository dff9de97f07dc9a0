"""What is wrong in a domain, by what Dagster knows: by the name of a notice and a key (JSON), a text."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from lakehouse_assets.engine.compile.checks import check_specs
from lakehouse_assets.engine.compile.names import asset_key
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.private.dagster import evaluated

RUN_FAILED, CHECK_FAILS, STALE = "run_failed", "check_fails", "stale"
Found = Mapping[tuple[str, str], str]


def failed_runs(instance: dg.DagsterInstance, domain: str, since: datetime) -> Found:
    """The runs of a domain that failed after a time."""
    which = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since)
    runs = [record.dagster_run for record in instance.get_run_records(which)]
    return {_key(RUN_FAILED, run=run.run_id): _why(run, instance) for run in runs if _is_of(domain, run)}


def failing_checks(instance: dg.DagsterInstance, tables: Sequence[Table]) -> Found:
    """The checks whose newest evaluation failed as an error."""
    keys = [spec.key for table in tables for spec in check_specs(table)]
    return {
        _key(CHECK_FAILS, table=_dotted(key.asset_key), check=key.name): f"{key.name} of {_dotted(key.asset_key)} fails"
        for key, found in _newest(instance, keys)
        if not found.passed and found.severity is dg.AssetCheckSeverity.ERROR
    }


def stale_tables(instance: dg.DagsterInstance, tables: Sequence[Table], lakehouse: Lakehouse) -> Found:
    """The tables that were last materialised longer ago than they may be. Of one that never was, nothing is told.

    Dagster's daemon judges freshness too; what it finds is in none of Dagster's public interfaces.
    """
    by_key = {asset_key(table.key): table for table in tables}
    found = dict[tuple[str, str], str]()
    for record in instance.get_asset_records([*by_key]):
        table, newest = by_key[record.asset_entry.asset_key], record.asset_entry.last_materialization
        most = table.freshness or lakehouse.domains[table.domain].freshness
        if newest and time.time() - newest.timestamp > most.total_seconds():
            found[_key(STALE, table=table.key)] = _stale(table, newest.timestamp, most)
    return found


def reason_of(event: dg.DagsterEvent) -> str:
    """Why a step failed."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    described = event.step_failure_data.user_failure_data
    if described is not None and described.description:
        return described.description
    return error.message.strip() if error is not None else "failed"


def _is_of(domain: str, run: dg.DagsterRun) -> bool:
    checked = [key.asset_key for key in run.asset_check_selection or ()]
    selected = [*(run.asset_selection or ()), *checked]
    return run.job_name in (domain, f"{domain}_live") or any(key.path[0] == domain for key in selected)


def _why(run: dg.DagsterRun, instance: dg.DagsterInstance) -> str:
    failures = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    events = [event for it in failures if (event := it.event_log_entry.dagster_event)]
    told = [f"{(event.step_key or '').replace('__', '.')}: {reason_of(event)}" for event in events]
    return f"run {run.run_id[:8]} failed; {'; '.join(told) or 'no step of it says why'}"


def _newest(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]
) -> Iterator[tuple[dg.AssetCheckKey, dg.AssetCheckEvaluation]]:
    """Of each check its newest evaluation, past one that a run has planned, or never came to."""
    storage = instance.event_log_storage
    for key, record in storage.get_latest_asset_check_execution_by_key(keys).items():
        found = [record] if record.status in evaluated() else []
        for it in found or storage.get_asset_check_execution_history(key, limit=1, status=evaluated()):
            if it.evaluation:
                yield key, it.evaluation


def _stale(table: Table, newest: float, most: timedelta) -> str:
    at = f"{datetime.fromtimestamp(newest, UTC):%Y-%m-%d %H:%M} UTC"
    return f"{table.key} was last materialised at {at}, which is more than {most} ago"


def _key(name: str, **key: str) -> tuple[str, str]:
    return name, json.dumps(key)


def _dotted(key: dg.AssetKey) -> str:
    return ".".join(key.path)
