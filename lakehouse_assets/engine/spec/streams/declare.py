"""How a domain file declares a table of the messages of a topic."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from lakehouse_assets.engine.spec.checks import Check
from lakehouse_assets.engine.spec.columns import Column
from lakehouse_assets.engine.spec.inputs import Topic
from lakehouse_assets.engine.spec.modes import Append
from lakehouse_assets.engine.spec.streams.durations import duration
from lakehouse_assets.engine.spec.table import Table

# Those of Spark's own Kafka source that a person reads; the place of a message is in columns of the system.
MESSAGE = (
    Column("key", "binary", doc="The key of the message as its bytes; null where it has none."),
    Column("value", "binary", doc="The message as its bytes; null where it says that its key is gone."),
    Column("headers", "array<struct<key:string,value:binary>>", doc="Its headers, in their order."),
)


def kafka(
    topic: str,
    *,
    every: str | timedelta = "1m",
    continuous: bool = False,
    connection: str = "",
    checks: Sequence[Check] = (),
    owner: str | None = None,
    freshness: timedelta | None = None,
    tags: Mapping[str, str] | None = None,
) -> Table:
    """Declare a table that has each message of a topic once, as it came; assign it to a variable named as the file.

    The topic may be an event hub. LAKEHOUSE_KAFKA says where it is, or LAKEHOUSE_KAFKA_NAME for the connection `name`.
    The sensor looks for new messages `every` so often (`"30s"`, `"1m"`, `"2h"`); with `continuous` a run that goes on
    takes them in as they come. A table has the columns `key`, `value` and `headers`, and of the system `_sent_at`,
    `_partition`, `_offset` and `_source`, which has all three as text: `topic/partition@offset`. Of the checks,
    `up_to_date("_sent_at", within=…)` tells when no message has come for too long.

    Raises:
        ValueError: `every` isn't such a time.
    """
    caller = inspect.currentframe()
    frame = caller and caller.f_back
    assert frame is not None  # noqa: S101  (CPython has frames)
    file = Path(frame.f_code.co_filename)
    domain, layer = file.parts[-3:-1]
    return Table(
        domain=domain, layer=layer, name=file.stem, doc=inspect.cleandoc(frame.f_globals.get("__doc__") or ""),
        inputs={"messages": Topic(topic, connection, _every(every), continuous)}, columns=MESSAGE, expect=(),
        checks=tuple(checks), write=Append(), file=file, line=frame.f_lineno, owner=owner, freshness=freshness,
        tags=tags or {},
    )  # fmt: skip


def _every(given: str | timedelta) -> timedelta:
    return given if isinstance(given, timedelta) else duration(given)
