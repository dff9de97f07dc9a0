"""The command, on a small lakehouse of the test's own."""

from __future__ import annotations

import pytest

from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.project import Project


@pytest.fixture
def command(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(project, monkeypatch, capsys)
