"""Flying along a great circle: where an aircraft is after a while, by formulas on a sphere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import asin, atan2, cos, degrees, hypot, radians, sin, sqrt

EARTH_KM = 6371.0088  # the mean radius (IUGG; H. Moritz, Geodetic Reference System 1980)
KM_PER_NAUTICAL_MILE = 1.852
CRUISE_FEET, FEET_PER_MINUTE = 35_000, 2_000
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Place:
    """Degrees, north and east positive."""

    latitude: float
    longitude: float


@dataclass(frozen=True)
class Route:
    """From place to place in so much time, at one speed."""

    origin: Place
    destination: Place
    in_air: timedelta

    def seen(self, after: timedelta) -> Mapping[str, object]:
        """What an aircraft reports so long after it took off, in the fields of ADS-B records."""
        share = min(max(after / self.in_air, 0.0), 1.0)
        here = between(self.origin, self.destination, share)
        grounded = not 0 < share < 1
        minutes = min(after, self.in_air - after) / timedelta(minutes=1)
        return {
            "latitude": round(here.latitude, 6), "longitude": round(here.longitude, 6),
            "altitude": None if grounded else round(min(CRUISE_FEET, FEET_PER_MINUTE * minutes)),
            "groundspeed": 0.0 if grounded else round(self.knots, 1),
            "track": None if grounded else round(bearing(here, self.destination), 1), "onground": grounded,
        }  # fmt: skip

    @property
    def knots(self) -> float:
        return distance_km(self.origin, self.destination) / KM_PER_NAUTICAL_MILE / (self.in_air / HOUR)


def distance_km(a: Place, b: Place) -> float:
    """The length of the great circle between two places (the haversine formula)."""
    return EARTH_KM * _angle(a, b)


def between(a: Place, b: Place, share: float) -> Place:
    """The place on the great circle from `a` to `b` after a share of the way."""
    angle = _angle(a, b)
    if not angle:
        return a
    here, there = sin((1 - share) * angle) / sin(angle), sin(share * angle) / sin(angle)
    x, y, z = (here * p + there * q for p, q in zip(_vector(a), _vector(b), strict=True))
    return Place(degrees(atan2(z, hypot(x, y))), degrees(atan2(y, x)))


def bearing(a: Place, b: Place) -> float:
    """In which direction `b` is seen from `a`: degrees clockwise from north."""
    (north_a, _), (north_b, _) = _radians(a), _radians(b)
    east = radians(b.longitude - a.longitude)
    ahead = cos(north_a) * sin(north_b) - sin(north_a) * cos(north_b) * cos(east)
    return degrees(atan2(sin(east) * cos(north_b), ahead)) % 360


def _angle(a: Place, b: Place) -> float:
    (north_a, east_a), (north_b, east_b) = _radians(a), _radians(b)
    across = sin((north_b - north_a) / 2) ** 2 + cos(north_a) * cos(north_b) * sin((east_b - east_a) / 2) ** 2
    return 2 * asin(min(1.0, sqrt(across)))


def _radians(place: Place) -> tuple[float, float]:
    return radians(place.latitude), radians(place.longitude)


def _vector(place: Place) -> tuple[float, float, float]:
    north, east = _radians(place)
    return cos(north) * cos(east), cos(north) * sin(east), sin(north)
