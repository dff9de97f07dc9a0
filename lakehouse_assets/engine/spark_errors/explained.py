"""What Spark, Delta and the connection raise while a table is written, as errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import ContractError, LakehouseError, SparkUnavailable, Superseded, WriteFailed
from lakehouse_assets.engine.lake.delta_rs import is_conflict
from lakehouse_assets.engine.lake.stores import plain
from lakehouse_assets.engine.spark_errors.broken_expectation import FAILED, broken_expectation
from lakehouse_assets.engine.spark_errors.causes import all_told, cause_of, remedy_for
from lakehouse_assets.engine.spec.table import Table

if TYPE_CHECKING:
    from pyspark.errors import PySparkException


_CONFLICTS = ("DELTA_CONCURRENT", "DELTA_METADATA_CHANGED", "DELTA_PROTOCOL_CHANGED", "DELTA_PATH_EXISTS",
              "DELTA_VERSIONS_NOT_CONTIGUOUS", "DELTA_COMMIT")  # fmt: skip


@contextmanager
def explained(table: Table, doing: str = "Writing") -> Iterator[None]:
    """Turns what Spark raises while a table is written into errors that say what happened and what to do.

    `doing` is what is done to the table, where that is something else.

    Raises:
        ExpectationFailed: a row broke a `fail` expectation.
        ContractError: a column has another type than in the table.
        Superseded: another writer committed first, or whether this one did is to be seen.
        SparkUnavailable: the engine went away.
        WriteFailed: rows can't be computed or written; for which value, or by which disk, it says.
    """
    from deltalake.exceptions import CommitFailedError, DeltaError
    from grpc import RpcError
    from pyspark.errors import PySparkException

    try:
        yield
    except RpcError as error:
        raise SparkUnavailable(f"{doing} {table.key}: the Spark engine went away:", str(error).splitlines()) from error
    except PySparkException as error:
        raise _explain(error, table, doing) from error
    except (DeltaError, OSError) as error:
        if isinstance(error, CommitFailedError) and is_conflict(error):
            raise Superseded(f"{doing} {table.key}: another writer committed first ({plain(error)})") from error
        raise WriteFailed(f"{doing} {table.key}: {plain(error)}; {remedy_for(plain(error))}") from error


def _explain(error: PySparkException, table: Table, doing: str) -> LakehouseError:
    text = all_told(error)
    if FAILED in text:
        return broken_expectation(table, text)
    if (error.getCondition() or "").startswith(_CONFLICTS):
        return Superseded(f"{doing} {table.key}: another writer committed first ({error.getCondition()})")
    if error.getCondition() == "DELTA_FAILED_TO_MERGE_FIELDS":
        return ContractError(
            f"{doing} {table.key}: a column has another type than in the rows that are there "
            f"({text.splitlines()[0]}); `lakehouse run {table.key} --full` makes all of them anew"
        )
    if lost_observation(error):
        return Superseded(f"{doing} {table.key}: Spark couldn't tell what it had observed of the rows")
    if lost_engine(error):
        return SparkUnavailable(f"{doing} {table.key}: the Spark engine went away: {text.splitlines()[0]}")
    cause = cause_of(error)
    return WriteFailed(f"{doing} {table.key}: {cause}; {remedy_for(cause)}")


def about_rows(error: PySparkException) -> bool:
    """The error came from reading or computing rows: no expectation stopped it, no other writer, no lost connection."""
    conflict = (error.getCondition() or "").startswith(_CONFLICTS)
    return not (FAILED in all_told(error) or conflict or lost_engine(error) or lost_observation(error))


def lost_observation(error: PySparkException) -> bool:
    """The job is done, but Spark Connect failed to read the observation made in it.

    Two of its threads ask for it, through one projection that keeps its intermediate values in fields: now and then one
    finds a text null that the other is just computing. To plan anew is safe, and finds out whether it was a commit.
    """
    return "NullPointerException" in str(error) and "InternalRow.getUTF8String" in str(error)


def lost_engine(error: PySparkException) -> bool:
    """The error is the connection's, not the query's."""
    marks = ("StatusCode.UNAVAILABLE", "INVALID_HANDLE", "RETRIES_EXCEEDED", "Socket closed", "Connection refused")
    text = f"{error.getCondition()} {error}"
    return any(mark in text for mark in marks) and "AbfsRestOperationException" not in text  # to which a store is lost
