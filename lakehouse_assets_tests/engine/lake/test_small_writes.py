"""Little data is written by delta-rs as Spark writes it: the same rows, the same change feed, each once."""

from __future__ import annotations

import math
import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse_assets.engine.lake import small_writes
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.lake.small_writes import Order, compares
from lakehouse_assets.engine.plan.small_runs import few_lines
from lakehouse_assets.engine.sources.arrivals.listing import Arrival
from lakehouse_assets.engine.spec.formats import Csv, Format, JsonLines, Parquet
from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.project import Project

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "1"))
NAMES = ("id", "part", "at", "price", "paid", "day", "open", "gone")
KINDS = ("string", "string", "timestamp", "double", "decimal(10,2)", "date", "boolean", "boolean")
COLUMNS = ", ".join(f'Column("{name}", "{kind}")' for name, kind in zip(NAMES, KINDS, strict=True))
CAST = ", ".join(f'"cast({name} as {kind}) {name}"' for name, kind in zip(NAMES, KINDS, strict=True))
TABLE = """
@table(raw="bronze.rows", write={write}, columns=[{columns}], expect=[drop("paid <> 7")])
def {name}(raw: DataFrame) -> DataFrame:
    return raw.selectExpr({cast})
"""
MERGE = 'merge(on=["id", "part"], newest="at", delete_when="gone")'
WRITES = {
    "quick": MERGE, "of_spark": MERGE, "by_turns": MERGE,
    "all_quick": "append()", "all_of_spark": "append()",
}  # fmt: skip


@pytest.fixture
def shop(project: Project) -> Project:
    """Tables of one declaration, of which Spark alone writes some."""
    project.bronze("rows")
    for name, write in WRITES.items():
        project.table(f"silver.{name}", TABLE.format(name=name, write=write, columns=COLUMNS, cast=CAST))
    return project


def rows(random: Random, number: int) -> Iterator[str]:
    """Lines of few keys, with times that repeat, nulls, both zeros, infinities and NaN."""
    yield ",".join(NAMES)
    for _ in range(number):
        told = (
            random.choice("123"),
            random.choice(["x", ""]),
            random.choice(["", "1969-12-31T23:59:59.999999Z", f"2024-01-0{random.randint(1, 9)}T00:00:00Z"]),
            random.choice(["", "0.0", "-0.0", "1.5", "Infinity", "-Infinity", "NaN"]),
            random.choice(["", "0.10", "-3.00", "7"]),
            random.choice(["", "0001-01-01", "2024-02-29"]),
            random.choice(["", "true", "false"]),
            random.choice(["true", "", "false", "false"]),
        )
        yield ",".join(told)


def feed(shop: Project, name: str, after: int, columns: Sequence[str] = NAMES) -> list[str]:
    """What changed after a version, as Spark reads it."""
    table = shop.lake.table(f"shop.{name}")
    reader = shop.engine.session().read.option("readChangeFeed", "true").option("startingVersion", after + 1)
    read = reader.format("delta").load(table.path).select("_change_type", *columns).collect()
    return sorted(repr(tuple(row)) for row in read)


def engine(shop: Project, name: str) -> str:
    return str(shop.log(name).table.history(1)[0]["engineInfo"]).split(":")[0].split("/")[0]


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_both_engines_write_the_same(shop: Project, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(seed)
    shop.land("rows/0.csv", "\n".join(rows(random, 20)))
    shop.run("bronze.rows")
    for name in WRITES:
        shop.run(f"silver.{name}")
    for name in ("of_spark", "all_of_spark"):
        shop.leave_to_spark(f"silver.{name}")
    for round_ in range(1, 4):
        shop.land(f"rows/{round_}.csv", "\n".join(rows(random, random.choice([1, 8]))))
        shop.run("bronze.rows")
        before = {name: shop.log(f"silver.{name}").version for name in WRITES}
        for name in WRITES:
            with monkeypatch.context() as patch:
                if name == "by_turns" and round_ % 2:
                    patch.setattr("lakehouse_assets.engine.plan.small_runs.FEW_ROWS", 0)
                shop.run(f"silver.{name}")
        assert [engine(shop, f"silver.{name}") for name in ("quick", "of_spark", "all_quick", "all_of_spark")] == [
            "delta-rs", "Apache-Spark", "delta-rs", "Apache-Spark",
        ]  # fmt: skip
        for mine, sparks in (("quick", "of_spark"), ("by_turns", "of_spark"), ("all_quick", "all_of_spark")):
            assert sorted(map(repr, shop.rows(f"silver.{mine}"))) == sorted(map(repr, shop.rows(f"silver.{sparks}")))
            assert feed(shop, f"silver.{mine}", before[mine]) == feed(shop, f"silver.{sparks}", before[sparks])


def test_zeros_of_either_sign_are_equal_and_nan_is_the_greatest_float(shop: Project) -> None:
    """Of two changes of one time the greater price wins, and of one price the greater payment."""
    lines = "{key},x,2024-01-01T00:00:00Z,{price},{paid},,,false"
    stored = [("1", "-0.0", "0.10"), ("2", "0.0", "0.10"), ("3", "NaN", "0.10"), ("4", "Infinity", "0.10")]
    later = [("1", "0.0", "-3.00"), ("2", "-0.0", "-3.00"), ("3", "Infinity", "9.00"), ("4", "NaN", "-3.00")]
    for number, told in enumerate((stored, later)):
        listed = [lines.format(key=key, price=price, paid=paid) for key, price, paid in told]
        shop.land(f"rows/{number}.csv", "\n".join([",".join(NAMES), *listed]) + "\n")
        for name in ("bronze.rows", "silver.quick"):
            shop.run(name)
    assert engine(shop, "silver.quick") == "delta-rs"
    paid = {key: str(value) for key, value in shop.rows("silver.quick", "id", "paid")}
    assert paid == {"1": "0.10", "2": "0.10", "3": "0.10", "4": "-3.00"}


PLACED = """
@table(raw="bronze.rows", write=merge(on="id", newest="place", delete_when="gone"), columns=[
    Column("id", "string"), Column("place", "array<decimal(38,0)>"), Column("gone", "boolean"),
    Column("word", "string")])
def {name}(raw: DataFrame) -> DataFrame:
    place = "from_json(replace(place, ' ', ','), 'array<decimal(38,0)>') place"
    return raw.selectExpr("id", place, "boolean(gone) gone", "word")
"""


def test_places_in_a_log_are_compared_as_spark_compares_them(project: Project) -> None:
    """Places of no number to three, of which one is beyond 64 bits, and nulls in place of numbers and of places."""
    project.bronze("rows")
    names, random, numbers = ("mine", "of_spark"), Random(5), ["0", "1", "-1", "null", str(10**30)]
    for name in names:
        project.table(f"silver.{name}", PLACED.format(name=name))
    for round_ in range(3):
        lines = ["id,place,gone,word"]
        for _ in range(500):
            place = "[" + " ".join(random.choices(numbers, k=random.randrange(4))) + "]"
            told = (random.randrange(60), random.choice([place, place, ""]), random.choice(["true", "", ""]))
            lines.append(",".join(map(str, (*told, random.choice("ab")))))
        project.land(f"rows/{round_}.csv", "\n".join(lines))
        project.run("bronze.rows")
        for name in names:
            project.run(f"silver.{name}")
        if round_ == 0:
            project.leave_to_spark("silver.of_spark")
            continue
        assert [engine(project, f"silver.{name}") for name in names] == ["delta-rs", "Apache-Spark"]
        mine, sparks = (sorted(map(repr, project.rows(f"silver.{name}"))) for name in names)
        assert mine == sparks
        assert len(mine) > 20


WIDE = """
NAMES = [f"c{{n}}" for n in range({columns})]
@table(raw="bronze.rows", write=merge(on="id", newest="at"), columns=[
    Column("id", "int"), Column("at", "int"), *(Column(name, "double") for name in NAMES)])
def {name}(raw: DataFrame) -> DataFrame:
    numbers = (f"double(if(shift % 7 = 0, NULL, (shift + {{n}}) % 3)) {{name}}" for n, name in enumerate(NAMES))
    return raw.selectExpr("int(id) id", "int(at) at", "int(shift) shift").selectExpr("id", "at", *numbers)
"""


def test_wide_tables_are_merged_by_delta_rs_as_by_spark(project: Project) -> None:
    project.bronze("rows")
    for name in ("mine", "of_spark"):
        project.table(f"silver.{name}", WIDE.format(name=name, columns=120))
    random = Random(6)
    for round_ in range(2):
        lines = [f"{random.randrange(60)},{random.randrange(2)},{random.randrange(50)}" for _ in range(100)]
        project.land(f"rows/{round_}.csv", "\n".join(["id,at,shift", *lines]))
        for name in ("bronze.rows", "silver.mine", "silver.of_spark"):
            project.run(name)
        if round_ == 0:
            project.leave_to_spark("silver.of_spark")
    assert [engine(project, f"silver.{name}") for name in ("mine", "of_spark")] == ["delta-rs", "Apache-Spark"]
    mine, sparks = (sorted(map(repr, project.rows(f"silver.{name}"))) for name in ("mine", "of_spark"))
    assert mine == sparks
    assert feed(project, "silver.mine", 0, ["id", "c7"]) == feed(project, "silver.of_spark", 1, ["id", "c7"])


# NaN without its sign and with it, by their bytes: Python has no other word for the two.
NAN = {sign: struct.unpack("<d", bytes.fromhex(told))[0] for sign, told in
       (("+", "000000000000f87f"), ("-", "000000000000f8ff"))}  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "wins"), [(math.inf, "-", True), ("-", math.inf, False), ("-", "+", False)]
)
def test_nan_with_a_sign_is_nan(tmp_path: Path, before: float | str, after: float | str, wins: bool) -> None:
    place, kinds = TableRef(str(tmp_path / "t")), {"id": pa.int64(), "price": pa.float64(), "place": pa.int64()}
    rows = [{"id": 1, "price": NAN.get(price, price), "place": n} for n, price in ((2, before), (1, after))]
    write_deltalake(place.path, pa.Table.from_pylist(rows[:1], pa.schema(kinds)))
    changes = pa.Table.from_pylist([rows[1] | {"__gone": False}], pa.schema({**kinds, "__gone": pa.bool_()}))
    log = read_log(place)
    assert log
    assert small_writes.merge(
        changes, Order(["id"], ["price", "place"]), log, place, Stamp("t", 1, {}, "merge", "", "")
    )
    now = read_log(place)
    assert now
    assert now.table.to_pyarrow_table()["place"].to_pylist() == [1 if wins else 2]


def test_a_merge_of_which_nothing_counts_is_committed_and_no_news(shop: Project) -> None:
    shop.table("gold.totals", 'totals = sql_table(rows="silver.quick", sql="SELECT count(*) AS n FROM rows")')
    late = "id,part,at,price,paid,day,open,gone\n1,x,2020-01-01T00:00:00Z,,,,,false\n"
    shop.land("rows/0.csv", late.replace("2020", "2024"))
    for name in ("bronze.rows", "silver.quick", "gold.totals"):
        shop.run(name)
    shop.land("rows/1.csv", late)
    shop.run("bronze.rows")
    done = shop.run("silver.quick")
    log = shop.log("silver.quick")
    assert (done.version, log.transaction("shop.silver.quick"), log.commits[0].changes_data) == (1, 2, False)
    assert shop.plan("silver.quick").strategy == "nothing"
    assert shop.plan("gold.totals").strategy == "nothing"


def test_what_delta_rs_refuses_is_written_by_spark_and_dagster_shows_why(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a constraint whose function only Spark has, beside a table with a feature that delta-rs is known to lack."""
    names = ("silver.all_quick", "silver.all_of_spark")
    deliver(shop, 0)
    for name in names:
        shop.run(name)
    shop.leave_to_spark("silver.all_of_spark")
    path = shop.lake.table("shop.silver.all_quick").path
    constraint = "ADD CONSTRAINT spoken CHECK (soundex(id) IS NOT NULL)"
    shop.engine.session().sql(f"ALTER TABLE delta.`{path}` {constraint}").collect()
    deliver(shop, 1)

    shutil.copy(PROJECT / "dagster.yaml", shop.root)
    monkeypatch.chdir(shop.root)  # to which what it says is relative
    chosen = [dg.AssetKey(["shop", *name.split(".")]) for name in names]
    with dg.DagsterInstance.from_config(str(shop.root)) as instance:
        done = shop.definitions().resolve_job_def("shop").execute_in_process(instance=instance, asset_selection=chosen)
        told = [event.user_message for event in instance.all_logs(done.run_id)]
    assert [engine(shop, name) for name in names] == ["Apache-Spark"] * 2
    (why,) = [line for line in told if "by delta-rs" in line]
    assert why.startswith("Writing shop.silver.all_quick by delta-rs: "), why
    assert "soundex" in why, why
    assert why.endswith(". Spark writes it now, more slowly"), why
    assert [line for line in told if line.startswith("shop.silver.all_quick: append (")], "what steps say is there too"


def deliver(shop: Project, number: int) -> None:
    shop.land(f"rows/{number}.csv", "\n".join(rows(Random(number), 3)))
    shop.run("bronze.rows")


def test_many_rows_and_large_tables_are_left_to_spark(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse_assets.engine.plan.small_runs.FEW_ROWS", 10)
    for number, size in enumerate((1, 10, 11, 1)):
        shop.land(f"rows/{number}.csv", "\n".join(rows(Random(number), size)))
        shop.run("bronze.rows")
        if number == 3:
            monkeypatch.setattr("lakehouse_assets.engine.plan.small_runs.SMALL_TABLE", 100)
        shop.run("silver.all_quick")
        assert engine(shop, "silver.all_quick") == ("delta-rs" if number == 1 else "Apache-Spark")


@pytest.mark.parametrize(("kind", "same"), [("string", True), ("double", False), ("array<int>", False), ("", False)])
def test_keys_of_other_types_are_left_to_spark(kind: str, same: bool) -> None:
    assert compares({"id": kind, "price": "double"}, Order(["id"], ["price", "__gone"])) is same
    assert not compares({"id": "string", "at": "struct<a:int>"}, Order(["id"], ["at"]))


MESSY = 'id,name,at\n1,"a, b",\n2,ä☃,x,too much\n3\n,,\n4,"say ""no""",NaN\n'


def test_few_lines_of_files_are_written_by_delta_rs_as_by_spark(project: Project) -> None:
    both = ("bronze.mine", "bronze.of_spark")
    for name in ("mine", "of_spark"):
        project.bronze(name)
        project.land(f"{name}/0.csv", "id,name,at\n0,,\n")
        project.run(f"bronze.{name}")
    project.leave_to_spark("bronze.of_spark")
    for number, (file, text) in enumerate((("1.csv", MESSY), ("2.csv", "id,name,at,new\n5,,,n\n"), ("3.csv", MESSY))):
        for name in ("mine", "of_spark"):
            project.land(f"{name}/{file}", text)
            project.run(f"bronze.{name}")
        written = [engine(project, name) for name in both]
        assert written == ["Apache-Spark" if number == 1 else "delta-rs", "Apache-Spark"]  # a new column is Spark's
    mine, sparks = (project.rows(name, "id", "name", "at", "new", "_rescued", "_batch") for name in both)
    assert mine == sparks
    assert len(mine) == 12
    feeds = [feed(project, name, -1, ["id", "name", "at", "_rescued"]) for name in both]
    assert feeds[0] == feeds[1]


@pytest.mark.parametrize(
    ("kind", "path", "size", "columns", "few"),
    [
        (Csv(), "orders/1.csv", 1_000_000, 20, True),
        (JsonLines(), "orders/1.JSONL", 1_000_000, 20, True),
        (Csv(), "orders/1.csv", 2_000_000, 20, False),
        (Csv(), "orders/1.csv", 1_000_000, 2_000, False),
        (Csv(), "orders/1.csv.gz", 1_000, 20, False),
        (Csv(), "orders/1", 1_000, 20, False),
        (Parquet(), "orders/1.parquet", 1_000, 20, False),
    ],
)
def test_few_lines_are_told_by_sizes_of_texts_that_are_not_packed(
    kind: Format, path: str, size: int, columns: int, few: bool
) -> None:
    files = [Arrival(path, "", size, datetime(2026, 1, 1, tzinfo=UTC))]
    assert few_lines(kind, files, columns) is few
