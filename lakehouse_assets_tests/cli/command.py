"""The `lakehouse` command on the tables of a test's own project, in this process or in one of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import dagster as dg
import pytest

from lakehouse_assets import cli
from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.project import Project

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MAIN = "from lakehouse_assets import cli; cli.main()"


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


class Command:
    """Calls the command with `project` as all that is declared, and its folder as the home and as Dagster's."""

    def __init__(self, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.project, self.capsys, self.monkeypatch = project, capsys, monkeypatch
        shutil.copy(PROJECT / "dagster.yaml", project.root)
        self.env = {
            "LAKEHOUSE_HOME": str(project.root), "LAKEHOUSE_DOMAINS": project.package,
            "DAGSTER_HOME": str(project.root), "COLUMNS": "200",
        }  # fmt: skip
        for name, value in self.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(project.root)
        monkeypatch.setattr(cli.console, "_width", 200)

    def __call__(self, *arguments: str) -> Said:
        """Run it here."""
        self.project.forget_modules()
        self.monkeypatch.setattr(sys, "argv", ["lakehouse", *arguments])
        before, code = {number: signal.getsignal(number) for number in ENDING}, 0
        self.capsys.readouterr()
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return Said(code, *self.capsys.readouterr())

    @contextmanager
    def started(self, *arguments: str, told: int | IO[str] = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
        """Run it in a process of its own, which is gone at the end of the block; what it tells, for `told`."""
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(self.project.root), str(PROJECT)])}
        command = [sys.executable, "-c", MAIN, *arguments]
        with subprocess.Popen(command, env=env, cwd=self.project.root, stdout=told, stderr=told, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def runs(self) -> list[dg.DagsterRun]:
        """The runs that Dagster knows of."""
        with dg.DagsterInstance.from_config(str(self.project.root)) as instance:
            return list(instance.get_runs())
