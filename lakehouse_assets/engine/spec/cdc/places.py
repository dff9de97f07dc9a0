"""Where in the log of its database a Debezium event stands: numbers, compared one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_assets.engine.spec.cdc.events import PLACE, whole

if TYPE_CHECKING:
    from pyspark.sql import Column

_HEX = r"^[0-9a-fA-F]{1,16}([:./][0-9a-fA-F]{1,16}){0,2}$"


def place(source: Column, reads: Column) -> Column:
    """The place that a `source` tells, a map of texts; null where it tells none. A read may tell a part of it."""
    from pyspark.sql import functions as F

    places = (_of_commits(source, reads), _of_postgres(source), _of_oracle(source), _of_mongodb(source),
              _of_mysql(source))  # fmt: skip
    return F.coalesce(*(one.cast(PLACE) for one in places))


def _of_commits(source: Column, reads: Column) -> Column:
    """SQL Server and Db2: commit, change, serial number. Of a read the commit may be all there is."""
    from pyspark.sql import functions as F

    commit, change = _groups(source["commit_lsn"]), _groups(source["change_lsn"])
    serial = F.array(whole(source["event_serial_no"])).cast(PLACE)
    nulls = F.array(*[F.lit(None)] * 3).cast(PLACE)
    known = commit.isNotNull() & (reads | change.isNotNull())
    return F.when(known, F.concat(commit, F.coalesce(change, nulls), serial))


def _of_postgres(source: Column) -> Column:
    """The commit that `sequence` tells, and the change.

    Debezium tells there the commit *before* the transaction, which may be less than the place of a read before it: the
    greater of both numbers never falls along the stream, nor does it if a part of `sequence` is missing.
    """
    from pyspark.sql import functions as F

    told = F.from_json(source["sequence"], "array<string>")
    lsn = F.coalesce(_lsn(source["lsn"]), _lsn(F.get(told, F.lit(1))))
    return F.when(lsn.isNotNull(), F.array(F.greatest(lsn, _lsn(F.get(told, F.lit(0)))), lsn))


def _of_oracle(source: Column) -> Column:
    """Commit and change, then the redo record and the part of it, in which changes of one number are told apart."""
    from pyspark.sql import functions as F

    scn = whole(source["scn"])
    commit = F.greatest(scn, whole(source["commit_scn"]))  # a read has none
    record = _groups(F.regexp_replace(F.trim(source["rs_id"]), "^0[xX]", ""))
    nulls = F.array(*[F.lit(None)] * 3).cast(PLACE)
    inner = F.array(whole(source["ssn"])).cast(PLACE)
    return F.when(scn.isNotNull(), F.concat(F.array(commit, scn), F.coalesce(record, nulls), inner))


def _of_mongodb(source: Column) -> Column:
    from pyspark.sql import functions as F

    second, inner = whole(source["ts_ms"]), whole(source["ord"])
    known = second.isNotNull() & inner.isNotNull()
    return F.when(known, F.array(second, inner, whole(source["tord"])))


def _of_mysql(source: Column) -> Column:
    """The file's number, since `mysql-bin.1000000` follows `mysql-bin.999999`; its position there, and the row."""
    from pyspark.sql import functions as F

    file, at = whole(F.regexp_extract(source["file"], r"\.([0-9]+)$", 1)), whole(source["pos"])
    known = file.isNotNull() & at.isNotNull()
    return F.when(known, F.array(file, at, F.coalesce(whole(source["row"]), F.lit(0))))


def _groups(text: Column) -> Column:
    """Three hexadecimal numbers of a text such as `00000027:00000758:0003`; null if it's something else."""
    from pyspark.sql import functions as F

    groups = F.split(text, "[:./]")
    numbers = F.array(*(F.conv(F.get(groups, F.lit(i)), 16, 10) for i in range(3))).cast(PLACE)
    return F.when(text.rlike(_HEX), numbers)


def _lsn(text: Column) -> Column:
    """A log sequence number of PostgreSQL: a number, or as the server writes it, `16/B374D848`."""
    from pyspark.sql import functions as F

    high, low = (whole(F.conv(F.split_part(text, F.lit("/"), F.lit(i)), 16, 10)) for i in (1, 2))
    written = F.when(text.rlike("^[0-9a-fA-F]{1,8}/[0-9a-fA-F]{1,8}$"), high * 2**32 + low)
    return F.coalesce(whole(text), written.cast("decimal(38,0)"))
