"""The container that a sink writes to: made where it isn't there, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import SinkError
from lakehouse_assets.engine.spec.sinks.sink import COSMOS_PROGRESS, Cosmos

if TYPE_CHECKING:
    from azure.cosmos import ContainerProxy, CosmosClient, DatabaseProxy

# Items go only where they say so themselves.
_BY_ITEM = -1


def prepare(client: CosmosClient, store: Cosmos) -> tuple[ContainerProxy, ContainerProxy, str]:
    """The container of the rows, that of the progress, and the id that the first has until it's made anew.

    Raises:
        SinkError: its items are in other partitions, or don't go, or go by themselves.
    """
    database = client.create_database_if_not_exists(store.database)
    progress = _there(database, COSMOS_PROGRESS, "/id", None)
    rows = _there(database, store.container, store.partition, _BY_ITEM)
    found = rows.read()
    doing = f"Writing to {store.target!r} in Cosmos DB"
    paths = found["partitionKey"]["paths"]
    if paths != [store.partition]:
        raise SinkError(
            f"{doing}: its partition key is {', '.join(paths)}, and the sink says {store.partition}; say that in the "
            "sink, or remove the container, and the next run makes it"
        )
    if found.get("defaultTtl") != _BY_ITEM:
        raise SinkError(
            f"{doing}: its time to live is {found.get('defaultTtl', 'off')}, so rows would go by themselves, or none "
            "ever; set it to `On (no default)`"
        )
    return rows, progress, str(found["_rid"])


def _there(database: DatabaseProxy, name: str, partition: str, ttl: int | None) -> ContainerProxy:
    from azure.cosmos import PartitionKey

    return database.create_container_if_not_exists(name, PartitionKey(partition), default_ttl=ttl)
