"""What the suite tries of many cases, and `make soak` whole: the variable SOAK_ROUNDS says which of them it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

SOAKING = "SOAK_ROUNDS" in os.environ
Case = TypeVar("Case")


def some(cases: Sequence[Case], few: int) -> Sequence[Case]:
    """A few of the cases, spread over all from the first to the last; all of them in a soak."""
    if SOAKING or few >= len(cases):
        return cases
    return [cases[number * (len(cases) - 1) // max(1, few - 1)] for number in range(few)]
