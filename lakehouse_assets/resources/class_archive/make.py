"""Makes the archive of the engine's classes: a program, whose engine computes a little and is then stopped.

The JVM of that engine writes the classes that it has loaded when it ends. So what is computed are the kinds of queries,
writes and reads that runs begin with.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[3])  # for this folder

from lakehouse_assets.engine.errors import LakehouseError, SparkUnavailable
from lakehouse_assets.folders import private_folder
from lakehouse_assets.private.pyspark import opened_by
from lakehouse_assets.resources.class_archive.kept import MADE, find_archive
from lakehouse_assets.resources.spark_channel import engine_channel
from lakehouse_assets.resources.spark_server import (
    WRITING_SECONDS,
    ServerSettings,
    attach,
    classes_folder,
    exclusive,
    log_tail,
    release,
    stop,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

UNREAD_SECONDS = 30 * 86400
STOPPED = 128 + signal.SIGTERM  # how a JVM ends that was told to, and did all that it had to do before
ROWS = """id,text,amount,at
1,a,1.5,2024-01-01 00:00:00
2,b,2,2024-01-02 00:00:00
"""
COLUMNS = "id INT, text STRING, amount DECIMAL(10,2), at TIMESTAMP"
STATEMENTS = (
    f"CREATE TABLE {{t}} ({COLUMNS}) USING delta TBLPROPERTIES (delta.enableChangeDataFeed = true)",
    "INSERT INTO {t} SELECT * FROM arrived",
    "MERGE INTO {t} t USING (SELECT * FROM arrived WHERE id > 1) s ON t.id = s.id"
    " WHEN MATCHED THEN UPDATE SET text = upper(s.text) WHEN NOT MATCHED THEN INSERT *",
    "DELETE FROM {t} WHERE id = 2",
)
QUERIES = (
    "SELECT text, count(*) AS rows, sum(amount) AS amount FROM {t} GROUP BY text ORDER BY text",
    "SELECT a.*, row_number() OVER (PARTITION BY t.text ORDER BY t.at) AS place FROM arrived a JOIN {t} t USING (id)",
)


def main() -> int:
    """Make the archive, if there's none that may be used; what was said stays beside it if that fails."""
    told = json.loads(sys.argv[1])
    settings = ServerSettings(**{**told, "cache": Path(told["cache"])})
    folder = private_folder(classes_folder(settings), "the folder of the engine's classes")
    with exclusive(folder / "make.lock"):
        if find_archive(folder).path:
            return 0
        _write_to(folder / MADE)
        try:
            make_archive(settings, folder)
        except LakehouseError as error:
            print(error)
            return 1
        (folder / MADE).unlink()
    return 0


def _write_to(log: Path) -> None:
    descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)


def make_archive(settings: ServerSettings, folder: Path) -> None:
    """Have an engine of its own write the archive, and put it in place whole, under its digest as its name.

    Raises:
        SparkUnavailable: the engine didn't start, or its JVM didn't write all.
    """
    _tidy(folder)
    written = folder / "written.jsa.new"
    own = replace(settings, idle_minutes=1.0, classes_to=written)
    ended = _end_of_engine(own)
    if ended != STOPPED or not written.is_file():
        written.unlink(missing_ok=True)  # what was cut
        raise SparkUnavailable(f"Making the archive of the engine's classes: Java ended with {ended}", log_tail(own))
    shutil.rmtree(own.folder)
    written.chmod(0o600)
    with written.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    written.rename(folder / f"{digest}.jsa")


def _tidy(folder: Path) -> None:
    """Remove what can't be used here, and archives that no engine has read for long, as after an upgrade."""
    for left in folder.glob("*.jsa*"):
        left.unlink()
    for other in folder.parent.glob("*/*.jsa"):
        if time.time() - other.stat().st_atime > UNREAD_SECONDS:
            other.unlink()


def _end_of_engine(settings: ServerSettings) -> int:
    """Start an engine, compute on it, and stop it; the exit code of its JVM."""
    server = attach(settings)
    try:
        with tempfile.TemporaryDirectory(dir=settings.folder) as lake:
            _read_and_write(opened_by(engine_channel(server)), Path(lake))
    finally:
        release(settings)
        stop(settings, WRITING_SECONDS)
    return os.waitstatus_to_exitcode(os.waitpid(server.supervisor, 0)[1])


def _read_and_write(spark: SparkSession, lake: Path) -> None:
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    landed, table = lake / "arrived.csv", str(lake / "t")
    landed.write_text(ROWS)
    arrived = spark.read.csv(str(landed), header=True, schema=COLUMNS)
    arrived.createOrReplaceTempView("arrived")
    for statement in STATEMENTS:
        spark.sql(statement.format(t=f"delta.`{table}`"))
    seen = arrived.observe(Observation("rows"), F.count(F.lit(1)))
    seen.write.format("delta").option("txnAppId", "a").option("txnVersion", "1").mode("append").save(table)
    for query in QUERIES:
        spark.sql(query.format(t=f"delta.`{table}`")).collect()
    spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 1).load(table).toPandas()


if __name__ == "__main__":
    sys.exit(main())
