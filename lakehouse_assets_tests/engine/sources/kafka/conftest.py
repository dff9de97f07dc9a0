"""A real broker, and a lakehouse with a table of one of its topics."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.kafka import Kafka, running


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with running(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(autouse=True)
def found_by_declarations(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the declarations find in the environment."""
    monkeypatch.setenv("LAKEHOUSE_KAFKA", kafka.address)


@pytest.fixture
def command(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(project, monkeypatch, capsys)
