"""Step 4: one Delta commit, which holds the rows and the record of what was read for them.

Delta skips a write whose application and transaction version it has seen. The application is the table's key, the
version its run counter, so of two runs that try the same step only one can commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from lakehouse_assets.engine.errors import Superseded
from lakehouse_assets.engine.lake.capabilities import capabilities
from lakehouse_assets.engine.lake.delta_commits import Kind, mark_of
from lakehouse_assets.engine.lake.delta_log import TableLog
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.lake.tables import in_sql, read_rows, replace_rows, write_table
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_TXN = {
    "spark.databricks.delta.write.txnAppId": "app",
    "spark.databricks.delta.write.txnVersion": "run",
    "spark.databricks.delta.commitInfo.userMetadata": "metadata",
}


@dataclass(frozen=True)
class Stamp:
    """Who commits (`app`, the table's key), which of its runs this is, and what the commit says about itself.

    `remembers` says that its table's state is written after it; `routes` how changes upstream lead to groups;
    `watermark` the value (SQL) that its rows were held against; `rules` is the version of the expectations, and
    `replay`, in the commit of one, what it judged and by which of them; `days`, in that of a backfill, the first and
    the last (ISO); `forgot` the files that a rebuild is without, as they were forgotten upstream; `keeps` that no row
    went out by a write that replaces some.
    """

    app: str
    run: int
    read: Mapping[str, Any]
    mode: str
    code: str
    rules: str
    remembers: bool = False
    routes: Mapping[str, Any] = field(default_factory=dict)
    watermark: str = ""
    days: tuple[str, ...] = ()
    forgot: tuple[str, ...] = ()
    keeps: bool = False
    replay: Mapping[str, Any] = field(default_factory=dict)
    by: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def of(cls, table: Table, run: int, read: Mapping[str, Any], routes: Mapping[str, Any] | None = None) -> Stamp:
        return cls(
            table.key, run, read, table.mode, table.code_version, table.expectations_version, routes=routes or {}
        )

    @property
    def kind(self) -> Kind:
        return "replay" if self.replay else "update"

    @property
    def metadata(self) -> str:
        told = ("read", "mode", "code", "rules", "by")
        more = ("remembers", "routes", "watermark", "days", "forgot", "keeps", "replay")
        body = {name: getattr(self, name) for name in told}
        body |= {name: value for name in more if (value := getattr(self, name))}
        return mark_of(self.app, self.run, self.kind, **body)


def append(df: DataFrame, table: TableRef, stamp: Stamp) -> None:
    """Add the rows; columns the table doesn't have yet are added to it."""
    write_table(df, table, "append", _stamped(stamp))


def overwrite(df: DataFrame, table: TableRef, stamp: Stamp) -> None:
    """Put the rows in the place of all there are. Readers see the old table until the commit, the new one after it."""
    write_table(df, table, "overwrite", _stamped(stamp))


def replace_where(df: DataFrame, table: TableRef, where: str, stamp: Transaction) -> None:
    """Put rows in the place of those of the table that meet a condition; all of them have to meet it."""
    replace_rows(df, table, where, once(stamp.app, stamp.run) | {"userMetadata": stamp.metadata})


def delete(spark: SparkSession, table: TableRef, where: str, stamp: Transaction) -> None:
    """Delete the rows that meet a condition; where no settings are taken, by putting none in their place."""
    if not capabilities(spark).settings:
        replace_where(read_rows(spark, table).limit(0), table, where, stamp)
        return
    with transaction(spark, stamp):
        spark.sql(f"DELETE FROM {in_sql(spark, table)} WHERE {where}").collect()


def committed(log: TableLog | None, stamp: Stamp) -> int:
    """The version this stamp was committed as.

    Raises:
        Superseded: Delta skipped the write, because another run of the table had used the same counter.
    """
    for commit in log.commits if log else ():
        if commit.of(stamp.kind) and commit.mark["run"] == stamp.run:
            if commit.mark["by"] == stamp.by:
                return commit.version
            break
    raise Superseded(f"Writing {stamp.app}: run {stamp.run} was committed by another process")


def _stamped(stamp: Stamp) -> dict[str, str]:
    told = {"userMetadata": stamp.metadata, "delta.enableChangeDataFeed": "true"}
    return once(stamp.app, stamp.run) | told


def once(app: str, run: int) -> dict[str, str]:
    """The options of a commit that Delta skips if the application has made it, or a later one, before."""
    return {"txnAppId": app, "txnVersion": str(run), "userMetadata": mark_of(app, run, "part")}


class Transaction(Protocol):
    """What a commit by SQL needs to be made once: who makes it, under which number, and what it says about itself."""

    @property
    def app(self) -> str: ...
    @property
    def run(self) -> int: ...
    @property
    def metadata(self) -> str: ...


@contextmanager
def transaction(spark: SparkSession, stamp: Transaction) -> Iterator[None]:
    """SQL statements take the transaction from the session's settings."""
    for name, field_ in _TXN.items():
        spark.conf.set(name, str(getattr(stamp, field_)))
    try:
        yield
    finally:
        for name in _TXN:
            spark.conf.unset(name)
