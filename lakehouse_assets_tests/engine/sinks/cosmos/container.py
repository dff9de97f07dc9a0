"""A container of a test's own, asked by a client of the test's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.run.report import Report
from lakehouse_assets_tests.engine.sinks.board import SCHEMA, Board, Row
from lakehouse_assets_tests.servers.cosmos import KEY, Account

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.cosmos import ContainerProxy, DatabaseProxy

PRESENT = "SELECT * FROM c WHERE NOT IS_DEFINED(c._deleted)"


@dataclass(frozen=True)
class Container:
    """The container `board` of a database."""

    account: Account
    database: str

    @contextmanager
    def opened(self, name: str = "board") -> Iterator[ContainerProxy]:
        with self.in_database() as database:
            yield database.get_container_client(name)

    @contextmanager
    def in_database(self) -> Iterator[DatabaseProxy]:
        from azure.cosmos import CosmosClient

        with CosmosClient(self.account.endpoint, KEY) as client:
            yield client.get_database_client(self.database)

    def items(self, query: str = PRESENT, name: str = "board") -> list[dict[str, Any]]:
        with self.opened(name) as container:
            return list(container.query_items(query, enable_cross_partition_query=True))

    def rows(self, columns: Sequence[str] = SCHEMA.names) -> list[Row]:
        return sorted(tuple(item[name] for name in columns) for item in self.items())

    def put(self, item: Mapping[str, Any]) -> None:
        with self.opened() as container:
            container.upsert_item(dict(item))

    @property
    def progress(self) -> dict[str, Any]:
        (found,) = self.items(name="lakehouse_sinks")
        return found

    @property
    def version(self) -> int:
        return int(self.progress["held"]["version"])


def run(board: Board, full: bool = False) -> Report:
    return board.project.materialize("sinks.live_board", full)


def brought(board: Board, full: bool = False) -> tuple[str, int, int]:
    """Run the sink: by which strategy, how many rows it put there, and how many it took out."""
    told = run(board, full)
    assert told.sink is not None
    return told.strategy, told.sink.upserted, told.sink.deleted
