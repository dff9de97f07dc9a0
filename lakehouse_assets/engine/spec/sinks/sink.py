"""A sink as it is declared: the table whose rows a serving store has, and where that store keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from lakehouse_assets.engine.spec.connections import value_of, variable_of
from lakehouse_assets.engine.spec.inputs import Upstream

# The folder of a domain whose files are sinks.
SINKS = "sinks"
# Properties of an item of Cosmos DB that say something else than a column: of its own, and of a sink.
COSMOS_OWN = frozenset({"_rid", "_self", "_etag", "_ts", "_attachments", "ttl", "_v", "_table", "_run", "_deleted"})
# The container that has the progress of the others of a database.
COSMOS_PROGRESS = "lakehouse_sinks"


@dataclass(frozen=True)
class Postgres:
    """A table of PostgreSQL, in a schema or, where that's empty, in the first of the user's search path."""

    table: str
    schema: str = ""
    connection: str = ""

    kind = "postgres"

    @property
    def variable(self) -> str:
        """The variable that says where the database is."""
        return variable_of("POSTGRES", self.connection)

    @property
    def target(self) -> str:
        """What it's called in the store."""
        return f"{self.schema}.{self.table}" if self.schema else self.table


@dataclass(frozen=True)
class KafkaTopic:
    """A topic of Kafka, or an event hub; without `transactions`, a row that changed once may be sent twice."""

    topic: str
    connection: str = ""
    transactions: bool = True

    kind = "kafka"

    @property
    def variable(self) -> str:
        """The variable that says where the brokers are."""
        return variable_of("KAFKA", self.connection)

    @property
    def target(self) -> str:
        """What it's called in the store."""
        return self.topic


@dataclass(frozen=True)
class Cosmos:
    """A container of Azure Cosmos DB for NoSQL. `partition` is the path of its partition key, as `/airport`."""

    database: str
    container: str
    partition: str
    connection: str = ""

    kind = "cosmos"

    @property
    def variable(self) -> str:
        """The variable that says where the account is."""
        return variable_of("COSMOS", self.connection)

    @property
    def target(self) -> str:
        """What it's called in the store; empty if half of it is missing."""
        return f"{self.database}/{self.container}" if self.database and self.container else ""


Store = Postgres | KafkaTopic | Cosmos


@dataclass(frozen=True)
class Sink:
    """A declared sink: the rows of a table, by its key, in a store. `columns` are those of them that go there; where
    there are none, all that the table declares.
    """

    domain: str
    name: str
    doc: str
    rows: Upstream
    to: Store
    columns: tuple[str, ...]
    file: Path
    line: int
    owner: str | None = None
    freshness: timedelta | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def layer(self) -> str:
        return SINKS

    @property
    def key(self) -> str:
        """`domain.sinks.name`, the sink's name everywhere."""
        return f"{self.domain}.{SINKS}.{self.name}"

    @property
    def upstreams(self) -> dict[str, Upstream]:
        """What it reads: its table, as `rows`."""
        return {"rows": self.rows}

    @property
    def unset(self) -> str:
        """The variable of its connection, if it isn't set: then the sink waits, and that's no error."""
        return "" if value_of(self.to.variable) else self.to.variable
