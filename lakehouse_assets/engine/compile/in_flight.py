"""Runs that are under way, and those that only seem so because their process is gone.

Dagster's default launcher can't look after the processes that it started: after a crash of the machine a run stays
"started" for hours. So the process of a run writes down which one it is, and a sensor's tick looks whether it's there.
A process on another host can't be looked at; such a run is left to Dagster's `run_monitoring`.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

# The root of the lake that a run writes to: two lakes may have domains of the same names in one Dagster instance.
LAKE_TAG = "lakehouse/lake"
PROCESS_TAG = "lakehouse/process"
# Dagster's own (https://docs.dagster.io/deployment/execution/run-retries).
MAX_RETRIES_TAG = "dagster/max_retries"
# A run's process notes itself before its first step; a run that starts takes 2 to 20 s until then.
START_SECONDS = 120

_BEGUN = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
_UNDER_WAY = [*_BEGUN, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.CANCELING]


def note_process(instance: dg.DagsterInstance, run_id: str, lake: str) -> None:
    """Write down in a run's tags that this process carries it out, and in which lake.

    All steps of a run are in one process (`in_process_executor` in definitions.py), so this is the process of the run.
    """
    instance.add_run_tags(run_id, {PROCESS_TAG: f"{run_id} {_identity(os.getpid())}", LAKE_TAG: lake})


def is_under_way(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> bool:
    """Whether a run with these tags is under way. Runs whose process is gone are reported as failed first."""
    # Of all lakes and sensors: one that is gone also holds the queue up for the others.
    for record in instance.get_run_records(dg.RunsFilter(statuses=_BEGUN)):
        run = record.dagster_run
        ours = tags.items() <= run.tags.items()
        if why := _gone(run) or (ours and _not_taken_up(record, instance)):
            _report(instance, run.run_id, why, retried=not ours)
    return instance.get_runs_count(dg.RunsFilter(tags=dict(tags), statuses=_UNDER_WAY)) > 0


def has_ended(run: dg.DagsterRun) -> bool:
    """Whether a run has ended, or its process is gone, which Dagster hears of only later."""
    return run.is_finished or _gone(run) is not None


def _noted(run: dg.DagsterRun) -> re.Match[str] | None:
    """The process that a run has noted; one launched again has its parent's tags, with the parent's number."""
    return re.fullmatch(rf"{run.run_id} (?P<all>(?P<host>\S+) \S+ (?P<pid>\d+) \d+)", run.tags.get(PROCESS_TAG, ""))


def _gone(run: dg.DagsterRun) -> str | None:
    noted = _noted(run)
    if noted is None or noted["host"] != socket.gethostname() or _identity(int(noted["pid"])) == noted["all"]:
        return None
    return f"its process {noted['pid']} on {noted['host']} is gone: killed, or the machine went down"


def _not_taken_up(record: dg.RunRecord, instance: dg.DagsterInstance) -> str | None:
    # A launcher that looks after its processes (Kubernetes, Docker) also knows how long they may take to start.
    looked_after = instance.run_launcher.supports_check_run_worker_health
    late = time.time() - record.update_timestamp.timestamp() > START_SECONDS
    run = record.dagster_run
    noted = run.tags.get(PROCESS_TAG, "").startswith(run.run_id)  # in whatever form, as that of another version
    if looked_after or not late or noted:
        return None
    return f"no process took it up within {START_SECONDS} s"


def _report(instance: dg.DagsterInstance, run_id: str, why: str, *, retried: bool) -> None:
    run = instance.get_run_by_id(run_id)
    if run is None or run.status not in _BEGUN:  # it ended while we looked
        return
    if not retried:  # the sensor asks for the same itself, and Dagster need not
        instance.add_run_tags(run_id, {MAX_RETRIES_TAG: "0"})
        run = run.with_tags({**run.tags, MAX_RETRIES_TAG: "0"})
    instance.report_run_failed(run, f"This run ended without a word: {why}.")


def _identity(pid: int) -> str | None:
    """Host, boot, number and start time of a process, which no other has; None if there's none of that number."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    started = rest[18]  # field 22 of proc(5), in ticks since the machine started
    return None if state == "Z" else f"{socket.gethostname()} {boot} {pid} {started}"
