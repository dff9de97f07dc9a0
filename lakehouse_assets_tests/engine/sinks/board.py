"""A table of departures without Spark: declared as any, and written by delta-rs as the tests want it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from lakehouse_assets_tests.project import Project

BOARD = """
@table(raw="bronze.departures", write=merge(on=["origin", "flight"]),
       columns=[Column("origin", "string", key=True), Column("flight", "int", key=True), Column("gate", "string"),
                Column("delay", "int")])
def board(raw: DataFrame) -> DataFrame:
    return raw
"""
KEY = ("origin", "flight")
SCHEMA = pa.schema([("origin", pa.string()), ("flight", pa.int32()), ("gate", pa.string()), ("delay", pa.int32())])
FEED = {"delta.enableChangeDataFeed": "true"}
Row = tuple[Any, ...]


@dataclass
class Board:
    """The table `shop.gold.board` of a project, by what is done to it."""

    project: Project

    @property
    def path(self) -> str:
        return self.project.lake.table("shop.gold.board").path

    @property
    def table(self) -> DeltaTable:
        return DeltaTable(self.path)

    def declare(self, text: str = BOARD) -> None:
        self.project.bronze("departures")
        self.project.table("gold.board", text)

    def make(self, rows: Sequence[Row]) -> None:
        """Make the table, or make all of it anew in one commit."""
        write_deltalake(self.path, as_arrow(rows), mode="overwrite", configuration=FEED)

    def add(self, rows: Sequence[Row]) -> None:
        write_deltalake(self.path, as_arrow(rows), mode="append")

    def put(self, rows: Sequence[Row]) -> Mapping[str, Any]:
        """Merge rows by their key."""
        same = " AND ".join(f"t.{name} = s.{name}" for name in KEY)
        merge = self.table.merge(as_arrow(rows), same, source_alias="s", target_alias="t")
        done: Mapping[str, Any] = merge.when_matched_update_all().when_not_matched_insert_all().execute()
        return done

    def remove(self, condition: str) -> None:
        self.table.delete(condition)

    def rows(self) -> list[Row]:
        return sorted(tuple(row.values()) for row in pa.table(self.table.to_pyarrow_table()).to_pylist())


def as_arrow(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA)


def departures(number: int, delay: int = 0) -> list[Row]:
    """So many rows, of three airports."""
    return [(["JFK", "EWR", "LGA"][n % 3], n, f"B{n % 40}", delay) for n in range(number)]
