"""What delta-rs is asked in the place of Spark: both give one answer, or delta-rs isn't asked."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from lakehouse_assets.engine.lake.delta_rs import arrow_of
from lakehouse_assets.engine.modes.refresh.small_refresh import Touched, _condition, _differing, spark_condition
from lakehouse_assets.engine.query.delta_rs_sql import PLAIN, expression
from lakehouse_assets.engine.spec.texts import lists

KINDS = {
    "b": ("boolean", pa.bool_()), "t": ("tinyint", pa.int8()), "s": ("smallint", pa.int16()), "i": ("int", pa.int32()),
    "l": ("bigint", pa.int64()), "text": ("string", pa.string()), "d": ("date", pa.date32()),
    "at": ("timestamp", pa.timestamp("us", "UTC")), "local": ("timestamp_ntz", pa.timestamp("us")),
    "f": ("float", pa.float32()), "x": ("double", pa.float64()), "money": ("decimal(20,2)", pa.decimal128(20, 2)),
    "bytes": ("binary", pa.binary()),
}  # fmt: skip
SPARK_TYPES = {name: kind for name, (kind, _) in KINDS.items()}
UNITS = ["year", "YYYY", "quarter", "month", "MM", "week", "day", "DD", "hour", "minute", "second", "millisecond"]
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
EDGES = [FIRST, LAST, datetime(1677, 9, 21, 0, 12, 43, tzinfo=UTC), datetime(2262, 4, 11, 23, 47, 17, tzinfo=UTC),
         datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), datetime(1582, 10, 4, tzinfo=UTC),
         datetime(1582, 10, 15, tzinfo=UTC), datetime(2024, 12, 30, tzinfo=UTC),
         datetime(9999, 12, 31, tzinfo=UTC)]  # fmt: skip
TEXTS = ["", "it's", "a\\b", 'say "x"', "ä€😀", " x", "x ", "%", "NULL", "2024-01-05", "\n", "`"]


def instant(random: Random) -> datetime:
    if random.random() < 0.3:
        return random.choice(EDGES)
    return FIRST + timedelta(microseconds=random.randrange((LAST - FIRST) // timedelta(microseconds=1)))


def value(kind: str, random: Random) -> Any:
    bits = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
    match kind:
        case "boolean":
            return random.random() < 0.5
        case "string":
            return random.choice(TEXTS)
        case "date":
            return instant(random).date()
        case "timestamp":
            return instant(random)
        case "timestamp_ntz":
            return instant(random).replace(tzinfo=None)
        case _:
            half = 1 << bits[kind] - 1
            return random.choice([-half, half - 1, 0, random.randrange(-half, half)])


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random, path = Random(3), tmp_path_factory.mktemp("values")
    known = {name: kind for name, kind in SPARK_TYPES.items() if kind in PLAIN}
    rows = [{n: None if random.random() < 0.05 else value(k, random) for n, k in known.items()} for _ in range(300)]
    schema = pa.schema([("n", pa.int64()), *((name, arrow) for name, (_, arrow) in KINDS.items())])
    write_deltalake(path, pa.Table.from_pylist([{"n": n, **row} for n, row in enumerate(rows)], schema))
    return path


def composed() -> list[str]:
    """Columns, casts to dates and times, the beginnings of periods, and each of those of another, three deep."""
    columns = [f"`{name}`" for name in KINDS]
    casts = [f"cast({inner} as {kind})" for inner in columns for kind in ("date", "timestamp")]
    periods = [f"date_trunc('{unit}', {inner})" for unit in UNITS for inner in (*columns, *casts)]
    days = [f"cast({period} as date)" for period in periods]
    return [*columns, *casts, *periods, *days, *(f"date_trunc('month', cast({day} as timestamp))" for day in days[::7])]


def test_each_expression_that_delta_rs_is_told_gives_what_spark_gives(spark: SparkSession, table: Path) -> None:
    told = {expr: found for expr in composed() if (found := expression(expr, SPARK_TYPES))}
    columns = ", ".join(f"{sql} AS e{i}" for i, (sql, _) in enumerate(told.values()))
    ours = arrow_of(f"SELECT n, {columns} FROM t ORDER BY n", {"t": DeltaTable(table)})
    read = spark.read.format("delta").load(str(table))
    theirs = read.selectExpr("n", *(f"{expr} AS e{i}" for i, expr in enumerate(told))).orderBy("n").toArrow()
    assert len(told) > 80
    for i, (expr, (_, kind)) in enumerate(told.items()):
        assert ours.column(f"e{i}").to_pylist() == theirs.column(f"e{i}").to_pylist(), expr
        assert read.selectExpr(expr).dtypes[0][1] == kind, expr


def test_what_the_types_don_t_prove_isn_t_asked_of_delta_rs() -> None:
    for kind in ("string", "int", "smallint", "bigint", "double", "decimal(20,2)", "boolean", "binary"):
        for expr in ("cast(`c` as date)", "cast(`c` as timestamp)", "date_trunc('month', `c`)"):
            assert expression(expr, {"c": kind}) is None, (expr, kind)
    for expr in ("`x`", "`f`", "`money`", "`bytes`", "`gone`", "date_trunc('decade', `at`)", "date_trunc('x y', `at`)",
                 "(`i` + 1)", "cast(`i` as bigint)", "cast(`d` as date) = cast(`d` as date)", "`i``l`"):  # fmt: skip
        assert expression(expr, SPARK_TYPES) is None, expr
    assert expression("`c`", {"c": "string collate"}) is None


def test_a_condition_on_any_values_finds_the_same_rows_in_both_engines(spark: SparkSession, table: Path) -> None:
    random, plain = Random(4), [name for name, kind in SPARK_TYPES.items() if kind in PLAIN]
    stored, read = DeltaTable(table), spark.read.format("delta").load(str(table))
    whole = stored.to_pyarrow_table().to_pylist()
    conditions, wanted = [], []
    for by in [(name,) for name in plain] + [tuple(random.sample(plain, 3)) for _ in range(8)]:
        some = random.sample(whole, random.choice([12, 60]))  # in few lists, or in one set
        groups = list({tuple(row[c] for c in by) for row in some} | {(None,) * len(by)})
        conditions.append(spark_condition(Touched(by, groups, 0), SPARK_TYPES))
        wanted.append([row["n"] for row in whole if tuple(row[c] for c in by) in groups])
        found = arrow_of(f"SELECT n FROM t WHERE {_condition(by, groups)}", {"t": stored})
        assert sorted(found.column("n").to_pylist()) == sorted(wanted[-1]), by
    flags = read.selectExpr("n", *(f"coalesce({c}, false) AS c{i}" for i, c in enumerate(conditions))).collect()
    for i, rows in enumerate(wanted):
        assert sorted(row["n"] for row in flags if row[f"c{i}"]) == sorted(rows), conditions[i]


def test_thousands_of_groups_of_two_columns_are_told_in_as_many_lists_as_one_has_values(tmp_path: Path) -> None:
    """3,000 groups with a term for each ended the process."""
    items = range(6_000)
    rows = {"item": pa.array(items, pa.int32()), "shop": pa.array([f"s{item % 7}" for item in items])}
    write_deltalake(tmp_path, pa.table(rows))
    groups = [(item, f"s{(item + item % 2) % 7}") for item in range(3_000)]  # of which every other one is there
    found = arrow_of(f"SELECT item FROM t WHERE {_condition(('item', 'shop'), groups)}", {"t": DeltaTable(tmp_path)})
    assert lists(groups) == 7
    assert sorted(found.column("item").to_pylist()) == list(range(0, 3_000, 2))


@pytest.mark.parametrize("seed", range(12))
def test_groups_differ_where_their_rows_do_or_how_often_they_stand_there(tmp_path: Path, seed: int) -> None:
    random = Random(seed)

    def some() -> list[tuple[int | None, str | None, date | None]]:
        days = [date(9999, 12, 31), date(1, 1, 1), None]
        return [(random.choice([1, 2, 3, None]), random.choice(["x", "y", None]), random.choice(days))
                for _ in range(random.randrange(1, 14))]  # fmt: skip

    schema = pa.schema([("g", pa.int32()), ("v", pa.string()), ("d", pa.date32())])
    sides = [some(), some()]
    for name, rows in zip(("made", "stored"), sides, strict=True):
        write_deltalake(tmp_path / name, pa.Table.from_pylist([dict(zip("gvd", r, strict=True)) for r in rows], schema))
    groups = [(g,) for g in (1, 2, 3, None)]
    made, stored = (DeltaTable(tmp_path / name) for name in ("made", "stored"))
    found = _differing(made, ["g", "v", "d"], Touched(("g",), groups, 0), stored)
    counted = [Counter(rows) for rows in sides]
    wanted = {(row[0],) for row in counted[0].keys() | counted[1].keys() if counted[0][row] != counted[1][row]}
    assert found is not None
    assert set(found) == wanted
