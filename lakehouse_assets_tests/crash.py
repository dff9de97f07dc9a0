"""Runs a table in a process of its own that kills itself at a step boundary, as a power cut would."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets_tests.project import Project

# "run", "full", "materialize", "replay", "backfill FIRST LAST", or "forget FILE".
How = str


def run_and_die(project: Project, name: str, where: str, how: How = "run") -> int:
    """Run a table in a process that dies at a boundary: `before` or `after` a function, as `after module:function`.

    Returns the exit code; -9 if it died there, 0 if it never came to it.
    """
    code, told = _finish(_start(project, name, where, how))
    assert code in (0, -signal.SIGKILL), told
    return code


def run_and_kill(project: Project, name: str, seconds: float, how: How = "run") -> int:
    """Run a table in a process that is killed after so long, if it hasn't ended by then; the exit code."""
    process, log = _start(project, name, how=how)
    process.join(seconds)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), log.read_text()
    return process.exitcode


def assert_at_once(project: Project, name: str, how: How = "run") -> None:
    """Run a table twice at once: both runs succeed, or one of them gives up and says so."""
    both = [_finish(each) for each in [_start(project, name, how=how), _start(project, name, how=how)]]
    assert any(code == 0 for code, _ in both), both
    assert all(code == 0 or "gave up after" in told for code, told in both), both


def _start(project: Project, name: str, where: str = "", how: How = "run") -> tuple[BaseProcess, Path]:
    """Start a run of a table in a process of its own; the file has what it prints."""
    engine = {field: getattr(project.engine, field) for field in type(project.engine).model_fields}
    descriptor, log = tempfile.mkstemp(dir=project.root, suffix=".log")
    os.close(descriptor)
    lakehouse = (project.root, project.package, engine, project.store)
    arguments = (dict(os.environ), log, lakehouse, name, where, how)
    process = ready().Process(target=_main, args=arguments, daemon=True)
    process.start()
    return process, Path(log)


def _finish(started: tuple[BaseProcess, Path]) -> tuple[int, str]:
    process, log = started
    process.join(timeout=180)
    assert process.exitcode is not None, f"still running after three minutes: {log.read_text()}"
    return process.exitcode, log.read_text()


@cache
def ready() -> ForkServerContext:
    """Processes that begin with everything imported, which takes a second of CPU, and with nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "deltalake", "pandas", "pyspark.sql.connect.session"])
    return context


def die_at(where: str) -> None:
    """Kill this process at a boundary, as `run_and_die` names it."""
    moment, target = where.split(" ")
    module_name, path = target.split(":")
    owner: Any = importlib.import_module(module_name)
    *holders, name = path.split(".")
    for holder in holders:
        owner = getattr(owner, holder)
    setattr(owner, name, _deadly(getattr(owner, name), moment))


def _deadly(function: Callable[..., Any], moment: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if moment == "after":
            function(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    return call


def _run(project: Project, name: str, how: How) -> None:
    match how.split():
        case ["materialize"]:
            project.materialize(name)
        case ["train"]:
            project.train(name, full=True)
        case ["replay"]:
            project.replay(name)
        case ["backfill", first, last]:
            project.backfill(name, first, last)
        case ["forget", path]:
            project.forget(name, path)
        case _:
            project.run(name, how == "full")


def _main(
    environment: dict[str, str], log: str, lakehouse: tuple[Path, str, dict[str, Any], str], name: str, where: str,
    how: How,
) -> None:  # fmt: skip
    root, package, engine, store = lakehouse
    os.environ.clear()  # it's of the test that the warm process began in
    os.environ.update(environment)
    sys.dont_write_bytecode = True
    for printed in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), printed)
    project = Project(root, package, SparkResource(**engine), fresh=False, store=store)
    if where:
        die_at(where)
    _run(project, name, how)
