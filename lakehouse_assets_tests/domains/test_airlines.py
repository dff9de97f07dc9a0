"""The flights of 2013 through every airlines table, against the same figures computed by pandas from the feed."""

from __future__ import annotations

import json
from collections.abc import Callable

import dagster as dg
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from lakehouse_assets.domains.airlines.models.late_departure import late_departure
from lakehouse_assets.engine import as_of
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets_tests.domains.conftest import CORRECTED_DAY, FLIGHT_KEY, SOURCES, Feed, Stand
from lakehouse_assets_tests.domains.feature_figures import airport_weather, carrier_delays, known_then
from lakehouse_assets_tests.domains.gold_figures import GOLD, fact_flights
from lakehouse_assets_tests.domains.learning import of_shuffled_labels, parted

SURROGATES = ["carrier_key", "plane_key"]
BAD_HOUR = pd.Timestamp("2013-02-12T08:00Z")  # the wind of 1048 mph at Newark


def assert_same(actual: pd.DataFrame, expected: pd.DataFrame, by: list[str]) -> None:
    """The same columns and rows, whatever their order; system columns (`_…`) aside."""
    columns = [c for c in actual.columns if not c.startswith("_")]
    assert sorted(columns) == sorted(expected.columns)
    ordered = (frame[columns].sort_values(by, ignore_index=True) for frame in (actual, expected))
    left, right = (_one_null(frame) for frame in ordered)
    pd.testing.assert_frame_equal(left, right, check_dtype=False, rtol=1e-9)


def _one_null(frame: pd.DataFrame) -> pd.DataFrame:
    texts = frame.select_dtypes("object")
    return frame.assign(**{name: texts[name].where(texts[name].notna(), None) for name in texts})


def silver_flights(stand: Stand) -> pd.DataFrame:
    return stand.rows("silver.flights").rename(columns={"flight_date": "date"})


def beside_the_feed(stand: Stand, feed: Feed) -> pd.DataFrame:
    """Each flight of silver with the feed's record of it (columns `…_feed` where both have one)."""
    both = silver_flights(stand).merge(feed.flights, on=FLIGHT_KEY, suffixes=("", "_feed"), validate="1:1")
    assert len(both) == len(feed.flights)
    return both


def clock(times: pd.Series, zones: pd.Series) -> pd.Series:
    """What the clocks of each time zone show, as the feed writes it: 517, 2359. Null where time or zone is."""
    shown = pd.Series(float("nan"), times.index)
    for zone, some in times.dropna().groupby(zones):
        local = some.dt.tz_convert(str(zone))
        shown[local.index] = (local.dt.hour * 100 + local.dt.minute).astype("float")
    return shown


def check_of(run: dg.ExecuteInProcessResult, asset: str, name: str) -> dg.AssetCheckEvaluation:
    found = [e for e in run.get_asset_check_evaluations() if e.asset_key.path[1:] == asset.split(".")]
    return next(e for e in found if e.check_name == name)


def test_bronze_has_every_cell_of_the_feed_as_it_arrived(built: Stand, feed: Feed) -> None:
    for name in SOURCES:
        rows, text = built.rows(f"bronze.{name}")[feed.text[name].columns], feed.text[name]
        as_stored, as_delivered = (pd.util.hash_pandas_object(_one_null(f), index=False) for f in (rows, text))
        assert sorted(as_stored) == sorted(as_delivered), name


def test_the_rows_of_each_layer_are_those_of_the_feed(built: Stand) -> None:
    counts = {table: len(built.rows(table)) for table in built.versions if not table.startswith(("gold", "features"))}
    assert {table: n for table, n in counts.items() if n} == {
        "bronze.flights": 336_776, "bronze.weather": 26_115, "bronze.planes": 3_322, "bronze.airports": 1_458,
        "bronze.carriers": 16, "silver.flights": 336_776, "silver.weather": 26_114, "silver.planes": 3_322,
        "silver.airports": 1_458, "silver.carriers": 16, "memory.silver_planes": 3_322, "memory.silver_carriers": 16,
        "quarantine.silver_weather": 1,
    }  # fmt: skip


def test_flights_are_unique_by_their_key(built: Stand) -> None:
    keys = built.rows("silver.flights")[["carrier", "flight", "origin", "scheduled_departure_at"]]
    assert not keys.duplicated().any()
    assert keys.notna().all(axis=None)


def test_the_hurricane_at_newark_is_in_quarantine_with_rule_and_file(built: Stand) -> None:
    (rejected,) = built.rows("quarantine.silver_weather").to_dict("records")
    assert list(rejected["broken"]) == ["wind_speed_mph_between"]
    assert rejected["source"].endswith("/landing/airlines/weather/2013-02-12.csv")
    row = json.loads(rejected["row"])
    assert (row["airport"], pd.Timestamp(row["observed_at"])) == ("EWR", BAD_HOUR)
    assert row["wind_speed_mph"] == 1048.36058
    assert check_of(built.run, "silver.weather", "wind_speed_mph_between").metadata["rows_broken"].value == 1


def test_cancelled_and_diverted_flights_are_told_apart(built: Stand, feed: Feed) -> None:
    flights = built.rows("silver.flights")
    assert flights["cancelled"].sum() == flights["departed_at"].isna().sum() == 8_255
    assert flights["diverted"].sum() == 9_430 - 8_255
    assert flights["arrival_delay_minutes"].isna().sum() == 9_430
    assert not (flights["cancelled"] & flights["diverted"]).any()
    assert flights["tail_number"].isna().sum() == 2_512
    both = beside_the_feed(built, feed)
    assert (both["cancelled"] == both["dep_time"].isna()).all()


def test_scheduled_departures_fall_in_the_hour_in_utc_that_the_feed_has_itself(built: Stand, feed: Feed) -> None:
    both = beside_the_feed(built, feed)
    assert (both["scheduled_departure_at"].dt.floor("h") == both["hour"]).all()
    assert (both["scheduled_departure_at"] == both["scheduled"]).all()


def test_local_clocks_show_the_times_of_the_feed_at_departure_and_arrival(built: Stand, feed: Feed) -> None:
    both, zones = beside_the_feed(built, feed), feed.airports.set_index("faa")["tzone"]
    there, here = both["dest"].map(zones), both["origin"].map(zones)
    departed, arrived = both["dep_time"].replace(2400, 0), both["arr_time"].replace(2400, 0)
    assert clock(both["departed_at"], here).equals(departed)
    planned = both["sched_arr_time"].replace(2400, 0).where(there.notna()).astype("float")
    assert clock(both["scheduled_arrival_at"], there).equals(planned)
    known = both["arr_delay"].notna() & there.notna()
    wrong = both[known & (clock(both["arrived_at"], there) != arrived)]
    assert both["arrived_at"].notna().equals(known)
    # The feed has an arrival in Florida at 2:03 of the night in which 2:00 to 2:59 was left out.
    assert wrong[["dest", "arr_time"]].values.tolist() == [["PBI", 203]]
    assert str(wrong["arrived_at"].item()) == "2013-03-10 07:03:00+00:00"


def test_every_flight_took_at_least_five_minutes_longer_than_it_was_in_the_air(built: Stand) -> None:
    flights = built.rows("silver.flights").dropna(subset=["arrived_at"])
    under_way = (flights["arrived_at"] - flights["departed_at"]).dt.total_seconds() / 60
    assert len(flights) == 319_809  # the others were cancelled or diverted, or their destination has no time zone
    assert (under_way - flights["air_time_minutes"]).between(5, 235).all()


def test_each_file_is_in_the_ledger_as_done_with_its_rows(built: Stand, feed: Feed) -> None:
    done = {name: [e for e in entries if e.status == "done"] for name, entries in built.arrivals.items()}
    assert done == dict(built.arrivals)
    assert {name: len(entries) for name, entries in done.items()} == {
        "flights": 365, "weather": 364, "planes": 1, "airports": 1, "carriers": 1,
    }  # fmt: skip
    assert {name: sum(e.rows or 0 for e in entries) for name, entries in done.items()} == {
        name: len(text) for name, text in feed.text.items()
    }
    by_day = {e.path.rpartition("/")[2]: e.rows for e in done["flights"]}
    assert by_day == {f"{date}.csv": n for date, n in feed.flights["date"].value_counts().items()}


def without_surrogates(stand: Stand, table: str) -> pd.DataFrame:
    return stand.rows(f"gold.{table}").drop(columns=SURROGATES, errors="ignore")


each_gold_table = pytest.mark.parametrize(("table", "key", "expected"), GOLD, ids=[name for name, _, _ in GOLD])


@each_gold_table
def test_gold_is_what_pandas_makes_of_the_feed(
    table: str, key: list[str], expected: Callable[[Feed], pd.DataFrame], built: Stand, feed: Feed
) -> None:
    assert_same(without_surrogates(built, table), expected(feed), key)


def test_the_dimensions_have_the_members_that_only_flights_name(built: Stand) -> None:
    planes, airports = built.rows("gold.dim_plane"), built.rows("gold.dim_airport")
    assert (len(planes), planes["known"].sum()) == (4_043, 3_322)
    assert (len(airports), airports["known"].sum()) == (1_462, 1_458)
    assert sorted(airports.loc[~airports["known"], "airport"]) == ["BQN", "PSE", "SJU", "STT"]


def test_the_facts_are_the_flights_row_by_row(built: Stand, feed: Feed) -> None:
    facts, flights = without_surrogates(built, "fact_flights"), built.rows("silver.flights")
    by = ["carrier", "flight", "origin", "scheduled_departure_at"]
    assert_same(facts.drop(columns="arrived_at"), fact_flights(feed), by)
    assert_same(facts[[*by, "arrived_at"]], flights[[*by, "arrived_at"]], by)
    assert facts["distance_miles"].sum() == feed.flights["distance"].sum() == 350_217_607
    assert facts["arrival_delay_minutes"].sum() == feed.flights["arr_delay"].sum()


def test_a_run_with_nothing_new_commits_nothing_and_keeps_every_verdict(built: Stand, repeated: Stand) -> None:
    assert repeated.run.success
    assert dict(repeated.versions) == dict(built.versions)
    assert dict(repeated.arrivals) == dict(built.arrivals)
    ways = {e.materialization.metadata["strategy"].value for e in repeated.run.get_asset_materialization_events()}
    assert ways == {"nothing"}
    assert verdicts(repeated) == verdicts(built)


def verdicts(stand: Stand) -> dict[dg.AssetCheckKey, bool]:
    return {e.asset_check_key: e.passed for e in stand.run.get_asset_check_evaluations()}


def test_a_corrected_day_and_a_new_one_reach_the_tables_that_read_flights_and_no_other(
    built: Stand, corrected: Stand, corrected_feed: Feed
) -> None:
    moved = {table for table in built.versions if corrected.versions[table] != built.versions[table]}
    read_flights = {
        "silver.flights",
        *(f"gold.{name}" for name, *_ in GOLD),
        "gold.fact_flights",
        "features.carrier_delays",
        "gold.departures_ahead",
        "gold.late_departure_risk",
    }
    read_flights -= {"gold.dim_carrier"}
    assert {t for t in moved if not t.startswith("quarantine")} == {"bronze.flights", *read_flights}
    delivered = {f"{name}.csv": len(rows) for name, rows in corrected_feed.text.items()}
    known = {(e.path, e.etag) for e in built.arrivals["flights"]}
    new = [e for e in corrected.arrivals["flights"] if (e.path, e.etag) not in known]
    assert {e.path.rpartition("/")[2]: (e.status, e.rows) for e in new} == {
        name: ("done", rows) for name, rows in delivered.items()
    }
    assert len(corrected.rows("bronze.flights")) == 336_776 + sum(delivered.values())


def test_they_are_merged_into_the_flights(built: Stand, corrected: Stand, corrected_feed: Feed) -> None:
    table = "silver.flights"
    (merge,) = corrected.news(table, since=built)
    counts = merge["operationMetrics"]
    assert merge["operation"] == "MERGE"
    day, new_year = (len(rows) for rows in corrected_feed.text.values())
    changed = {kind: counts[f"num_target_rows_{kind}"] for kind in ("updated", "inserted", "deleted")}  # type: ignore[index]
    assert changed == {"updated": day - 1, "inserted": new_year + 1, "deleted": 0}
    date = "flight_date"
    before, after = (stand.rows(table) for stand in (built, corrected))
    assert len(after) == len(corrected_feed.flights) == len(before) + new_year + 1
    untouched = [rows[~rows[date].isin([CORRECTED_DAY, pd.Timestamp("2014-01-01").date()])] for rows in (before, after)]
    assert untouched[0]["_ingested_at"].nunique() == untouched[1]["_ingested_at"].nunique() == 1
    assert untouched[0]["_ingested_at"].iloc[0] == untouched[1]["_ingested_at"].iloc[0]


@each_gold_table
def test_gold_is_right_again_after_the_correction(
    table: str, key: list[str], expected: Callable[[Feed], pd.DataFrame], corrected: Stand, corrected_feed: Feed
) -> None:
    assert_same(without_surrogates(corrected, table), expected(corrected_feed), key)


def test_features_are_what_pandas_makes_of_the_feed(
    built: Stand, corrected: Stand, feed: Feed, corrected_feed: Feed
) -> None:
    key = ["carrier", "origin", "hour_ended_at"]
    assert_same(built.rows("features.carrier_delays"), carrier_delays(feed), key)
    assert_same(corrected.rows("features.carrier_delays"), carrier_delays(corrected_feed), key)
    assert way(corrected, "features.carrier_delays") == "full"  # only Spark can find its groups, which takes longer
    weather = airport_weather(built.rows("silver.weather"))
    assert_same(built.rows("features.airport_weather"), weather, ["airport", "observed_at"])


def test_two_hours_before_departure_only_what_was_known_then_is_seen(
    built: Stand, feed: Feed, engine: SparkResource
) -> None:
    spark, hours = engine.session(), carrier_delays(feed)
    some = feed.flights.sample(300, random_state=1)
    some = some[["carrier", "origin", "scheduled"]].assign(at=some["scheduled"] - pd.Timedelta(hours=2))
    stored = spark.read.format("delta").load(built.lake.table("airlines.features.carrier_delays").path)
    found = as_of(
        spark.createDataFrame(some), stored, on=["carrier", "origin"], at="at", event_time="hour_ended_at",
        known_time="known_at", columns=["mean_departure_delay"],
    )  # fmt: skip
    seen = sorted((r.carrier, r.origin, r.at, r.mean_departure_delay or 0) for r in found.collect())
    expected = [
        (c, o, at, known_then(hours, c, o, at) or 0) for c, o, at in some[["carrier", "origin", "at"]].to_numpy()
    ]
    assert [r[:2] for r in seen] == [r[:2] for r in sorted(expected)]
    assert [r[3] for r in seen] == pytest.approx([r[3] for r in sorted(expected)])
    assert sum(r[3] != 0 for r in seen) > 200


def test_the_facts_are_right_again_after_the_correction(corrected: Stand, corrected_feed: Feed) -> None:
    facts = without_surrogates(corrected, "fact_flights").drop(columns="arrived_at")
    assert_same(facts, fact_flights(corrected_feed), ["carrier", "flight", "origin", "scheduled_departure_at"])


def test_a_departure_in_an_hour_whose_weather_is_in_quarantine_has_no_weather(corrected: Stand) -> None:
    board = corrected.rows("gold.airport_board")
    (hour,) = board[(board["airport"] == "EWR") & (board["hour"] == BAD_HOUR)].to_dict("records")
    assert (hour["departures"], hour["weather_known"]) == (1, False)
    assert pd.isna(hour["wind_speed_mph"])
    assert pd.isna(hour["temperature_f"])


def way(stand: Stand, table: str) -> str:
    events = stand.run.get_asset_materialization_events()
    found = {
        ".".join(e.asset_key.path[1:]): e.materialization.metadata["strategy"].value for e in events if e.asset_key
    }
    return str(found[table])


def test_of_the_gold_tables_only_the_groups_of_those_days_were_computed(corrected: Stand) -> None:
    by_day = ["fact_flights", "delays_by_carrier", "airport_board", "on_time_kpis", "dim_airport", "dim_plane"]
    assert {name: way(corrected, f"gold.{name}") for name in by_day} == dict.fromkeys(by_day, "refresh")


def test_a_flight_has_the_plane_as_it_was_at_departure(
    corrected: Stand, reregistered: Stand, corrected_feed: Feed
) -> None:
    """The register comes to say N14228 has 150 seats, not 149; then it flies once more, in 2030."""
    planes = reregistered.rows("gold.dim_plane").set_index("plane_key")
    versions = planes[planes["tail_number"] == "N14228"].sort_values("valid_from")
    assert versions["seats"].tolist() == [149, 150]
    assert versions["valid_to"].tolist()[0] == versions["valid_from"].tolist()[1] > pd.Timestamp("2026-01-01", tz="UTC")
    assert versions["is_current"].tolist() == [False, True]
    assert len(planes) == len(corrected.rows("gold.dim_plane")) + 1
    facts = reregistered.rows("gold.fact_flights")
    flown = facts[facts["tail_number"] == "N14228"].sort_values("scheduled_departure_at")
    expected = (corrected_feed.flights["tailnum"] == "N14228").sum()
    assert flown["plane_key"].map(planes["seats"]).tolist() == [149] * expected + [150]
    assert facts.loc[facts["tail_number"].notna(), "plane_key"].isin(planes.index).all()
    assert way(reregistered, "gold.fact_flights") == "refresh"


def test_late_departures_are_told_better_than_by_carrier_and_hour(built: Stand) -> None:
    risk, ahead = built.rows("gold.late_departure_risk"), built.rows("gold.departures_ahead")
    key = ["carrier", "flight", "origin", "scheduled_departure_at"]
    told = ahead.merge(risk[[*key, "score"]], on=key)
    assert len(told) == len(risk) == 336_776
    held = told[(told["scheduled_departure_at"] >= "2013-11-01T00:00Z") & told["late"].notna()]
    late = held["late"].astype(bool)
    # The mean of carrier and hour gets .667 and .157 on these months.
    assert len(held) == 54_219
    assert roc_auc_score(late, held["score"]) > 0.7
    assert brier_score_loss(late, held["score"]) < 0.15


def test_of_shuffled_labels_nothing_is_learnt_of_late_departures(built: Stand) -> None:
    some = built.rows("gold.departures_ahead").dropna(subset=["late"]).sample(30_000, random_state=1)
    known = some.assign(**{name: float("nan") for name in late_departure.inputs if name not in some})
    learnt, judged = parted(late_departure, known, FLIGHT_KEY[:3])
    by_chance = roc_auc_score(judged.y, of_shuffled_labels(late_departure, (learnt, judged)))
    assert by_chance == pytest.approx(0.5, abs=0.03)
