"""Loading a code location of 300 declared tables in a new process, beside importing Dagster in one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Bench, Row, timed
from lakehouse_assets.settings import PROJECT

DOMAIN = '''"""A domain of the benchmark."""

from datetime import timedelta

from lakehouse_assets.engine import Domain

{name} = Domain(owner="team:{name}", schedule="0 6 * * *", freshness=timedelta(days=1), doc="Tables.")
'''
BRONZE = '''"""Orders {n} as they arrive."""

from pyspark.sql import DataFrame

from lakehouse_assets.engine import files, table


@table(landed=files("orders_{n}/*.csv"))
def orders_{n}(landed: DataFrame) -> DataFrame:
    return landed
'''
SILVER = '''"""Orders {n}, one row each."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, between, drop, merge, not_null, table, warn


@table(
    raw="bronze.orders_{n}",
    columns=[
        Column("id", "string", key=True),
        Column("amount", "int", doc="Cents."),
        Column("customer", "string", nullable=False),
        Column("ordered_at", "timestamp"),
    ],
    expect=[drop(between("amount", 0, 1000000)), warn(not_null("ordered_at"))],
    write=merge(on="id", newest="_ingested_at"),
)
def orders_{n}(raw: DataFrame) -> DataFrame:
    amount, at = F.expr("try_cast(amount AS int)"), F.expr("try_to_timestamp(ordered_at)")
    return raw.select("id", amount.alias("amount"), "customer", at.alias("ordered_at"), "_source", "_ingested_at")
'''
GOLD = '''"""Orders {n} by customer."""

from lakehouse_assets.engine import Column, fail, sql_table

orders_{n} = sql_table(
    orders="silver.orders_{n}",
    columns=[Column("customer", "string", key=True), Column("orders", "bigint"), Column("amount", "bigint")],
    expect=[fail("orders > 0")],
    sql="SELECT customer, count(*) AS orders, sum(amount) AS amount FROM orders GROUP BY customer",
)
'''
LAYERS = {"bronze": BRONZE, "silver": SILVER, "gold": GOLD}
DOMAINS = ("books", "games", "music", "tools", "toys")
# At its end it says how many assets it loaded, and what of Spark's Java side has come along.
LOADED = """
import os, sys
import dagster as dg
from lakehouse_assets.definitions import location
from lakehouse_assets.settings import read_settings
definitions = location(read_settings())
dg.Definitions.validate_loadable(definitions)
children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
assets = definitions.resolve_asset_graph().materializable_asset_keys
spark = sys.modules.get("pyspark.core.context")
gateway = spark.SparkContext._gateway if spark else None
print(f"{len(assets)} tables, {len(children)} children, gateway {gateway}")
"""


def run(bench: Bench) -> list[Row]:
    folder, number = bench.folder / "loading", bench.size(300, 30)
    _declare(folder / "many_domains", number // (len(DOMAINS) * len(LAYERS)))
    ours = {"PYTHONPATH": os.pathsep.join([str(folder), str(PROJECT)]), "LAKEHOUSE_DOMAINS": "many_domains"}
    environment = bench.environment(folder) | ours
    # Python keeps what it compiles, of our files as of Dagster's, whatever this shell says: pip compiled Dagster's.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def process(code: str) -> str:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def loading() -> None:
        said = process(LOADED)
        assert said == f"{number} tables, 0 children, gateway None", f"the process that loads said {said!r}"

    medians = bench.pair(timed(loading), timed(lambda: process("import dagster")))
    seen = "no child process and no Py4J gateway, so no JVM"
    return [Row(f"loading {number} tables", *medians, "at most 2", seen)]


def _declare(root: Path, each: int) -> None:
    """Five domains with three layers of `each` tables, written as people write them: a file a table."""
    for domain in DOMAINS:
        _put(root / domain / "__init__.py", DOMAIN.format(name=domain))
        for layer, text in LAYERS.items():
            _put(root / domain / layer / "__init__.py", "")
            for number in range(each):
                _put(root / domain / layer / f"orders_{number}.py", text.format(n=number))
    _put(root / "__init__.py", "")


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
