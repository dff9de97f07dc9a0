"""What a run did, or why it failed, as plain JSON: all that is told of it, whoever tells it and wherever it ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from lakehouse_assets.engine.alerts.deliver import Told
from lakehouse_assets.engine.models.watch.watched import Watched
from lakehouse_assets.engine.plan.plan import Strategy
from lakehouse_assets.engine.quality.expectation_counts import ExpectationCounts


@dataclass(frozen=True)
class Position:
    """How far a run has read an input: a table, by its Delta id, to a version; its files, to a batch of their ledger.

    `after` is how far it had been read before; None where all of it was read.
    """

    to: int
    after: int | None = None
    id: str = ""


@dataclass(frozen=True)
class CheckReport:
    """What a check of the whole table found: how many violations, and a few; or which of its tables aren't built."""

    name: str
    violations: int = 0
    sample: tuple[str, ...] = ()
    not_built: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not (self.violations or self.not_built)


@dataclass(frozen=True)
class Unreadable:
    """The files whose newest version can't be read: how many, and some of them with the reason."""

    number: int = 0
    some: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Preview:
    """A few rows of a table, their cells as text and cut; or why none can be shown."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Stored:
    """A table as a run left it: the id and version of its log, and how many rows it has."""

    id: str
    version: int
    rows: int


@dataclass(frozen=True)
class Written:
    """What a run wrote: the Delta version that it committed, where, the columns by Spark's types, the size of the whole
    table, some rows, and the days that a table of days was written for.
    """

    version: int
    path: str
    columns: dict[str, str]
    bytes: int
    files: int
    preview: Preview
    days: tuple[str, ...] = ()


@dataclass(frozen=True)
class StreamReport:
    """How far a table has read a topic: of each partition the offset that comes next.

    `lag` is by how many offsets it was behind when the run began, and `taken` are the messages of this run. `newest` is
    when the newest of these was sent (UTC, ISO), or empty.
    """

    topic: str
    offsets: dict[str, int]
    lag: int = 0
    taken: int = 0
    newest: str = ""


@dataclass(frozen=True)
class JobRun:
    """The run of a Databricks job that a run was: its id and its page, its cluster, the seconds until it began, which
    are the cluster's start for the most part, and those that it took from then on.
    """

    id: int
    url: str
    cluster: str = ""
    setup_seconds: float = 0
    seconds: float = 0


@dataclass(frozen=True)
class ModelReport:
    """What a run did to a model: the version that it made, and how that does on the held-out rows.

    `name` and `version` are the registry's, `run_id` is MLflow's, and `alias` what the version is called. `gate` has
    the gate's answer in words. `of_champion` has what the champion of before gets on the same rows. `rows` counts those
    it learnt from, those held out, and those without a label. `pictures` are PNG as base64, by name. `champion` is the
    version that scores from now on, None if there is none; a run that trained nothing tells no more than that.
    """

    name: str
    champion: int | None = None
    version: int | None = None
    run_id: str = ""
    alias: str = ""
    passed: bool = False
    gate: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    of_champion: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    pictures: dict[str, str] = field(default_factory=dict)
    recovered: tuple[str, ...] = ()


@dataclass(frozen=True)
class Online:
    """How the online copy of a features table stands: the version of the table that it has, and how many entities."""

    version: int
    rows: int


@dataclass(frozen=True)
class SinkReport:
    """What a run did to a store: how many rows it put there or changed, and how many it took out.

    `store` is its kind, `target` what the table or topic is called there, and `version` that of the Delta table which
    it has now; None where it waits.
    """

    store: str
    target: str
    version: int | None = None
    upserted: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class Report:
    """What a run did to a table, and how the table is.

    `strategy` and `reason` say what it did and why, `positions` how far it has read each input: a table by its key,
    its own files as `files`. `counts` has the rows that it judged, `lineage` the upstream columns of each column,
    `files` the arrivals by what became of them, `failed_files` the reasons of those that failed, and `added` the
    columns that new files brought. `stored` is None for a table that isn't built; `written` for a run that judged no
    row. `checks` are those of the whole table. `empty_snapshot` is the newest snapshot, if it has no row.
    `job` is where it ran, unless that was the process of the step. `online` is the copy of the latest features.
    `alerts` is how its alerts stand. `stream` is how far it has read a topic, and `sink` what became of a store.
    `model` is what became of a model, and `watched` what was found of one by the table of its scores.
    """

    table: str
    strategy: Strategy
    reason: str
    seconds: float
    positions: dict[str, Position] = field(default_factory=dict)
    counts: ExpectationCounts = field(default_factory=ExpectationCounts)
    lineage: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    failed_files: dict[str, str] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    days: tuple[date, date] | None = None
    stored: Stored | None = None
    written: Written | None = None
    checks: tuple[CheckReport, ...] = ()
    unreadable: Unreadable = field(default_factory=Unreadable)
    empty_snapshot: str = ""
    job: JobRun | None = None
    stream: StreamReport | None = None
    model: ModelReport | None = None
    online: Online | None = None
    alerts: Told | None = None
    watched: tuple[Watched, ...] = ()
    sink: SinkReport | None = None

    @property
    def taken(self) -> int:
        """How many rows it judged, or put into a store or took out of it."""
        return self.sink.upserted + self.sink.deleted if self.sink else self.counts.judged


@dataclass(frozen=True)
class Failure:
    """Why a run failed: the class of its error by its name, the message with the lines that follow it, and the
    expectation or check that was broken, if it was one.
    """

    error: str
    message: str
    details: tuple[str, ...] = ()
    check: str = ""
