"""The flights of 2013 as a live feed would have told of them: updates of each, and where its aircraft is.

Departures, arrivals, delays and cancellations are the real ones, at their real times. Three things are derived, as no
source has them: when an airline came to know of a delay or a cancellation, where a flight is (on the great circle, for
as long as it was in the air), and how high. A flight is published 12 hours ahead. A delay of 15 minutes or more is told
by half 30 minutes before the scheduled departure, and whole at that time, when a cancellation is told too. A diversion
is told when the flight should have arrived. Of four airports in the Caribbean nothing but the code is known, so how a
flight there ends isn't told, nor where it is.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from heapq import merge
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from zipfile import ZipFile
from zoneinfo import ZoneInfo

from lakehouse_assets.domains.airlines.feed import package_data
from lakehouse_assets.domains.airlines.great_circle import Place, Route
from lakehouse_assets.simulation import Event, NotReplayable, by_time

UPDATES, POSITIONS = "flight-updates", "positions"
TOPICS = (UPDATES, POSITIONS)
ZONE = ZoneInfo("America/New_York")  # of the three airports
START = datetime(2013, 1, 15, 6, tzinfo=ZONE)
PUBLISHED, FIRST_ESTIMATE = timedelta(hours=12), timedelta(minutes=30)
MINUTE, LATE = timedelta(minutes=1), timedelta(minutes=15)
REPORT_EVERY = timedelta(seconds=30)
# Flights of two days before may still be in the air: the latest of 2013 left 21 hours after its time.
DAYS_BEFORE = timedelta(days=2)


@dataclass(frozen=True)
class Airport:
    """An airport as the reference has it; the zone is None where it doesn't know one."""

    place: Place
    zone: ZoneInfo | None


@dataclass(frozen=True)
class Flight:
    """A flight as it came to be. Times are UTC; delays are None where it was cancelled or diverted."""

    row: Mapping[str, str]
    scheduled: datetime
    scheduled_arrival: datetime | None
    departure_delay: timedelta | None
    arrival_delay: timedelta | None
    route: Route | None

    @property
    def id(self) -> str:
        return "-".join(
            [self.row["carrier"] + self.row["flight"], self.row["origin"], f"{self.scheduled:%Y%m%dT%H%MZ}"]
        )

    @property
    def departed(self) -> datetime | None:
        return None if self.departure_delay is None else self.scheduled + self.departure_delay

    @property
    def arrived(self) -> datetime | None:
        if self.scheduled_arrival is None or self.arrival_delay is None:
            return None
        return self.scheduled_arrival + self.arrival_delay


def events(start: datetime, recorded: Path | None = None) -> Iterator[Event]:
    """All that happens from a time on, in order. First comes what was told before of flights that aren't over by then.

    A file of recorded positions takes the place of those that are derived.

    Raises:
        NotReplayable: there are no flights from then on, or the file isn't one of positions.
    """
    found = flights(start.astimezone(ZONE).date() - DAYS_BEFORE)
    first = next(found, None)
    if first is None:
        raise NotReplayable(f"Replaying flights from {start:%Y-%m-%d} on: there are none; those of 2013 are there")
    told = by_time(_story(flight, start, recorded is None) for flight in chain([first], found))
    return merge(told, reports(recorded, start), key=lambda event: event.at) if recorded else told


def reports(file: Path, start: datetime) -> Iterator[Event]:
    """The reports of real aircraft in a file, as if the first of them came at `start`; they have their own times.

    Raises:
        NotReplayable: the file isn't a list of ADS-B records as JSON, which may be compressed by gzip.
    """
    opened = gzip.open if file.suffix == ".gz" else open
    try:
        with opened(file, "rt", encoding="utf-8") as text:
            found = sorted(json.load(text), key=lambda report: report["timestamp"])
        shift = start - _since_1970(found[0]["timestamp"])
        return iter([Event(_since_1970(r["timestamp"]) + shift, POSITIONS, r["icao24"], r) for r in found])
    except (OSError, ValueError, EOFError, LookupError, TypeError) as error:
        raise NotReplayable(
            f"Replaying positions from {file}: it's no list of records with icao24 and timestamp, as JSON ({error!r})"
        ) from error


def flights(since: date) -> Iterator[Flight]:
    """The flights of a day and later, by their scheduled departure."""
    days, airports = defaultdict[date, list[str]](list), _airports()
    with ZipFile(package_data() / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        header, *lines = TextIOWrapper(file, "utf-8")
    for line in lines:
        days[date(*map(int, line.split(",", 3)[:3]))].append(line)
    for day in sorted(day for day in days if day >= since):
        found = [_flight(row, airports) for row in csv.DictReader([header, *days[day]])]
        yield from sorted(found, key=lambda flight: (flight.scheduled, flight.id))


def _airports() -> Mapping[str, Airport]:
    with (package_data() / "airports.csv").open(newline="") as file:
        return {
            row["faa"]: Airport(
                Place(float(row["lat"]), float(row["lon"])), None if row["tzone"] == "NA" else ZoneInfo(row["tzone"])
            )
            for row in csv.DictReader(file)
        }


def _flight(row: Mapping[str, str], airports: Mapping[str, Airport]) -> Flight:
    scheduled = datetime.fromisoformat(row["time_hour"]) + timedelta(minutes=int(row["minute"]))
    origin, destination = airports[row["origin"]], airports.get(row["dest"])
    zone, in_air = destination and destination.zone, _minutes(row["air_time"])
    return Flight(
        row, scheduled, _next(scheduled, row["sched_arr_time"], zone) if zone else None,
        _minutes(row["dep_delay"]) if row["dep_time"] != "NA" else None, _minutes(row["arr_delay"]),
        Route(origin.place, destination.place, in_air) if destination and in_air else None,
    )  # fmt: skip


def _minutes(text: str) -> timedelta | None:
    return None if text == "NA" else timedelta(minutes=float(text))


def _next(after: datetime, clock: str, zone: ZoneInfo) -> datetime:
    """The first time at which the clocks of a zone show that: 517, 2359."""
    day = after.astimezone(zone).date()
    shown = time(int(clock) // 100 % 24, int(clock) % 100)
    both = (datetime.combine(day + timedelta(days=more), shown, zone).astimezone(UTC) for more in (0, 1))
    same, following = both
    return same if same > after else following


def _story(flight: Flight, start: datetime, seen: bool) -> Iterator[Event]:
    """All that happens to a flight, unless it's over by the start: its updates, and reports from then on if `seen`."""
    told = updates(flight)
    if told[-1].at < start:
        return iter(())
    return merge(told, positions(flight, start) if seen else (), key=lambda event: event.at)


def updates(flight: Flight) -> Sequence[Event]:
    """What is told of a flight, each time with all that is known by then."""
    state = {
        "flight_id": flight.id, "carrier": flight.row["carrier"], "flight": int(flight.row["flight"]),
        "origin": flight.row["origin"], "destination": flight.row["dest"],
        "tail_number": None if flight.row["tailnum"] == "NA" else flight.row["tailnum"],
        "flight_date": "{year}-{month:0>2}-{day:0>2}".format(**flight.row),
        "scheduled_departure_at": _text(flight.scheduled),
        "scheduled_arrival_at": flight.scheduled_arrival and _text(flight.scheduled_arrival),
    }  # fmt: skip
    found = []
    for at, status, change in _changes(flight):
        state = {**state, **{name: _text(value) for name, value in change.items()}}
        found.append(Event(at, UPDATES, flight.id, {**state, "status": status, "updated_at": _text(at)}))
    return found


def _changes(flight: Flight) -> Iterator[tuple[datetime, str, Mapping[str, datetime]]]:
    """When it came to what status, and which times were known then that weren't before."""
    at, departed, arrived = flight.scheduled, flight.departed, flight.arrived
    yield at - PUBLISHED, "scheduled", {}
    if departed is None or flight.departure_delay is None:
        yield at, "cancelled", {}
        return
    if flight.departure_delay >= LATE:
        yield (
            at - FIRST_ESTIMATE,
            "delayed",
            {"estimated_departure_at": at + flight.departure_delay // MINUTE // 2 * MINUTE},
        )
        yield at, "delayed", {"estimated_departure_at": departed}
    yield departed, "departed", {"departed_at": departed}
    if arrived:
        yield arrived, "arrived", {"arrived_at": arrived}
    elif flight.scheduled_arrival:
        yield max(flight.scheduled_arrival, departed + MINUTE), "diverted", {}


def positions(flight: Flight, since: datetime) -> Iterator[Event]:
    """What its aircraft reports from a time on, at its gate before and after it was in the air."""
    departed, arrived, route = flight.departed, flight.arrived, flight.route
    if not departed or not arrived or not route:
        return
    taken_off = departed + (arrived - departed - route.in_air) / 2
    first = max(0, -((departed - since) // REPORT_EVERY))
    for number in range(first, (arrived - departed) // REPORT_EVERY + 1):
        at = departed + number * REPORT_EVERY
        seen = route.seen(at - taken_off)
        yield Event(at, POSITIONS, flight.id, {
            "registration": flight.row["tailnum"], "callsign": flight.row["carrier"] + flight.row["flight"],
            "timestamp": int(at.timestamp() * 1000), "flight_id": flight.id, "destination": flight.row["dest"], **seen,
        })  # fmt: skip


def _since_1970(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
