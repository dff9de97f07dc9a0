"""Runs tables through Dagster from the command line, with progress as they go and a summary at the end."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
from sqlalchemy.exc import DBAPIError

from lakehouse_assets.cli.app import count
from lakehouse_assets.cli.home import instance
from lakehouse_assets.cli.terminal import console, grid, line, tell, tell_lines
from lakehouse_assets.definitions import LOCATION, definitions
from lakehouse_assets.engine.compile.assets import RunOptions, SinkOptions, TrainingOptions
from lakehouse_assets.engine.compile.names import asset_key, op_name
from lakehouse_assets.engine.compile.notices.found import reason_of
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.spec.sinks.sink import SINKS
from lakehouse_assets.private.dagster import hush_steps, origin_of, run_here, was_interrupted
from lakehouse_assets.settings import read_settings

if TYPE_CHECKING:
    from lakehouse_assets.engine.graph.discover import Lakehouse


NOT_BUILT, WAITS = "not built", "waits"


def launch(keys: Sequence[str], lakehouse: Lakehouse, **options: bool | str | int) -> bool:
    """Materialise tables and models in one Dagster run, with some `RunOptions` or `TrainingOptions`.

    True if it and all blocking checks succeed, and at least one of the tables is there afterwards.

    Raises:
        KeyboardInterrupt: the run was interrupted; Dagster has it as cancelled.
        LakehouseError: Dagster's history can't be written to.
    """
    config = {
        "ops": {op_name(k): {"config": _options_of(k, lakehouse, options)} for k in keys},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},  # we tell of progress ourselves
    }
    # It warns of checks that a skipped step has no result of, as if what reads the table weren't skipped too.
    hush_steps()
    with console.status(line("starting")) as status, instance() as home:
        job = definitions(read_settings(), lakehouse).resolve_implicit_global_asset_job_def()
        run = _created(home, job, frozenset(asset_key(k) for k in keys), config)
        home.add_event_listener(run.run_id, lambda entry: _progress(entry, lambda now: status.update(line(now)), home))
        try:
            result = run_here(job, run, home)
        except DBAPIError as error:
            raise LakehouseError(f"Writing what the run does into Dagster's history: {error.orig}") from error
        if result.dagster_run.status is dg.DagsterRunStatus.CANCELED:
            raise KeyboardInterrupt
    return _summarise(result, keys, lakehouse) and result.success


def _options_of(key: str, lakehouse: Lakehouse, options: Mapping[str, bool | str | int]) -> dict[str, bool | str | int]:
    """Of the options, those that the asset has."""
    kind = TrainingOptions if key in lakehouse.models else SinkOptions if key in lakehouse.sinks else RunOptions
    return {name: value for name, value in options.items() if name in kind.model_fields}


def _created(
    home: dg.DagsterInstance, job: dg.JobDefinition, keys: frozenset[dg.AssetKey], config: Mapping[str, Any]
) -> dg.DagsterRun:
    """The record of the run, with the origin of one from the UI, so that it's in the timeline and on the job's page."""
    return home.create_run_for_job(
        job.get_subset(asset_selection=keys),
        run_config=config,
        tags={"lakehouse/launched_by": "command line"},
        asset_selection=keys,
        remote_job_origin=origin_of(job.name, LOCATION),
    )


def _progress(entry: dg.EventLogEntry, working: Callable[[str], None], home: dg.DagsterInstance) -> None:
    """Tell the console which table is being worked on, which are done, and what went wrong."""
    event = entry.dagster_event
    if event is None and int(entry.level) >= logging.WARNING:  # an alert whose channel is the log, say
        tell(("!", "yellow"), f" {entry.user_message}")
    if event is None or event.step_key is None:
        return
    table = event.step_key.replace("__", ".")
    if event.is_step_start:
        working(f"{table} …")
    elif event.is_step_materialization:
        made = event.step_materialization_data.materialization
        if made.partition is None:  # else it says no more than that a day was written
            tell(("✓", "green"), f" {table}  ", (_line(made.metadata), "dim"))
    elif event.is_asset_observation:
        reason = event.asset_observation_data.asset_observation.metadata["reason"].value
        how = WAITS if table.split(".")[1] == SINKS else NOT_BUILT
        tell(("–", "yellow"), f" {table}  {how}: ", (str(reason), "dim"))
    elif was_interrupted(event):
        # Else Dagster takes an interrupt that nobody announced for a failure, of the run and of its tables.
        run = home.get_run_by_id(entry.run_id)
        assert run is not None  # noqa: S101  (this is an event of it)
        home.report_run_canceling(run, "Interrupted by Ctrl-C or SIGTERM at the command line.")
    elif event.is_step_failure:
        tell_lines(reason_of(event), ("✗", "red"), f" {table}  ")


def _line(metadata: Any) -> str:
    strategy, seconds = metadata["strategy"].value, metadata["seconds"].value
    if strategy in ("nothing", "forget", "task"):
        return str(metadata["reason"].value)
    if strategy == "train":
        made = f"version {metadata['version'].value} is the {metadata['alias'].value}"
        return f"{made}: {metadata['gate'].value}, in {seconds:.1f} s"
    if "rows_upserted" in metadata:
        put, out = metadata["rows_upserted"].value, metadata["rows_deleted"].value
        return f"{strategy}, {count(put)} rows put into the store and {count(out)} taken out in {seconds:.1f} s"
    return f"{strategy}, {count(metadata['rows_judged'].value)} rows in {seconds:.1f} s"


def _summarise(result: dg.JobExecutionResult, keys: Sequence[str], lakehouse: Lakehouse) -> bool:
    """A line a table: rows, rejected rows, checks, seconds. False if none of the tables is there."""
    numbers = ["rows", "rejected", "checks", "seconds"]
    shown = grid("table", "strategy", *numbers, right=numbers)
    whole = [m for m in _materializations(result) if m.partition is None]
    made: dict[str, Any] = {".".join(m.asset_key.path): m.metadata for m in whole}
    checks, failed = _checks(result), {k for k in keys if op_name(k) in result.get_failed_step_keys()}
    skipped = _skipped(keys, lakehouse, failed, {*made} - failed)
    for key in keys:
        values = made.get(key)
        if values is None:
            shown.add_row(key, line((skipped[key], "yellow") if key in skipped else ("failed", "red")))
            continue
        rows, rejected = (_number(values, name) for name in ("dagster/row_count", "rows_rejected"))
        shown.add_row(
            key, values["strategy"].value, rows, rejected, checks.get(key, ""), f"{values['seconds'].value:.1f}"
        )
    console.print(shown)
    return bool(made)


def _skipped(keys: Sequence[str], lakehouse: Lakehouse, failed: set[str], made: set[str]) -> dict[str, str]:
    """By key, why a table wasn't made though it didn't fail: the first table that it waits for is named."""
    why: dict[str, str] = {}
    for key in [k for k in keys if k not in failed | made]:  # each comes after those it reads
        upstreams = lakehouse.reads(key)
        causes = [f"skipped: {u} failed" for u in upstreams if u in failed]
        causes += [f"skipped: {u} isn't built" if why[u] == NOT_BUILT else why[u] for u in upstreams if u in why]
        why[key] = causes[0] if causes else WAITS if key in lakehouse.sinks else NOT_BUILT
        if causes:
            tell(("–", "yellow"), f" {key}  {why[key]}")
    return why


def _number(metadata: Any, name: str) -> str:
    return count(metadata[name].value) if name in metadata else ""


def _materializations(result: dg.JobExecutionResult) -> list[dg.AssetMaterialization]:
    events = result.get_asset_materialization_events()
    return [e.step_materialization_data.materialization for e in events]


def _checks(result: dg.JobExecutionResult) -> dict[str, str]:
    """Table → checks that passed, of all; warnings and failures named by their number."""
    passed, total = Counter[str](), Counter[str]()
    for check in result.get_asset_check_evaluations():
        key = ".".join(check.asset_key.path)
        total[key] += 1
        passed[key] += check.passed
    return {key: f"{passed[key]}/{number}" for key, number in total.items()}
