"""What a table is made from: files that arrive, addresses and queries that become such files, messages, and tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from lakehouse_assets.engine.spec.formats import Csv, Format

Evolution = Literal["add", "rescue", "fail"]
Afterwards = Literal["keep", "archive", "delete"]
# A variable of the environment, as addresses and headers name it.
VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Http:
    """Addresses whose contents land as files, whenever they have changed.

    Addresses and header values may name variables of the environment as `${NAME}`. `sha256` has the digest that the
    content of an address must have. With `pages`, an answer's link to the next page is followed (RFC 8288). `hosts` are
    those that an address may redirect to beside its own, which alone is sent the headers. `pause` is what lies between
    two requests, and `timeout` how long a server may be silent or ask to be left alone, in seconds; `retries` counts
    further tries, after `backoff` × 1, 2, 4 … seconds or what the server asks for. A content of more than `limit` bytes
    is refused, and an address that takes longer than `patience` seconds, with its pages and further tries.
    """

    urls: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    pages: bool = False
    hosts: tuple[str, ...] = ()
    pause: float = 0.0
    timeout: float = 60.0
    retries: int = 4
    backoff: float = 1.0
    limit: int = 10_000_000_000
    # Not part of what decides a table's contents, for which its `repr` is taken.
    patience: float = field(default=3600.0, repr=False)


@dataclass(frozen=True)
class AzureSql:
    """The rows of a query on an Azure SQL database, which Data Factory lands as a Parquet file at each copy.

    In the query `${SINCE}` stands for the start of the last copy that succeeded (UTC, ISO 8601), at first 1900; so
    `changed_at >= '${SINCE}'` brings what has changed since, some of it twice. What was changed before and committed
    after is missed: take off from `${SINCE}` how long transactions last.
    """

    query: str
    server: str
    database: str


@dataclass(frozen=True)
class Intake:
    """How files are taken in.

    `evolve` says what happens when a file brings a column the table doesn't have: `add` it, keep its values in
    `_rescued`, or mark the file failed. A run reads what waits in batches, by path, each of at most so many files and
    bytes (or of one file), and commits each by itself. `afterwards` says what becomes of a file once its rows are in
    the table: it's left, moved into `_archive`, or deleted. No other table should read such files, and the table can't
    be rebuilt from them.
    """

    evolve: Evolution = "add"
    files_per_batch: int = 10_000
    bytes_per_batch: int = 20_000_000_000
    afterwards: Afterwards = "keep"


@dataclass(frozen=True)
class Files:
    """Files that arrive under a path, each read exactly once.

    `path` is a glob (`flights/*.csv.gz`), relative to the domain's landing folder unless it's absolute or a URL that
    fsspec knows. Where it says by `%Y`, `%m`, `%d` and `%H` which folders are of which day (UTC), the sensor looks into
    those of the last days, and into all of them once an hour. `delivered_by` is what lands them there; None where they
    come by themselves.
    """

    path: str
    format: Format = field(default_factory=Csv)
    intake: Intake = field(default_factory=Intake)
    delivered_by: Http | AzureSql | None = None


@dataclass(frozen=True)
class Delivery:
    """What lands files for a table, which gives the folder its name; see `Files`."""

    by: Http | AzureSql
    format: Format
    intake: Intake

    def to(self, table: str) -> Files:
        """The files, in the landing folder of their table."""
        return Files(f"{table}/**", self.format, self.intake, self.by)


@dataclass(frozen=True)
class Topic:
    """The messages of a topic of Kafka, or of an event hub by its Kafka endpoint, each read exactly once.

    `connection` names the variable that says where it is (`engine/sources/kafka/connection.py`). The sensor looks
    `every` so often; where it's `continuous`, a run that goes on does.
    """

    name: str
    connection: str = ""
    # How often it's read decides nothing of what is in the table.
    every: timedelta = field(default=timedelta(minutes=1), repr=False)
    continuous: bool = field(default=False, repr=False)

    @property
    def key(self) -> str:
        """What a run notes its position under, beside tables by their keys."""
        return f"kafka:{self.name}"


@dataclass(frozen=True)
class Upstream:
    """A table read by another. A `lookup` is read whole, at one version; any other input brings its new rows only.

    With `snapshot_on`, a key, the table's rows are whole snapshots of something, told apart and ordered by the column
    `snapshot_at`: what it brings is how each snapshot differs from the one before. One that lacks more than the share
    `snapshot_loses` of the keys of the one before is held back. With `latest_on`, a key, it brings the rows whose key
    has changed, each once and as it is now.
    """

    table: str
    lookup: bool = False
    snapshot_on: tuple[str, ...] = ()
    snapshot_at: str = ""
    # Not part of what decides a table's contents, for which its `repr` is taken.
    snapshot_loses: float = field(default=0.5, repr=False)
    latest_on: tuple[str, ...] = field(default=(), repr=False)
