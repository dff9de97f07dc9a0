"""What a sensor remembers from one tick to the next, as the text that Dagster keeps for it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

# A run that failed is tried again after 1, 2, 4 … minutes, at most an hour apart, for as long as its files wait.
FIRST_RETRY_SECONDS = 60
LAST_RETRY_SECONDS = 3600
_DOUBLINGS = 10  # more than lead from the first pause to the last
_MOST = 1e12  # no time in seconds and no number of tries comes near it


@dataclass(frozen=True)
class Cursor:
    """What the last run was launched for: a digest of what waited, when, and the how manieth try it was.

    `listed` is when all was last looked at.
    """

    digest: str = ""
    at: float = 0
    tries: int = 0
    listed: float = 0

    def wait(self, digest: str, now: float) -> float:
        """Seconds before the same may be tried (again); none where the clock was set back."""
        if digest != self.digest or now < self.at:
            return 0
        pause = min(FIRST_RETRY_SECONDS * 2 ** min(max(self.tries - 1, 0), _DOUBLINGS), LAST_RETRY_SECONDS)
        return float(max(0.0, self.at + pause - now))

    def text(self) -> str:
        return json.dumps(asdict(self))


def read_cursor(text: str | None) -> Cursor:
    """The cursor that a text stands for. A text that is none of ours is taken for no cursor.

    A person can type anything into the UI, and an older version may find what a newer one wrote.
    """
    try:
        told = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return Cursor()
    return Cursor(**told) if isinstance(told, dict) and _is_cursor(told) else Cursor()


def _is_cursor(told: dict[str, object]) -> bool:
    if set(told) != {field.name for field in fields(Cursor)} or not isinstance(told["digest"], str):
        return False
    numbers = (told["at"], told["tries"], told["listed"])
    # By `type`, as True is an int too; NaN fails both comparisons.
    return type(told["tries"]) is int and all(type(n) in (int, float) and 0 <= n < _MOST for n in numbers)  # type: ignore[operator]
