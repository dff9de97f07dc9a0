"""What a store has of its table, and how it's brought to the newest version, whichever kind of store it is."""

from __future__ import annotations

from lakehouse_assets.engine.sinks.cosmos import bring as cosmos
from lakehouse_assets.engine.sinks.held import Brought, Decision, Held, Work
from lakehouse_assets.engine.sinks.kafka import bring as kafka
from lakehouse_assets.engine.sinks.postgres import bring as postgres
from lakehouse_assets.engine.spec.sinks.sink import Cosmos, KafkaTopic, Postgres, Sink


def held(sink: Sink) -> Held | None:
    """What the store of a sink has; None for nothing.

    Raises:
        LakehouseError: the store can't be reached.
    """
    match sink.to:
        case Postgres() as store:
            return postgres.held(store)
        case KafkaTopic() as store:
            return kafka.held(store)
        case Cosmos() as store:
            return cosmos.held(store)


def bring(work: Work, full: Decision | None = None) -> Brought:
    """Bring the store of a sink to the newest version of its table: by what changed, or in `full` by comparing all.

    Raises:
        LakehouseError: the store can't be reached, or doesn't take what it's given.
    """
    match work.sink.to:
        case Postgres() as store:
            return postgres.bring(work, store, full)
        case KafkaTopic() as store:
            return kafka.bring(work, store, full)
        case Cosmos() as store:
            return cosmos.bring(work, store, full)
