"""Which runs are on little data. Their queries are interpreted, as compiling one takes longer than running it on a few
rows.

What Spark compiles of a query is a class of its own, which the JVM loads and runs cold; its interpreter is warm after
the first queries, whatever they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake.capabilities import capabilities
from lakehouse_assets.engine.lake.delta_log import TableLog, read_log
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.plan.plan import Plan, Read
from lakehouse_assets.engine.sources.arrivals.listing import Arrival
from lakehouse_assets.engine.spec.formats import Format, TextFormat

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Set on our own local engine (resources/engine_conf.py) and nowhere else: up to so many bytes are little.
LITTLE = "spark.lakehouse.interpretedBytes"
# So many rows are brought here and written by delta-rs, into a table of so many bytes, whose files it may rewrite.
FEW_ROWS, SMALL_TABLE = 20_000, 256 * 1024 * 1024
# So many bytes of text are few rows: of 50 bytes a row, 20,000. A line may be a byte, and a row of it takes 4 bytes of
# Arrow and more for each column that it lacks, so that many columns may be of less text.
FEW_BYTES, FEW_BYTES_BY_COLUMNS = 1024 * 1024, 32 * 1024 * 1024
# Names of texts that aren't packed: what others would be unpacked isn't known.
_PLAIN = (".csv", ".json", ".jsonl", ".ndjson", ".tsv", ".txt")
_INTERPRETED = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    # It plans anew after each stage, which is a job by itself; without, merges of a few rows take 8 % less time.
    "spark.sql.adaptive.enabled": "false",
}


def few_changes(plan: Plan) -> bool:
    """Whether a run takes in few rows of other tables, by what their commits say of themselves."""
    reads = [read for read in plan.reads.values() if not read.lookup]
    numbers = [_changed(read) for read in reads]
    known = [number for number in numbers if number is not None]
    return bool(reads) and len(known) == len(reads) and sum(known) <= FEW_ROWS


def few_lines(kind: Format, files: Sequence[Arrival], columns: int) -> bool:
    """Whether files that have just arrived are few rows of so many columns, as far as their sizes tell."""
    size = sum(file.size for file in files)
    plain = isinstance(kind, TextFormat) and all(f.path.lower().endswith(_PLAIN) for f in files)
    return plain and size <= FEW_BYTES and size * columns <= FEW_BYTES_BY_COLUMNS


def is_small(log: TableLog) -> bool:
    """Whether delta-rs may rewrite files of a table here, in this process' memory."""
    return log.bytes <= SMALL_TABLE


def _changed(read: Read) -> int | None:
    """How many rows of a table changed in the versions that are read; None where that isn't told, or for all rows."""
    log = read_log(read.table) if read.after is not None else None
    commits = log.since(read.after or 0) if log else None
    if commits is None:
        return None
    numbers = [commit.rows if commit.changes_data else 0 for commit in commits if commit.version <= read.to]
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def size(plan: Plan, lake: Lake) -> int:
    """Bytes of the tables that a run may read: the whole of each, though it may need less."""
    tables = {lake.table(plan.table.key), *(read.table for read in plan.reads.values())}
    logs = (read_log(table) for table in tables)
    return sum(log.bytes for log in logs if log)


@contextmanager
def interpreted(spark: SparkSession, size: int) -> Iterator[None]:
    """Queries in the block are interpreted if what they read, in bytes, is little."""
    if not capabilities(spark).settings or size > int(spark.conf.get(LITTLE, "0") or 0):
        yield
        return
    before = {name: str(spark.conf.get(name)) for name in _INTERPRETED}
    _set(spark, _INTERPRETED)
    try:
        yield
    finally:
        _set(spark, before)


def _set(spark: SparkSession, conf: Mapping[str, str]) -> None:
    for name, value in conf.items():
        spark.conf.set(name, value)
