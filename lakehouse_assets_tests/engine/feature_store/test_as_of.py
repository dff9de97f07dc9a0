"""`as_of`: what was known at a row's time, as looking at every feature for every row finds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse_assets.engine import as_of
from lakehouse_assets.engine.errors import FeatureError
from lakehouse_assets_tests.engine.feature_store.brute_force import (
    FEATURES,
    ROWS,
    START,
    Values,
    nearest,
    random_features,
    random_rows,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

KEY = {"on": ["carrier", "origin"], "at": "at", "event_time": "event"}


def frame(spark: SparkSession, rows: Sequence[Values], schema: str) -> DataFrame:
    return spark.createDataFrame(list(rows), schema)


def joined(spark: SparkSession, rows: Sequence[Values], features: Sequence[Values], **options: Any) -> Counter[Values]:
    found = as_of(
        frame(spark, rows, ROWS), frame(spark, features, FEATURES), **{**KEY, "known_time": "known", **options}
    )
    assert found.columns == ["id", "carrier", "origin", "at", "delay", "note"]
    return Counter(tuple(row) for row in found.collect())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("within", [None, timedelta(hours=6), timedelta(0)])
def test_each_row_gets_the_feature_that_counts(spark: SparkSession, seed: int, within: timedelta | None) -> None:
    random = Random(seed)
    rows, features = random_rows(random, 200), random_features(random, 150)
    expected = nearest(rows, features, within)
    assert sum(n for row, n in expected.items() if row[-1]) > (0 if within == timedelta(0) else 30)
    assert joined(spark, rows, features, within=within) == expected


def test_without_a_known_time_features_are_known_when_they_happen(spark: SparkSession) -> None:
    random = Random(11)
    rows, features = random_rows(random, 200), random_features(random, 150)
    found = joined(spark, rows, features, known_time=None, columns=["delay", "note"])
    assert found == nearest(rows, features, two_times=False)


def test_a_late_correction_of_an_old_event_hides_no_newer_one(spark: SparkSession) -> None:
    def at(hours: int) -> datetime:
        return START + timedelta(hours=hours)

    features = [
        ("UA", "EWR", at(1), at(1), 1.0, "first"),
        ("UA", "EWR", at(5), at(6), 5.0, "newer"),
        ("UA", "EWR", at(1), at(8), 2.0, "correction of the first"),
        ("UA", "EWR", at(5), at(9), 6.0, "correction of the newer"),
    ]
    rows = [(hours, "UA", "EWR", at(hours)) for hours in range(11)]
    notes = {row[0]: row[-1] for row in joined(spark, rows, features)}
    assert notes == {0: None, **dict.fromkeys(range(1, 6), "first"), **dict.fromkeys(range(6, 9), "newer"),
                     9: "correction of the newer", 10: "correction of the newer"}  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_what_happens_later_or_is_known_later_changes_nothing(spark: SparkSession, seed: int) -> None:
    random = Random(seed)
    now = START + timedelta(hours=36)
    rows = [row for row in random_rows(random, 200) if row[3] is None or row[3] <= now]
    features = random_features(random, 150)
    known = [f for f in features if None not in f[2:4] and f[2] <= now and f[3] <= now]
    future = random_features(random, 200)
    late = [(*f[:2], f[2] + timedelta(hours=100), f[3], *f[4:]) for f in future if None not in f[2:4]]
    learnt = [(*f[:2], f[2], f[3] + timedelta(hours=100), *f[4:]) for f in future if None not in f[2:4]]
    before = joined(spark, rows, known)
    assert joined(spark, rows, features) == before
    assert joined(spark, rows, [*known, *late, *learnt]) == before


def test_the_order_in_which_features_are_stored_changes_nothing(spark: SparkSession) -> None:
    random = Random(5)
    rows, features = random_rows(random, 100), random_features(random, 200)
    shuffled = random.sample(features, len(features))
    assert joined(spark, rows, features) == joined(spark, rows, shuffled)


def test_values_without_an_order_are_told_apart_all_the_same(spark: SparkSession) -> None:
    rows = frame(spark, [(1, "UA", "EWR", START)], ROWS)
    schema = "carrier string, origin string, event timestamp_ntz, by_hour map<string,int>"
    two = [("UA", "EWR", START, {"8": 3}), ("UA", "EWR", START, {"8": 20}), ("UA", "EWR", START, None)]
    found = [as_of(rows, frame(spark, some, schema), **KEY).first() for some in (two, two[::-1])]
    assert [row and row["by_hour"] for row in found] == [{"8": 3}, {"8": 3}]  # by its text


def test_a_day_is_its_first_moment(spark: SparkSession) -> None:
    schema = "carrier string, origin string, event date, delay double"
    features = frame(spark, [("UA", "EWR", date(2024, 1, 2), 2.0), ("UA", "EWR", date(2024, 1, 3), 3.0)], schema)
    times = [datetime(2024, 1, 1, 23, 59), datetime(2024, 1, 2), datetime(2024, 1, 2, 23, 59), datetime(2024, 1, 3)]
    rows = frame(spark, [(n, "UA", "EWR", time) for n, time in enumerate(times)], ROWS)
    found = {row["id"]: row["delay"] for row in as_of(rows, features, **KEY).collect()}
    assert found == {0: None, 1: 2.0, 2: 2.0, 3: 3.0}
    days = rows.selectExpr("id", "carrier", "origin", "date(at) AS at")
    found = {row["id"]: row["delay"] for row in as_of(days, features, **KEY, within=timedelta(hours=23)).collect()}
    assert found == {0: None, 1: 2.0, 2: 2.0, 3: 3.0}


def test_the_hour_that_comes_twice_is_told_apart(spark: SparkSession) -> None:
    """Clocks in New York went back at 06:00 UTC on 3 November 2013; both hours show 01:30."""
    first, second = "2013-11-03T05:30:00Z", "2013-11-03T06:30:00Z"
    features = spark.sql(
        f"SELECT 'UA' carrier, 'EWR' origin, timestamp'{first}' event, 1.0D delay"
        f" UNION ALL SELECT 'UA', 'EWR', timestamp'{second}', 2.0D"
    )
    rows = spark.sql(
        "SELECT 'UA' carrier, 'EWR' origin, explode(array("
        "timestamp'2013-11-03 01:29:59 -04:00', timestamp'2013-11-03 01:30:00 -04:00',"
        "timestamp'2013-11-03 01:29:59 -05:00', timestamp'2013-11-03 01:30:00 -05:00')) at"
    )
    zone = spark.conf.get("spark.sql.session.timeZone")
    try:
        for shown in ("UTC", "America/New_York"):
            spark.conf.set("spark.sql.session.timeZone", shown)
            found = as_of(rows, features, **KEY, within=timedelta(minutes=60)).orderBy("at").collect()
            assert [row["delay"] for row in found] == [None, 1.0, 1.0, 2.0]
    finally:
        spark.conf.set("spark.sql.session.timeZone", str(zone))


def test_keys_and_values_may_have_other_names_there(spark: SparkSession) -> None:
    rows = frame(spark, [(1, "UA", "EWR", START)], ROWS).withColumnRenamed("origin", "from.airport")
    features = frame(spark, [("UA", "EWR", START, START, 4.0, "x")], FEATURES)
    found = as_of(
        rows, features, on={"carrier": "carrier", "origin": "from.airport"}, at="at", event_time="event",
        columns={"delay": "delay at the origin", "event": "as of"},
    )  # fmt: skip
    assert found.columns == ["id", "carrier", "from.airport", "at", "delay at the origin", "as of"]
    assert tuple(found.first() or ()) == (1, "UA", "EWR", START, 4.0, START)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"on": "carier"}, "the rows have no column 'carier'; did you mean 'carrier'?"),
        ({"on": {"carrier": "carrier", "airport": "origin"}}, "the features have no column 'airport'"),
        ({"on": []}, "no column tells the entities apart"),
        ({"at": "id"}, "'id' is a int, and no time"),
        ({"event_time": "note"}, "'note' is a string, and no time"),
        ({"on": {"delay": "carrier"}}, "'carrier' of the rows is a string, and 'delay' of the features a double"),
        ({"columns": {"delay": "ID"}}, "there would be two columns 'id'"),
        ({"columns": ["delays"]}, "did you mean 'delay'?"),
        ({"within": timedelta(days=-1)}, "is less than nothing"),
    ],
)
def test_what_does_not_fit_is_named(spark: SparkSession, options: dict[str, Any], what: str) -> None:
    rows, features = frame(spark, [], ROWS), frame(spark, [], FEATURES)
    with pytest.raises(FeatureError, match="Joining features as of") as refused:
        as_of(rows, features, **{**KEY, **options})
    assert what in str(refused.value)
