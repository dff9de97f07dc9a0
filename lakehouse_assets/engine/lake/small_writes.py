"""Few rows, computed by Spark and written here by delta-rs: in a tenth of a second, where Spark's jobs take seconds.

What is committed is the same: the rows, the transaction, what the commit says about itself, the change feed. Only
tables are written whose features delta-rs has, and of a merge only those whose keys and order both engines compare
alike. For others the answer is False, and Spark writes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import Superseded
from lakehouse_assets.engine.lake.delta_log import TableLog
from lakehouse_assets.engine.lake.delta_merge import GONE
from lakehouse_assets.engine.lake.delta_rs import (
    committed_once,
    delta_table,
    errors_of_delta_rs,
    is_conflict,
    lacks_feature,
)
from lakehouse_assets.engine.lake.delta_write import Stamp
from lakehouse_assets.engine.lake.places import TableRef
from lakehouse_assets.engine.printable import printable

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable

_LOG = logging.getLogger(__name__)
# Features of the protocol that delta-rs writes; without a list of them, a version has them all up to its own.
_WRITTEN = {"appendOnly", "invariants", "changeDataFeed", "checkConstraints", "timestampNtz"}
# Types whose values are in one order in both engines. Of floats all NaN are made one, as one may have a sign, and both
# zeros.
_ORDERED = re.compile(r"boolean|tinyint|smallint|int|bigint|string|date|timestamp|timestamp_ntz|decimal\(\d+,\d+\)")
# A place in a log: lists are compared value by value, of which null is the least, and a list before those it begins.
_PLACE = re.compile(r"array<decimal\(\d+,\d+\)>")
_FLOATS = {"float": "Float32", "double": "Float64"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Order:
    """Which rows of a table changes are about, by equal values `on`, and by which columns the newer one is told.

    A change is newer if its values are greater, column by column; nulls are the least. `GONE` among them is false for
    what is stored.
    """

    on: Sequence[str]
    by: Sequence[str]


def takes(log: TableLog, kinds: dict[str, str]) -> bool:
    """Whether delta-rs can add rows with columns of these types to a table, and needn't change its schema."""
    features = log.table.protocol().writer_features
    return log.columns == kinds and all(map(_NAME.fullmatch, kinds)) and {*(features or ())} <= _WRITTEN


def compares(kinds: dict[str, str], order: Order) -> bool:
    """Whether keys and order are of types that delta-rs compares as Spark does."""
    by = [kinds.get(name, "") for name in order.by if name != GONE]
    on = [kinds.get(name, "") for name in order.on]
    return all(_ORDERED.fullmatch(kind) for kind in on) and all(map(_is_ordered, by))


def _is_ordered(kind: str) -> bool:
    return kind in _FLOATS or any(kinds.fullmatch(kind) for kinds in (_ORDERED, _PLACE))


def append(rows: pa.Table, place: TableRef, stamp: Stamp) -> bool:
    """Add rows in one commit; False if delta-rs can't.

    Raises:
        Superseded: another run of the table committed first.
    """
    from deltalake import write_deltalake

    return commit_once(
        place, stamp, lambda table, once: write_deltalake(table, rows, mode="append", commit_properties=once)
    )


def merge(changes: pa.Table, order: Order, log: TableLog, place: TableRef, stamp: Stamp) -> bool:
    """Delete the table's rows whose newer change is `GONE`, update the others, insert those without a match.

    Changes have one row a key, and all columns of the table. Where none counts, the commit has no rows. False if
    delta-rs can't.

    Raises:
        Superseded: another run of the table committed first.
    """
    names = {_column("", name): _column("s.", name) for name in changes.column_names if name != GONE}
    match, newer = _all_equal(order.on), _newer(order.by, log.columns)

    def write(table: DeltaTable, once: CommitProperties) -> None:
        merger = table.merge(changes, match, source_alias="s", target_alias="t", commit_properties=once)
        merger = merger.when_matched_delete(f"{newer} AND s.{GONE}").when_matched_update(names, newer)
        merger.when_not_matched_insert(names, f"NOT s.{GONE}").execute()
        if (delta_table(place).transaction_version(stamp.app) or 0) < stamp.run:  # it makes no commit without a change
            _nothing(table, changes, once)

    return commit_once(place, stamp, write)


def commit_once(place: TableRef, stamp: Stamp, write: Callable[[DeltaTable, CommitProperties], None]) -> bool:
    """Have delta-rs make one commit; False if it can't, as the table has a feature that it lacks, or rows a value.

    Any other reason than a feature is logged: Spark writes what delta-rs was expected to, in several times as long.

    Raises:
        Superseded: another run of the table committed first.
    """
    from deltalake.exceptions import CommitFailedError

    try:
        table = delta_table(place)
        if (table.transaction_version(stamp.app) or 0) >= stamp.run:
            raise Superseded(f"Writing {stamp.app}: run {stamp.run} was committed by another process")
        write(table, committed_once(stamp.app, stamp.run, stamp.metadata))
    except errors_of_delta_rs() as error:
        if isinstance(error, CommitFailedError) and is_conflict(error):
            raise Superseded(f"Writing {stamp.app}: another writer committed first ({error})") from error
        if not lacks_feature(error):
            _LOG.warning("Writing %s by delta-rs: %s. Spark writes it now, more slowly", stamp.app, _first_line(error))
        return False
    return True


def _first_line(error: Exception) -> str:
    return printable((str(error).splitlines() or [type(error).__name__])[0])


def _nothing(table: DeltaTable, changes: pa.Table, once: CommitProperties) -> None:
    from deltalake import write_deltalake

    write_deltalake(table, changes.drop_columns([GONE]).slice(0, 0), mode="append", commit_properties=once)


def _all_equal(on: Sequence[str]) -> str:
    # In brackets, as what follows would be taken for part of the right side.
    return " AND ".join(f"({_column('s.', name)} IS NOT DISTINCT FROM {_column('t.', name)})" for name in on)


def _newer(by: Sequence[str], kinds: dict[str, str]) -> str:
    """True for a change that comes after what is stored, column by column; nulls are the least."""
    # By structs, as Spark does it: a term in brackets for each column is too deep for the parser from ten columns on.
    new, old = (", ".join(f"'c{n}', {_value(side, name, kinds)}" for n, name in enumerate(by)) for side in ("s.", "t."))
    return f"(named_struct({new}) > named_struct({old}))"


def _value(side: str, name: str, kinds: dict[str, str]) -> str:
    if name == GONE:
        return f"s.{GONE}" if side == "s." else "false"
    column, float_ = _column(side, name), _FLOATS.get(kinds[name])
    if float_ is None:
        return column
    nan, zero = (f"arrow_cast('{value}', '{float_}')" for value in ("NaN", "0"))
    return f"CASE WHEN isnan({column}) THEN {nan} WHEN {column} = 0 THEN {zero} ELSE {column} END"


def _column(side: str, name: str) -> str:
    return f"{side}`{name}`"
