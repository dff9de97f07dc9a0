"""Values of each type, and names that SQL trips over, come to PostgreSQL as they are in the table."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse_assets_tests.engine.sinks.board import FEED, Board
from lakehouse_assets_tests.engine.sinks.database import Database

NEW_YEAR = datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
# By column: the types of Spark, Arrow and PostgreSQL, some values, and what the client of the database gives for them.
TYPES: dict[str, tuple[str, pa.DataType, str, list[Any], list[Any]]] = {
    "t": ("string", pa.string(), "text", ["", "\\N", "é\t\n'\""], ["", "\\N", "é\t\n'\""]),
    "b": ("boolean", pa.bool_(), "boolean", [True, False, True], [True, False, True]),
    "i1": ("tinyint", pa.int8(), "smallint", [-128, 0, 127], [-128, 0, 127]),
    "i2": ("smallint", pa.int16(), "smallint", [-32768, 0, 32767], [-32768, 0, 32767]),
    "i8": ("bigint", pa.int64(), "bigint", [-(2**63), 0, 2**63 - 1], [-(2**63), 0, 2**63 - 1]),
    "f4": ("float", pa.float32(), "real", [0.1, -1e30, math.inf], [0.1, -1e30, math.inf]),
    "f8": ("double", pa.float64(), "double precision", [0.1 + 0.2, -1e300, -math.inf], [0.1 + 0.2, -1e300, -math.inf]),
    "n": ("decimal(38,10)", pa.decimal128(38, 10), "numeric(38,10)",
          [Decimal("1E-10"), Decimal("-1234567890123456789012345678.0123456789"), Decimal(0)],
          [Decimal("1E-10"), Decimal("-1234567890123456789012345678.0123456789"), Decimal(0)]),
    "d": ("date", pa.date32(), "date", [date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1)],
          [date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1)]),
    "ts": ("timestamp", pa.timestamp("us", "UTC"), "timestamp with time zone", [NEW_YEAR] * 3, [NEW_YEAR] * 3),
    "tn": ("timestamp_ntz", pa.timestamp("us"), "timestamp without time zone",
           [NEW_YEAR.replace(tzinfo=None)] * 3, [NEW_YEAR.replace(tzinfo=None)] * 3),
    "y": ("binary", pa.binary(), "bytea", [b"", b"\x00\xff\\", b"\t\n"], [b"", b"\x00\xff\\", b"\t\n"]),
    "a": ("array<int>", pa.list_(pa.int32()), "jsonb", [[], [1, None], [3]], [[], [1, None], [3]]),
    "s": ("struct<x:string,at:date,n:decimal(5,2)>",
          pa.struct([("x", pa.string()), ("at", pa.date32()), ("n", pa.decimal128(5, 2))]), "jsonb",
          [{"x": 'q"\\\n', "at": date(2024, 1, 1), "n": Decimal("1.50")}, {"x": None, "at": None, "n": None}, None],
          [{"x": 'q"\\\n', "at": "2024-01-01", "n": "1.50"}, {"x": None, "at": None, "n": None}, None]),
}  # fmt: skip


def declared(board: Board, columns: dict[str, str], more: str = 'write=merge(on="id")') -> None:
    listed = ", ".join(f"Column({name!r}, {kind!r})" for name, kind in columns.items())
    board.declare(f"""
@table(raw="bronze.departures", {more}, columns=[Column("id", "int", key=True), {listed}])
def board(raw: DataFrame) -> DataFrame:
    return raw
""")


@pytest.mark.parametrize("by", ["all rows", "changes"])
def test_each_type_comes_as_it_is(board: Board, database: Database, by: str) -> None:
    declared(board, {name: it[0] for name, it in TYPES.items()})
    schema = pa.schema([("id", pa.int32()), *((name, it[1]) for name, it in TYPES.items())])
    nulls = {"id": 3, **dict.fromkeys(TYPES)}
    rows = [{"id": n, **{name: it[3][n] for name, it in TYPES.items()}} for n in range(3)]
    first = [] if by == "changes" else [*rows, nulls]
    write_deltalake(board.path, pa.Table.from_pylist(first, schema), configuration=FEED)
    board.project.materialize("sinks.live_board")
    if by == "changes":
        write_deltalake(board.path, pa.Table.from_pylist([*rows, nulls], schema), mode="append")
        assert board.project.materialize("sinks.live_board").strategy == "upsert"
    for name, (_, _, kind, _, wanted) in TYPES.items():
        found = [value for (value,) in database.ask(f"SELECT {name} FROM board ORDER BY id")]
        found = [bytes(it) if isinstance(it, memoryview) else it for it in found]
        wanted = [pytest.approx(it, rel=1e-6) for it in wanted] if name == "f4" else wanted
        assert found == [*wanted, None], name
        assert database.ask(f"SELECT pg_typeof({name})::text FROM board LIMIT 1") == [(kind.partition("(")[0],)]
    assert database.ask("SELECT s ->> 'n' FROM board WHERE id = 0") == [("1.50",)]
    assert board.project.materialize("sinks.live_board", full=True).sink.upserted == 0  # type: ignore[union-attr]


def test_names_are_quoted_wherever_they_are(board: Board, database: Database) -> None:
    names = ["select", "Upper", 'ga"te', "per%cent", "o'clock", "naïve"]
    table, schema = "bo\"ard%s'", "My Schema"
    listed = ", ".join(f"Column({name!r}, 'int', key={n < 2})" for n, name in enumerate(names))
    board.declare(f"""
@table(raw="bronze.departures", write=merge(on={names[:2]!r}), columns=[{listed}])
def board(raw: DataFrame) -> DataFrame:
    return raw
""")
    board.project.sink("live_board", f'sink("gold.board", to=postgres({table!r}, schema={schema!r}))')
    database.ask(f'CREATE SCHEMA "{schema}"')
    as_rows = [dict.fromkeys(names, n) for n in range(4)]
    write_deltalake(board.path, pa.Table.from_pylist(as_rows), configuration=FEED)
    board.project.materialize("sinks.live_board")
    board.table.delete('"Upper" = 3')
    assert board.project.materialize("sinks.live_board").strategy == "upsert"
    quoted = table.replace('"', '""')
    assert database.ask(f'SELECT * FROM "{schema}"."{quoted}" ORDER BY 1') == [(n,) * 6 for n in range(3)]
    assert database.ask(f'SELECT target FROM "{schema}".lakehouse_sinks') == [(table,)]


def test_each_version_of_a_history_is_a_row(board: Board, database: Database) -> None:
    declared(board, {"gate": "string", "at": "int"}, 'write=history(on="id", newest="at")')
    day = datetime(2024, 1, 1, tzinfo=UTC)
    schema = pa.schema([("id", pa.int32()), ("gate", pa.string()), ("at", pa.int32()),
                        ("valid_from", pa.timestamp("us", "UTC")), ("valid_to", pa.timestamp("us", "UTC")),
                        ("is_current", pa.bool_())])  # fmt: skip
    first = {"id": 1, "gate": "A", "at": 1, "valid_from": day, "valid_to": None, "is_current": True}
    write_deltalake(board.path, pa.Table.from_pylist([first], schema), configuration=FEED)
    board.project.materialize("sinks.live_board")
    later = day.replace(month=2)
    board.table.update(new_values={"valid_to": later, "is_current": False}, predicate="id = 1")
    second = {**first, "gate": "B", "at": 2, "valid_from": later}
    write_deltalake(board.path, pa.Table.from_pylist([second], schema), mode="append")
    assert board.project.materialize("sinks.live_board").strategy == "upsert"
    found = database.ask("SELECT gate, valid_from, valid_to, is_current FROM board ORDER BY valid_from")
    assert found == [("A", day, later, False), ("B", later, None, True)]
