"""Tries what the tables need of a cluster, on the cluster that it runs on, a line each; ends with 1 if one is missing.

    lakehouse-doctor --lake abfss://… --landing abfss://… [--catalog main] [--secrets lakehouse]

Nothing is left behind: what it writes into the lake and makes in the catalog, it deletes.
"""

from __future__ import annotations

import argparse
import platform
import re
import sys
import uuid
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import metadata, version
from typing import TYPE_CHECKING

from dbfs_jobs.places import add_places, opened, take_secrets
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.deploy.databricks_job import PACKAGE
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.graph.validate import load
from lakehouse_assets.engine.printable import printable
from lakehouse_assets.engine.spec.compute import RUNTIME, SPARK
from lakehouse_assets.resources.trials import MARKS, Found, tried

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lakehouse_assets.engine.lake.places import Lake

ROWS = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments, try each thing, say what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_places(parser)
    given, sound = parser.parse_args(arguments), True
    for fine, what, found in _findings(given):
        print(f"{MARKS[fine]} {what}: {printable(found)}", flush=True)
        sound = sound and fine is not False
    if not sound:
        sys.exit(1)


def _findings(given: argparse.Namespace) -> Iterator[Found]:
    scope = given.secrets

    @cache
    def context() -> Context:
        return opened(argparse.Namespace(**{**vars(given), "secrets": ""}))  # which have been taken, or can't be

    yield tried("Python", _python)
    yield tried("wheel", lambda: f"{PACKAGE} {version(PACKAGE)}")
    yield tried("delta-rs", lambda: f"deltalake {version('deltalake')}")
    if given.secrets:
        yield tried("secrets", lambda: f"{scope} gives {', '.join(take_secrets(scope)) or 'nothing'}")
    lakehouse = load(given.domains, strict=False)
    yield from ((False, "declared tables", problem) for problem in lakehouse.problems)
    if not lakehouse.problems:
        yield True, "declared tables", f"{len(lakehouse.tables)}, and they fit together"
    yield tried("landing folder", lambda: _listed(context().lake.landing))
    yield tried("lake by delta-rs", lambda: _by_delta_rs(context().lake))
    spark = tried("Spark", lambda: _version(context().session()))
    yield spark
    if spark[0]:  # without it, nothing can be asked of it
        yield tried("lake by Spark", lambda: _by_spark(context().lake, context().session()))
    if spark[0] and given.catalog:
        yield tried("catalog", lambda: _catalog(context().lake, lakehouse, context().session()))


def _python() -> str:
    needed, here = metadata(PACKAGE)["Requires-Python"], sys.version_info[:2]
    bounds = {sign: (int(major), int(minor)) for sign, major, minor in re.findall(r"(>=|<)(\d+)\.(\d+)", needed)}
    if not bounds[">="] <= here < bounds["<"]:
        raise LakehouseError(f"{platform.python_version()}, and {needed} is needed; use the runtime {RUNTIME}")
    return f"{platform.python_version()} ({needed} is needed)"


def _version(spark: SparkSession) -> str:
    if not spark.version.startswith(f"{SPARK}."):
        raise LakehouseError(f"{spark.version}, and {SPARK} is needed; use the runtime {RUNTIME}")
    return f"{spark.version} ({SPARK} is needed)"


def _listed(url: str) -> str:
    from lakehouse_assets.engine.lake.stores import opened

    store, folder = opened(url)
    try:
        return f"{url}: listed, {len(store.ls(folder, detail=False))} entries"
    except FileNotFoundError:
        raise LakehouseError(f"{url} isn't there; make it, or name another one by --landing") from None


def _by_delta_rs(lake: Lake) -> str:
    """Write and read a Delta table by delta-rs."""
    import pyarrow as pa
    from deltalake import write_deltalake

    from lakehouse_assets.engine.lake.delta_rs import arrow, delta_table
    from lakehouse_assets.engine.lake.places import TableRef

    scratch = TableRef(_scratch(lake), storage=lake.storage)
    try:
        rows = pa.Table.from_pylist([{"n": n} for n in range(ROWS)])
        write_deltalake(scratch.path, rows, storage_options=dict(lake.storage) or None)
        found = arrow(delta_table(scratch), "stored", "SELECT n FROM stored").num_rows
    finally:
        left = _left(scratch.path)
    return _told(lake, found, left)


def _by_spark(lake: Lake, spark: SparkSession) -> str:
    """Write and read a Delta table by Spark, for which it has to have Delta."""
    path = _scratch(lake)
    try:
        spark.range(ROWS).write.format("delta").save(path)
        found = spark.read.format("delta").load(path).count()
    finally:
        left = _left(path)
    return _told(lake, found, left)


def _scratch(lake: Lake) -> str:
    return f"{lake.root}/_doctor-{uuid.uuid4().hex}"


def _left(path: str) -> str:
    """Delete a folder; what is left of it, and why."""
    from lakehouse_assets.engine.lake.stores import errors_of_stores, plain, remove

    try:
        remove(path)
    except errors_of_stores() as error:
        return f"{path} couldn't be deleted: {plain(error)}; delete it by hand"
    return ""


def _told(lake: Lake, found: int, left: str) -> str:
    if found != ROWS:
        raise LakehouseError(f"{lake.root}: of {ROWS} rows that were written, {found} are found")
    if left:
        raise LakehouseError(f"a table was written and read, but {left}")
    return f"{lake.root}: a Delta table was written, read and deleted"


def _catalog(lake: Lake, lakehouse: Lakehouse, spark: SparkSession) -> str:
    """See that the catalog is there, and that a schema can be made in it, or none has to be."""
    from pyspark.errors import PySparkException

    catalog = f"`{lake.catalog}`"
    there = {f"{lake.catalog}.{row[0]}" for row in spark.sql(f"SHOW SCHEMAS IN {catalog}").collect()}
    scratch = f"{catalog}.`_doctor_{uuid.uuid4().hex}`"
    try:
        spark.sql(f"CREATE SCHEMA {scratch}").collect()
    except PySparkException:
        if {name for table in lakehouse.runnable.values() for name in lake.schemas(table)} - there:
            raise
        return f"{lake.catalog}: no schema can be made, and all that tables need are there"
    spark.sql(f"DROP SCHEMA {scratch}").collect()
    return f"{lake.catalog}: a schema was made and dropped"


if __name__ == "__main__":
    main()
