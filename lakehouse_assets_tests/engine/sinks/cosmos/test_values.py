"""Values of each type, and keys that Cosmos DB takes in no id, come to it as they are in the table."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse_assets.engine.sinks.cosmos.items import ID_BYTES, item_id
from lakehouse_assets_tests.engine.sinks.board import FEED, Board
from lakehouse_assets_tests.engine.sinks.cosmos.container import Container

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
NEW_YEAR = datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
# By column: the types of Spark and Arrow, some values, and what an item has for them.
TYPES: dict[str, tuple[str, pa.DataType, list[Any], list[Any]]] = {
    "t": ("string", pa.string(), ["", "\0\u2028", "é\t\n'\""], ["", "\0\u2028", "é\t\n'\""]),
    "b": ("boolean", pa.bool_(), [True, False, True], [True, False, True]),
    "i1": ("tinyint", pa.int8(), [-128, 0, 127], [-128, 0, 127]),
    "i8": ("bigint", pa.int64(), [-(2**63), 2**53 - 1, 2**53 + 1], [str(-(2**63)), 2**53 - 1, str(2**53 + 1)]),
    "f4": ("float", pa.float32(), [0.5, -1e30, math.inf], [0.5, -1.0000000150474662e30, "inf"]),
    "f8": ("double", pa.float64(), [0.1 + 0.2, 1e20, 5e-324], [0.1 + 0.2, 1e20, 5e-324]),
    "n": ("decimal(38,10)", pa.decimal128(38, 10),
          [Decimal("1E-10"), Decimal("-1234567890123456789012345678.0123456789"), Decimal(0)],
          ["0.0000000001", "-1234567890123456789012345678.0123456789", "0.0000000000"]),
    "d": ("date", pa.date32(), [date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1)],
          ["0001-01-01", "9999-12-31", "1970-01-01"]),
    "ts": ("timestamp", pa.timestamp("us", "UTC"), [NEW_YEAR] * 3, ["2024-01-01T00:00:00.000001+00:00"] * 3),
    "tn": ("timestamp_ntz", pa.timestamp("us"), [NEW_YEAR.replace(tzinfo=None)] * 3,
           ["2024-01-01T00:00:00.000001"] * 3),
    "y": ("binary", pa.binary(), [b"", b"\x00\xff\\", b"\t\n"], ["", "AP9c", "CQo="]),
    "a": ("array<int>", pa.list_(pa.int32()), [[], [1, None], [3]], [[], [1, None], [3]]),
    "s": ("struct<2:double,1:date>", pa.struct([("2", pa.float64()), ("1", pa.date32())]),
          [{"2": 1.0, "1": date(2024, 1, 1)}, {"2": -0.0, "1": None}, None],
          [{"2": 1, "1": "2024-01-01"}, {"2": 0, "1": None}, None]),
}  # fmt: skip
HOSTILE = [
    "a/b", "a\\b", "a?b#c", "100%", "a%2Fb", "~", "~2F", "", " ", "é", "日本", "..", "null", "\n", '"', "x" * 2000,
]  # fmt: skip


def declared(board: Board, container: Container, columns: dict[str, str], partition: str) -> None:
    listed = ", ".join(f"Column({name!r}, {kind!r})" for name, kind in columns.items())
    board.declare(f"""
@table(raw="bronze.departures", write=merge(on=["place", "id"]),
       columns=[Column("place", "string", key=True), Column("id", "int", key=True), {listed}])
def board(raw: DataFrame) -> DataFrame:
    return raw
""")
    to = f'cosmos("{container.database}", "board", partition="{partition}")'
    board.project.sink("live_board", f'sink("gold.board", to={to})')


@pytest.mark.parametrize("by", ["all rows", "changes"])
def test_each_type_comes_as_it_is(board: Board, container: Container, by: str) -> None:
    declared(board, container, {name: it[0] for name, it in TYPES.items()}, "/place")
    schema = pa.schema([("place", pa.string()), ("id", pa.int32()), *((name, it[1]) for name, it in TYPES.items())])
    nulls = {"place": "A", "id": 3, **dict.fromkeys(TYPES)}
    rows = [{"place": "A", "id": n, **{name: it[2][n] for name, it in TYPES.items()}} for n in range(3)]
    first = [] if by == "changes" else [*rows, nulls]
    write_deltalake(board.path, pa.Table.from_pylist(first, schema), configuration=FEED)
    board.project.materialize("sinks.live_board")
    if by == "changes":
        write_deltalake(board.path, pa.Table.from_pylist([*rows, nulls], schema), mode="append")
        assert board.project.materialize("sinks.live_board").strategy == "upsert"
    found = sorted(container.items(), key=lambda item: item["id"])
    assert [item["_id"] for item in found] == [0, 1, 2, 3]
    for name, (*_, wanted) in TYPES.items():
        assert [item[name] for item in found] == [*wanted, None], name
    assert board.project.materialize("sinks.live_board", full=True).sink.upserted == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("partition", ["/place", "/id"])
def test_a_key_may_have_any_value(board: Board, container: Container, partition: str) -> None:
    declared(board, container, {"n": "int"}, partition)
    rows = [{"place": place, "id": 1, "n": n} for n, place in enumerate(HOSTILE)]
    schema = pa.schema([("place", pa.string()), ("id", pa.int32()), ("n", pa.int32())])
    write_deltalake(board.path, pa.Table.from_pylist(rows, schema), configuration=FEED)
    board.project.materialize("sinks.live_board")
    assert sorted((item["place"], item["n"]) for item in container.items()) == sorted(
        (row["place"], row["n"]) for row in rows
    )
    board.table.update(updates={"n": "n + 100"}, predicate="n < 8")
    board.table.delete("n >= 8 AND n < 100")
    told = board.project.materialize("sinks.live_board")
    assert told.sink is not None
    assert (told.strategy, told.sink.upserted, told.sink.deleted) == ("upsert", 8, 8)
    assert sorted((item["place"], item["n"]) for item in container.items()) == sorted(
        (place, n + 100) for n, place in enumerate(HOSTILE[:8])
    )
    assert board.project.materialize("sinks.live_board", full=True).sink.upserted == 0  # type: ignore[union-attr]


def test_an_id_has_nothing_that_is_forbidden_and_tells_its_key() -> None:
    ids = [item_id([place, None, 1]) for place in HOSTILE]
    assert len({*ids}) == len(HOSTILE)
    for made, place in zip(ids, HOSTILE, strict=True):
        assert not {*made} & {*"/\\?#"}
        assert made.strip() == made
        assert len(made.encode()) <= ID_BYTES
        if len(place) < 100:
            told = "".join(chr(int(it[:2], 16)) + it[2:] if n else it for n, it in enumerate(made.split("~")))
            assert json.loads(told) == [place, None, 1]
