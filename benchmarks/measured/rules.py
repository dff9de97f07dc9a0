"""6, 30 and 100 row rules on 3 million rows, with the rejected ones in quarantine, beside the same write without.

30 rules are also held beside what one writes by hand for them: two filters, two writes, and an aggregate that counts.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial, reduce
from itertools import pairwise
from operator import and_
from pathlib import Path

import pyarrow.parquet as pq
from deltalake import DeltaTable

from benchmarks.measure import Bench, Row, engine_cache, shared_data, stop_engine, timed
from lakehouse_assets.engine.run.outcome import Outcome
from lakehouse_assets.engine.run.update import update
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets_tests.project import Project

COUNTS = (6, 30, 100)
COUNTED = (0, 30)  # whose Spark jobs are counted
BY_HAND = 30
AIMS = {30: "at most 1.3"}
COLUMNS = ("date", "delay", "distance", "origin", "destination")
TABLE = """
@table(
    raw="bronze.flights",
    columns=[Column("date", "timestamp_ntz"), Column("delay", "bigint"), Column("distance", "bigint"),
             Column("origin", "string"), Column("destination", "string")],
    expect=[{rules}],
)
def {name}(raw: DataFrame) -> DataFrame:
    return raw.select({columns})
"""


def run(bench: Bench) -> list[Row]:
    project = _project(bench)
    rejected: dict[int, int] = {}

    def write(number: int) -> None:
        rejected[number] = _write(project, number).counts.rejected

    sides = {str(n): timed(partial(write, n)) for n in (0, *COUNTS)}
    medians = bench.turns(sides | {"by hand": timed(partial(_by_hand, project, BY_HAND))})
    jobs = dict(zip(COUNTED, _jobs(bench, project), strict=True))
    seen, ours = _same_rows(project, BY_HAND), medians[str(BY_HAND)]
    hand = Row(f"{BY_HAND} rules, and the same by hand", ours, medians["by hand"], "report", seen)
    return [*(_row(n, medians, rejected[n], jobs) for n in COUNTS), hand]


def _row(n: int, medians: dict[str, float], rejected: int, jobs: dict[int, int]) -> Row:
    counted = f"; {jobs[n]} Spark jobs against {jobs[0]}" if n in jobs else ""
    seen = f"{rejected} rows in quarantine{counted}"
    return Row(f"{n} rules on 3 million rows", medians[str(n)], medians["0"], AIMS.get(n, "report"), seen)


def _project(bench: Bench) -> Project:
    """The flights in bronze, and a silver table for each number of rules."""
    folder = bench.folder / "rules"
    sys.path.insert(0, str(folder))
    project = Project(folder, "benchmarked_domains", bench.engine)
    project.bronze("flights", 'format="parquet"')
    selected = ", ".join(map(repr, COLUMNS))
    for number in (0, *COUNTS):
        name = f"flights_{number}"
        project.table(f"silver.{name}", TABLE.format(name=name, rules=", ".join(_rules(number)), columns=selected))
    _land(bench, folder / "landing" / "shop" / "flights" / "flights.parquet")
    project.run("bronze.flights")
    return project


def _land(bench: Bench, path: Path) -> None:
    path.parent.mkdir(parents=True)
    data = shared_data("airlines/bts_vega/flights-3m.parquet")
    if bench.small:
        pq.write_table(pq.read_table(data).slice(0, 50_000), path)
    else:
        path.symlink_to(data)


def _rules(number: int) -> list[str]:
    """As many rules as asked for, none like another. Half of them drop, but all rejected rows break the first one.

    275 of the 3 million flights were more than ten hours late, or more than three early.
    """
    shapes: tuple[Callable[[int], str], ...] = (
        lambda i: f'drop("delay BETWEEN {-2000 * i - 180} AND {2000 * i + 600}", name="delay_{i}")',
        lambda i: f'warn("distance BETWEEN {20 - i} AND {5000 + i}", name="distance_{i}")',
        lambda i: f'drop("origin <> destination OR distance > {5000 + i}", name="goes_somewhere_{i}")',
        lambda i: f'warn("origin IS NOT NULL AND delay > {-2000 - i}", name="origin_{i}")',
        lambda i: f'drop("date >= TIMESTAMP_NTZ\'{2001 - i}-01-01\'", name="date_{i}")',
        lambda i: f'warn("length(destination) + {i} = {3 + i}", name="destination_{i}")',
        lambda i: f'drop("delay IS NULL OR delay % {5000 + i} = delay", name="delay_fits_{i}")',
        lambda i: f'warn("origin RLIKE \'^[A-Z]{{3,{3 + i}}}$\'", name="code_{i}")',
    )
    return [shapes[n % len(shapes)](n // len(shapes)) for n in range(number)]


def _write(project: Project, number: int) -> Outcome:
    env = project.context()
    return update(env.lakehouse.tables[f"shop.silver.flights_{number}"], env, full=True)


def _by_hand(project: Project, number: int) -> None:
    """Write the rows that meet all `drop` rules, and apart from them the others, with the names of what they broke.

    How many rows broke which rule is counted, as ours does, warnings among them.
    """
    from pyspark.sql import functions as F

    spark, lakehouse = project.engine.session(), project.context().lakehouse
    rules = lakehouse.tables[f"shop.silver.flights_{number}"].expectations
    rows = spark.read.format("delta").load(project.lake.table("shop.bronze.flights").path).select(*COLUMNS)
    met = {rule.name: F.coalesce(F.expr(rule.condition), F.lit(False)) for rule in rules}
    good = reduce(and_, (met[rule.name] for rule in rules if rule.action == "drop"))
    broken = F.array_compact(F.array(*(F.when(~is_met, name) for name, is_met in met.items())))
    kept, rejected = _hand_written(project)
    rows.where(good).write.format("delta").mode("overwrite").save(kept)
    rows.where(~good).withColumn("broken", broken).write.format("delta").mode("overwrite").save(rejected)
    rows.agg(*(F.count_if(~is_met).alias(name) for name, is_met in met.items())).collect()


def _hand_written(project: Project) -> list[str]:
    """Where the rows that are kept by hand are, and where the rejected ones."""
    return [str(project.root / "by_hand" / name) for name in ("kept", "rejected")]


def _same_rows(project: Project, number: int) -> str:
    """How many rows both sides kept and rejected, which have to be as many."""
    key = f"shop.silver.flights_{number}"
    ours = [DeltaTable(path).count() for path in (project.lake.table(key).path, project.lake.quarantine(key).path)]
    hand = [DeltaTable(path).count() for path in _hand_written(project)]
    assert ours == hand, (ours, hand)
    return f"{hand[0]:,} rows kept and {hand[1]:,} rejected on both sides"


def _jobs(bench: Bench, project: Project) -> list[int]:
    """The Spark jobs of each write, counted in the event log of an engine that keeps one.

    Over Connect a client sees no jobs, so they are counted on the engine's side, apart from the rounds that are timed.
    """
    logs = bench.folder / "rules" / "events"
    with _logging_engine(bench, logs) as engine:
        logged = Project(project.root, project.package, engine)
        engine.session().sql("SELECT 1").collect()
        counts = [_count(logs)]
        for number in COUNTED:
            _write(logged, number)
            counts.append(_count(logs))
    return [after - before for before, after in pairwise(counts)]


@contextmanager
def _logging_engine(bench: Bench, logs: Path) -> Iterator[SparkResource]:
    logs.mkdir()
    conf = {"enabled": "true", "dir": logs.as_uri(), "compress": "false", "rolling.enabled": "false"}
    (logs.parent / "spark-defaults.conf").write_text("".join(f"spark.eventLog.{k} {v}\n" for k, v in conf.items()))
    os.environ["SPARK_CONF_DIR"] = str(logs.parent)
    settings = replace(bench.settings, cache=engine_cache(logs.parent / "cache"))
    try:
        yield SparkResource.from_settings(settings)
    finally:
        del os.environ["SPARK_CONF_DIR"]
        stop_engine(settings)


def _count(logs: Path) -> int:
    """The jobs in the log once all that began have ended, and no more came for two seconds: Spark writes it late."""
    before = None
    while (now := _starts_and_ends(logs)) != before or now[0] != now[1]:
        before = now
        time.sleep(2)
    return now[0]


def _starts_and_ends(logs: Path) -> tuple[int, int]:
    lines = (line for file in logs.iterdir() for line in file.read_text().splitlines())
    events = [json.loads(line)["Event"] for line in lines if '"SparkListenerJob' in line[:40]]
    return events.count("SparkListenerJobStart"), events.count("SparkListenerJobEnd")
