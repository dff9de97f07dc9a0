"""Runs tables through Dagster from the command line, with progress as they go and a summary at the end."""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.execution.plan import active as dagster_steps
from rich.markup import escape

from lakehouse_assets.cli.app import console, count, grid
from lakehouse_assets.cli.work import instance
from lakehouse_assets.definitions import definitions
from lakehouse_assets.engine.compile.assets import asset_key, op_name
from lakehouse_assets.settings import read_settings

if TYPE_CHECKING:
    from rich.status import Status


def launch(keys: Sequence[str], **options: bool) -> bool:
    """Materialise the tables in one Dagster run, with some `RunOptions`; True if it and all blocking checks succeed."""
    config = {
        "ops": {op_name(k): {"config": options} for k in keys},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},  # we tell of progress ourselves
    }
    # It warns of checks that a skipped step has no result of, as if what reads the table weren't skipped too.
    logging.getLogger(dagster_steps.__name__).setLevel(logging.ERROR)
    run_id = str(uuid.uuid4())
    with console.status("starting") as status, instance() as home:
        home.add_event_listener(run_id, lambda entry: _progress(entry, status))
        job = definitions(read_settings()).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            asset_selection=[asset_key(k) for k in keys], run_config=config, instance=home, raise_on_error=False,
            run_id=run_id, tags={"lakehouse/launched_by": "command line"},
        )  # fmt: skip
    _summarise(result, keys)
    return result.success


def _progress(entry: dg.EventLogEntry, status: Status) -> None:
    """Tell the console which table is being worked on, which are done, and what went wrong."""
    event = entry.dagster_event
    if event is None or event.step_key is None:
        return
    table = event.step_key.replace("__", ".")
    if event.is_step_start:
        status.update(f"{table} …")
    elif event.is_step_materialization:
        made = event.step_materialization_data.materialization
        if made.partition is None:  # else it says no more than that a day was written
            console.print(f"[green]✓[/] {table}  [dim]{_line(made.metadata)}[/]", highlight=False)
    elif event.is_asset_observation:
        reason = event.asset_observation_data.asset_observation.metadata["reason"].value
        console.print(f"[yellow]–[/] {table}  not built: [dim]{escape(str(reason))}[/]", highlight=False)
    elif event.is_step_failure:
        console.print(f"[red]✗[/] {table}  {escape(_reason(event))}", highlight=False, soft_wrap=True)


def _line(metadata: Any) -> str:
    way, seconds = metadata["way"].value, metadata["seconds"].value
    if way == "nothing":
        return str(metadata["reason"].value)
    return f"{way}, {count(metadata['rows_judged'].value)} rows in {seconds:.1f} s"


def _reason(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    described = event.step_failure_data.user_failure_data
    if described is not None and described.description:
        return described.description
    return error.message.strip() if error is not None else "failed"


def _summarise(result: dg.ExecuteInProcessResult, keys: Sequence[str]) -> None:
    """A line a table: rows, rejected rows, checks, seconds."""
    numbers = ["rows", "rejected", "checks", "seconds"]
    shown = grid("table", "way", *numbers, right=numbers)
    whole = [m for m in _materializations(result) if m.partition is None]
    made: dict[str, Any] = {".".join(m.asset_key.path): m.metadata for m in whole}
    checks, failed = _checks(result), result.get_failed_step_keys()
    for key in keys:
        values = made.get(key)
        if values is None:
            shown.add_row(key, "[red]failed[/]" if op_name(key) in failed else "[yellow]not built[/]")
            continue
        rows, rejected = (_number(values, name) for name in ("dagster/row_count", "rows_rejected"))
        shown.add_row(key, values["way"].value, rows, rejected, checks.get(key, ""), f"{values['seconds'].value:.1f}")
    console.print(shown)


def _number(metadata: Any, name: str) -> str:
    return count(metadata[name].value) if name in metadata else ""


def _materializations(result: dg.ExecuteInProcessResult) -> list[dg.AssetMaterialization]:
    events = result.get_asset_materialization_events()
    return [e.step_materialization_data.materialization for e in events]


def _checks(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Table → checks that passed, of all; warnings and failures named by their number."""
    passed, total = Counter[str](), Counter[str]()
    for check in result.get_asset_check_evaluations():
        key = ".".join(check.asset_key.path)
        total[key] += 1
        passed[key] += check.passed
    return {key: f"{passed[key]}/{number}" for key, number in total.items()}
