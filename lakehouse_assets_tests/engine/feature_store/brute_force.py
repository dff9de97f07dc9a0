"""Looks at every feature for every row, as the meaning of a point-in-time join is told; and makes data for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

START = datetime(2024, 1, 1)
ROWS = "id int, carrier string, origin string, at timestamp_ntz"
FEATURES = "carrier string, origin string, event timestamp_ntz, known timestamp_ntz, delay double, note string"

Values = tuple[Any, ...]


def nearest(
    rows: Sequence[Values], features: Sequence[Values], within: timedelta | None = None, two_times: bool = True
) -> Counter[Values]:
    """Each row with delay and note of the feature that counts for it, and how many rows are so."""
    return Counter((*row, *_found(row, features, within, two_times)) for row in rows)


def _found(row: Values, features: Sequence[Values], within: timedelta | None, two_times: bool) -> Values:
    _, carrier, origin, at = row
    best: Values | None = None
    for f in features:
        entity, (event, known), values = f[:2], f[2:4], f[4:]
        known = known if two_times else event
        if None in (carrier, origin, at, event, known) or entity != (carrier, origin) or event > at or known > at:
            continue
        order = (event, known, *((v is not None, v) for v in values))
        if best is None or order > best[0]:
            best = (order, event, values)
    if best is None or (within is not None and at - best[1] > within):
        return (None, None)
    return tuple(best[2])


def random_rows(random: Random, number: int) -> list[Values]:
    """Some of them twice, some with nulls, most of them of one carrier."""
    rows = [(random.randrange(number), *_entity(random), _or_null(random, _time(random))) for _ in range(number)]
    return rows + random.sample(rows, number // 5)


def random_features(random: Random, number: int) -> list[Values]:
    """With events that are corrected later, of equal times, of null times, and known before they happen."""
    features = []
    while len(features) < number:
        entity, event = _entity(random), _time(random)
        for _ in range(random.choice([1, 1, 2, 4])):
            known = event + timedelta(hours=random.choice([0, 0, 1, 5, 50, -3]))
            value = _or_null(random, float(random.randrange(4)))
            features.append((*entity, _or_null(random, event), _or_null(random, known), value, random.choice("xyz")))
    return features


def _entity(random: Random) -> tuple[str | None, str | None]:
    return _or_null(random, random.choice(["UA"] * 6 + ["AA", "DL"])), _or_null(random, random.choice(["EWR", "JFK"]))


def _time(random: Random) -> datetime:
    return START + timedelta(hours=random.randrange(72))


def _or_null(random: Random, value: Any) -> Any:
    return None if random.random() < 0.05 else value
