"""How a domain file declares a sink, and the stores that one may write to."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from lakehouse_assets.engine.spec.inputs import Upstream
from lakehouse_assets.engine.spec.sinks.sink import Cosmos, KafkaTopic, Postgres, Sink, Store


def postgres(table: str, *, schema: str = "", connection: str = "") -> Postgres:
    """A table of PostgreSQL for a sink, which makes it where it isn't there.

    LAKEHOUSE_POSTGRES says where the database is, or LAKEHOUSE_POSTGRES_NAME for the connection `name`.
    """
    return Postgres(table, schema, connection)


def kafka_topic(topic: str, *, connection: str = "", transactions: bool = True) -> KafkaTopic:
    """A topic of Kafka, or an event hub, for a sink: a message for each row that changed, with its key.

    LAKEHOUSE_KAFKA says where it is, or LAKEHOUSE_KAFKA_NAME for the connection `name`. Event Hubs has transactions on
    its tiers Premium and Dedicated alone; elsewhere say `transactions=False`, and a message may come twice.
    """
    return KafkaTopic(topic, connection, transactions)


def cosmos(database: str, container: str, *, partition: str, connection: str = "") -> Cosmos:
    """A container of Azure Cosmos DB for a sink, which makes it where it isn't there: an item for each row.

    `partition` is the path of its partition key: a column of the key, as `/airport`, or `/id` for one item each.
    LAKEHOUSE_COSMOS says where the account is, or LAKEHOUSE_COSMOS_NAME for the connection `name`.
    """
    return Cosmos(database, container, partition, connection)


def sink(
    table: str,
    *,
    to: Store,
    columns: Sequence[str] = (),
    owner: str | None = None,
    freshness: timedelta | None = None,
    tags: Mapping[str, str] | None = None,
) -> Sink:
    """Declare that a store has the rows of a table, each by its key; assign it to a variable named as the file.

    After each change of the table, the rows that changed are put into the store, and those that went are taken out of
    it. `columns` names those that go there, the key among them; without it, all that the table declares do.
    """
    caller = inspect.currentframe()
    frame = caller and caller.f_back
    assert frame is not None  # noqa: S101  (CPython has frames)
    file = Path(frame.f_code.co_filename)
    return Sink(
        domain=file.parts[-3], name=file.stem, doc=inspect.cleandoc(frame.f_globals.get("__doc__") or ""),
        rows=Upstream(table), to=to, columns=tuple(columns), file=file, line=frame.f_lineno, owner=owner,
        freshness=freshness, tags=tags or {},
    )  # fmt: skip
