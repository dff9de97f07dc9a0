"""A lakehouse of one's own without Spark, with a table of departures, and real stores to bring it to."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets_tests.engine.sinks.board import Board
from lakehouse_assets_tests.engine.sinks.cosmos.container import Container
from lakehouse_assets_tests.engine.sinks.database import Database
from lakehouse_assets_tests.engine.sinks.reader import Reader
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers import cosmos
from lakehouse_assets_tests.servers import kafka as brokers
from lakehouse_assets_tests.servers.postgres import Postgres


@pytest.fixture
def plain(tmp_path: Path, engine: SparkResource, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A lakehouse whose Spark nobody asks for, so none is started."""
    package = f"domains_{os.getpid()}_{tmp_path.name}".replace("-", "_")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Project(tmp_path, package, engine)
    for name in [n for n in sys.modules if n.split(".")[0] == package]:
        del sys.modules[name]


@pytest.fixture
def board(plain: Project) -> Board:
    made = Board(plain)
    made.declare()
    return made


@pytest.fixture
def database(postgres: Postgres, board: Board, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database of one's own, to which the sink `live_board` brings the board."""
    url = postgres.database(board.project.store_name)
    monkeypatch.setenv("LAKEHOUSE_POSTGRES", url)
    board.project.sink("live_board", 'sink("gold.board", to=postgres("board"))')
    return Database(url)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[brokers.Kafka]:
    with brokers.running(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def reader(kafka: brokers.Kafka, board: Board, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """A topic of one's own, to which the sink `live_board` brings the board."""
    monkeypatch.setenv("LAKEHOUSE_KAFKA", kafka.address)
    topic = kafka.topic(partitions=2)
    board.project.sink("live_board", f'sink("gold.board", to=kafka_topic("{topic}"))')
    return Reader(kafka, topic)


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cosmos.Account]:
    with cosmos.running(tmp_path_factory.mktemp("cosmos")) as it:
        yield it


@pytest.fixture
def container(account: cosmos.Account, board: Board, monkeypatch: pytest.MonkeyPatch) -> Container:
    """A database of one's own, to whose container `board` the sink `live_board` brings the board."""
    name = board.project.store_name
    monkeypatch.setenv("LAKEHOUSE_COSMOS", account.connection_string)
    board.project.sink("live_board", f'sink("gold.board", to=cosmos("{name}", "board", partition="/origin"))')
    return Container(account, name)
