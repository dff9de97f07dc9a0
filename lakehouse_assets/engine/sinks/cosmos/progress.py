"""Which version of a Delta table a container has, and which run may write to it: an item beside the containers.

Each run takes the next number, under a condition on the item's ETag, and only then looks at the table.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import Superseded
from lakehouse_assets.engine.sinks.cosmos.connection import put_if
from lakehouse_assets.engine.sinks.held import Held
from lakehouse_assets.engine.spec.sinks.sink import COSMOS_PROGRESS, Cosmos

if TYPE_CHECKING:
    from azure.cosmos import ContainerProxy, CosmosClient

# How long a run goes on writing without a look at whether it's still the newest.
FRESH_SECONDS = 5.0
ATTEMPTS = 5


@dataclass(frozen=True)
class Marked:
    """What the item says: what the container of an id has, the last number that a run took, and the last that ended.

    A run that hasn't ended may have written of the version `towards`; `all_rows`, if it compared them.
    """

    run: int = 0
    ended: int = 0
    container: str = ""
    held: Held | None = None
    towards: Held | None = None
    all_rows: bool = False

    @classmethod
    def of(cls, item: Mapping[str, Any] | None) -> Marked:
        if item is None:
            return cls()
        told = {it.name: item[it.name] for it in fields(cls)}
        return cls(**{**told, **{name: told[name] and Held(**told[name]) for name in ("held", "towards")}})

    @property
    def is_ended(self) -> bool:
        """Whether no run can be writing any more, as far as the item tells."""
        return self.run == self.ended

    def goes_back(self, now: Held) -> bool:
        """Whether a run that hasn't ended may have written what the changes up to this version don't make good."""
        was = self.towards
        if self.is_ended or was is None:
            return False
        return self.all_rows or (was.id, was.columns) != (now.id, now.columns) or was.version > now.version


@dataclass
class Turn:
    """A run that is the newest of its sink, until another takes the next number."""

    progress: ContainerProxy
    store: Cosmos
    number: int
    before: Marked
    etag: str
    looked: float = field(default_factory=time.time)

    def confirm(self) -> None:
        """See that this run is still the newest, unless that was seen just now; by a clock that runs while we sleep.

        Raises:
            Superseded: it isn't.
        """
        if not 0 <= time.time() - self.looked < FRESH_SECONDS:
            found = _item(self.progress, self.store)
            if found is None or found["_etag"] != self.etag:
                raise self.superseded()
            self.looked = time.time()

    def superseded(self) -> Superseded:
        return Superseded(f"Writing to {self.store.target!r} in Cosmos DB: another run has begun since")

    def begin(self, towards: Held, all_rows: bool) -> None:
        """Write down what this run is about to write.

        Raises:
            Superseded: another run has begun since.
        """
        self._put(replace(self.before, run=self.number, towards=towards, all_rows=all_rows))

    def record(self, container: str, now: Held) -> None:
        """Write down what the container has, and that this run has ended.

        Raises:
            Superseded: another run has begun since, which writes down what it leads to.
        """
        self._put(Marked(self.number, self.number, container, now))

    def _put(self, mark: Marked) -> None:
        etag = _put(self.progress, self.store, mark, self.etag)
        if etag is None:
            raise self.superseded()
        self.etag, self.looked = etag, time.time()


def marked(client: CosmosClient, store: Cosmos) -> Marked:
    """What the item says, or would say of a container that no run has written to."""
    from azure.cosmos.exceptions import CosmosResourceNotFoundError

    progress = client.get_database_client(store.database).get_container_client(COSMOS_PROGRESS)
    try:
        return Marked.of(_item(progress, store))
    except CosmosResourceNotFoundError:
        return Marked()


def take(progress: ContainerProxy, store: Cosmos) -> Turn:
    """Take the next number, which shuts out all runs before.

    Raises:
        Superseded: others kept taking it.
    """
    for _ in range(ATTEMPTS):  # as others take one, or a replica that is behind was asked
        found = _item(progress, store)
        before = Marked.of(found)
        etag = _put(progress, store, replace(before, run=before.run + 1), found["_etag"] if found else None)
        if etag is not None:
            return Turn(progress, store, before.run + 1, before, etag)
    raise Superseded(f"Writing to {store.target!r} in Cosmos DB: other runs begin at this moment")


def _item(progress: ContainerProxy, store: Cosmos) -> dict[str, Any] | None:
    named: list[dict[str, object]] = [{"name": "@id", "value": store.container}]
    asked = "SELECT * FROM c WHERE c.id = @id"
    return next(iter(progress.query_items(asked, parameters=named, partition_key=store.container)), None)


def _put(progress: ContainerProxy, store: Cosmos, mark: Marked, etag: str | None) -> str | None:
    """Put the item there if it's as it was; its new ETag, None if it isn't as it was."""
    from azure.cosmos.exceptions import CosmosAccessConditionFailedError, CosmosResourceExistsError

    try:
        return str(put_if(progress, {"id": store.container, **asdict(mark)}, etag)["_etag"])
    except (CosmosAccessConditionFailedError, CosmosResourceExistsError):
        return None
