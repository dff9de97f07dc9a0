"""Alerts: what somebody has to be told of a row, once for as long as it is so."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakehouse_assets.engine.spec.expectations import Condition, name_of

# What a text has filled in: the value of a column.
_FILLED_IN = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Alert:
    """A SQL condition on the rows of a table, and whom to tell of a row that meets it: the channel `to`.

    An episode begins when the row of a key meets the condition, and is over when it no longer does, or is gone. Both
    are told of once. A condition that is null isn't met. `says` is the text, with `{column}` for a value of the row.
    """

    name: str
    condition: str
    to: str
    says: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose values its text has."""
        return tuple(dict.fromkeys(_FILLED_IN.findall(self.says)))

    def text(self, values: dict[str, str]) -> str:
        """What it says of a row with these values."""
        return _FILLED_IN.sub(lambda found: values[found[1]], self.says)


def alert(condition: str | Condition, to: str, says: str = "", name: str | None = None) -> Alert:
    """Tell a channel of each key whose row begins to meet a condition, and again when that is over. See `Alert`.

    LAKEHOUSE_NOTIFY_NAME says what the channel `name` is. Without it the run's log is told. Without a text, the
    condition is the text.
    """
    met = condition if isinstance(condition, Condition) else Condition(name_of(condition), condition)
    return Alert(name or met.name, met.sql, to, says or met.sql)
