"""Which version of a file a commit has the rows of, where the file was overwritten while it was read.

Spark lists a file, and opens it a while later: what is written in between is read as the version that was planned. So
after the commit each file is looked at again. One that is still what was planned was so when it was opened. Of another
the rows are compared with those committed: if they're the same, it is what was read, and not what was planned. In a
store the look is a request a file: for 1,000 blobs of Azurite 1.5 of the 11 s that a run takes.

They aren't the same where Spark read a part of it: a text file no further than the length that was listed, or one in
several parts, of which some were opened before it changed. That part is then in the table twice, as it would be had it
been in the version planned; nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import ContractError
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.tables import read_rows
from lakehouse_assets.engine.plan.plan import Plan
from lakehouse_assets.engine.quality import judge
from lakehouse_assets.engine.quality.quarantine import as_json
from lakehouse_assets.engine.run.ingest.bad_files import Reader, without_bad_files
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, as_now
from lakehouse_assets.engine.spark_errors.explained import about_rows
from lakehouse_assets.engine.spec.texts import RAW

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Bronze = Callable[[Plan, "DataFrame", Context], "DataFrame"]

# The columns that a run puts in.
_OF_RUN = {"_ingested_at", "_batch", RAW}


def overwritten(plan: Plan, files: Sequence[Arrival], context: Context, bronze: Bronze) -> dict[str, Arrival]:
    """The versions, by path, whose rows the run has in place of those of the files; `bronze` makes the table's rows."""
    from pyspark.sql import functions as F

    others = [now for file, now in zip(files, as_now(files), strict=True) if now and now.etag != file.etag]
    place = context.lake.table(plan.table.key)
    log = read_log(place) if others else None
    if log is None:
        return {}
    written = read_rows(context.session(), place).where(F.col("_batch") == plan.run)
    reader = Reader(context, plan.table, log.columns)
    expectations = [e for e in plan.table.expectations if e.action != "fail"]

    def was_read(file: Arrival) -> bool:
        its = written.where(F.col("_source") == F.lit(file.path))

        def same(landed: DataFrame) -> bool:
            return _same(judge.accepted(judge.judge(bronze(plan, landed, context), expectations), expectations), its)

        try:
            return bool(without_bad_files(reader, [file], same).made)
        except ContractError:
            return False
        except PySparkException as error:
            if not about_rows(error):
                raise
            return False  # what the table's function can't make anything of was not committed

    return {f.path: f for f in others if was_read(f)}


def _same(some: DataFrame, others: DataFrame) -> bool:
    """Whether the rows are the same but for time and number of the batch, and there are any."""
    one, other = (df.select(as_json([df[f"`{c}`"] for c in sorted({*df.columns} - _OF_RUN)])) for df in (some, others))
    return not one.isEmpty() and one.exceptAll(other).isEmpty() and other.exceptAll(one).isEmpty()
