"""What a table has, and what changed in it, as batches of Arrow: by delta-rs, without Spark, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import UnreadableInput
from lakehouse_assets.engine.lake.delta_log import TableLog
from lakehouse_assets.engine.lake.delta_rs import column, errors_of_delta_rs

if TYPE_CHECKING:
    import pyarrow as pa

CHANGE, VERSION = "_change_type", "_commit_version"
# What a row is after a change; the other images are of what it was before.
AFTER = frozenset({"insert", "update_postimage"})


def changes(log: TableLog, news: Sequence[int], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The images of the rows that changed in some versions, in no order, with the columns CHANGE and VERSION.

    Raises:
        UnreadableInput: they can't be read, for whatever reason.
    """
    import pyarrow as pa

    for first, last in _spans(news):
        try:
            # Which drops what tells of the change unless it's named.
            feed = log.table.load_cdf(first, last, columns=[*map(column, names), CHANGE, VERSION])
            yield from pa.RecordBatchReader.from_stream(feed)
        except errors_of_delta_rs() as error:  # it's off, cleaned away, or in another shape than now
            why = str(error).splitlines()[0]
            raise UnreadableInput(f"the changes of versions {first} to {last} can't be read ({why})") from error


def whole(log: TableLog, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """All rows of the table at the version of its log.

    Raises:
        UnreadableInput: they can't be read.
    """
    import pyarrow as pa
    from deltalake import QueryBuilder

    listed = ", ".join(map(column, names))
    try:
        found = QueryBuilder().register("stored", log.table).execute(f"SELECT {listed} FROM stored")
        yield from pa.RecordBatchReader.from_stream(found)
    except errors_of_delta_rs() as error:
        why = str(error).splitlines()[0]
        raise UnreadableInput(
            f"Reading version {log.version} of {log.table.table_uri}: {why}; see its files"
        ) from error


def _spans(versions: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of versions that follow one another."""
    for _, run in groupby(enumerate(versions), lambda pair: pair[1] - pair[0]):
        together = [version for _, version in run]
        yield together[0], together[-1]
