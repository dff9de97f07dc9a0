"""Runs a table in a process of its own that kills itself at a step boundary, as a power cut would."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lakehouse_assets.engine.run.attempt import Outcome
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets_tests.project import Project

# "run", "full", "replay", or "backfill FIRST LAST".
How = str


def run_and_die(project: Project, name: str, where: str, how: How = "run") -> int:
    """Run a table in a process that dies at a boundary: `before` or `after` a function, as `after module:function`.

    Returns the exit code; -9 if it died there, 0 if it never came to it.
    """
    process = start(project, name, where, how)
    process.communicate(timeout=180)
    return process.returncode


def start(project: Project, name: str, where: str = "", how: How = "run") -> subprocess.Popen[str]:
    """Start a run of a table in a process of its own."""
    engine = json.dumps({field: getattr(project.engine, field) for field in type(project.engine).model_fields})
    arguments = [str(project.root), project.store, project.package, engine, name, where, how]
    return subprocess.Popen(
        [sys.executable, "-B", "-m", "lakehouse_assets_tests.crash", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def assert_at_once(project: Project, name: str, how: How = "run") -> None:
    """Run a table twice at once: both runs succeed, or one of them gives up and says so."""
    both = [start(project, name, how=how), start(project, name, how=how)]
    told = [process.communicate(timeout=180)[0] for process in both]
    assert all(p.returncode == 0 for p in both) or any("gave up after" in t for t in told), told


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


def _run(project: Project, name: str, how: How) -> Outcome:
    match how.split():
        case ["replay"]:
            return project.replay(name)
        case ["backfill", first, last]:
            return project.backfill(name, first, last)
        case _:
            return project.run(name, how == "full")


def main() -> None:
    root, store, package, engine, name, where, how = sys.argv[1:]
    sys.path.insert(0, root)
    project = Project(Path(root), package, SparkResource(**json.loads(engine)), fresh=False, store=store)
    if where:
        die_at(where)
    outcome = _run(project, name, how)
    print(outcome.plan.way, outcome.version)


if __name__ == "__main__":
    main()
