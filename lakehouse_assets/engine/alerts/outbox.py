"""The outbox of a table's alerts, or of a domain's notices: an append-only Delta table of what happened to episodes.

An episode is opened and, once it's over, cleared; each of both is sent. What is opened or cleared and not yet sent
waits. Rows are added by delta-rs under the number of the judgement, so of two that are made at once one is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from lakehouse_assets.engine.errors import WriteConflict
from lakehouse_assets.engine.lake.delta_commits import mark_of
from lakehouse_assets.engine.lake.delta_log import read_log
from lakehouse_assets.engine.lake.delta_rs import is_conflict, select
from lakehouse_assets.engine.lake.places import TableRef

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

State = Literal["opened", "cleared"]
# Small files are put together once in so many commits.
COMPACT_EVERY = 50
ATTEMPTS = 5
_PROPERTIES = {"delta.logRetentionDuration": "interval 3 days"}
# Of each episode that is open, or of which something waits, what happened to it when, and what of that was sent.
_UNFINISHED = """
    SELECT episode, alert, channel, key, since, text,
        max(at) FILTER (WHERE state = 'opened') AS opened,
        max(version) FILTER (WHERE state = 'opened') AS opened_version,
        max(at) FILTER (WHERE state = 'cleared') AS cleared,
        max(version) FILTER (WHERE state = 'cleared') AS cleared_version,
        bool_or(sent = 'opened') AS opened_sent, bool_or(sent = 'cleared') AS cleared_sent
    FROM outbox GROUP BY episode, alert, channel, key, since, text
    HAVING NOT (bool_or(state = 'cleared') AND bool_or(sent = 'opened') AND bool_or(sent = 'cleared'))
"""
_STATES: tuple[State, ...] = ("opened", "cleared")


@dataclass(frozen=True)
class Entry:
    """What happened to an episode: the id of it, the alert and the channel by their names, the key as JSON, when (UTC),
    the version of the table, `since` when the episode is there, and the text. Of what was `sent`, the state that was
    told of, and what kind of channel `via` took it.
    """

    episode: str
    alert: str
    channel: str
    key: str
    state: Literal["opened", "cleared", "sent"]
    at: datetime
    version: int
    since: datetime
    text: str
    sent: str = ""
    via: str = ""


@dataclass(frozen=True)
class Unfinished:
    """Of each episode that isn't over, how it was opened; and what waits to be sent."""

    open: Sequence[Entry]
    waiting: Sequence[Entry]


@dataclass(frozen=True)
class Outbox:
    """An outbox as it was when it was read."""

    table: DeltaTable

    def last(self, app: str) -> int:
        """The last number under which an application has committed; 0 if it never did."""
        return self.table.transaction_version(app) or 0

    def unfinished(self) -> Unfinished:
        """The episodes that are open, and what is yet to be sent; the oldest first."""
        rows = select(self.table, "outbox", _UNFINISHED)
        begun = [_entry(row, "opened") for row in rows if row["cleared"] is None]
        waits = [_entry(row, it) for row in rows for it in _STATES if row[it] is not None and not row[f"{it}_sent"]]
        return Unfinished(sorted(begun, key=_age), sorted(waits, key=_age))

    def keys(self, alert: str) -> set[str]:
        """The keys of all episodes that an alert has had."""
        query = f"SELECT DISTINCT key FROM outbox WHERE alert = '{alert}'"
        return {row["key"] for row in select(self.table, "outbox", query)}

    def add(self, entries: Sequence[Entry], numbers: Mapping[str, int]) -> bool:
        """Commit entries under the numbers of some applications; False if another did so first, or meanwhile.

        None at all are committed as well, so that it's known what was judged.
        """
        from deltalake import CommitProperties, Transaction, write_deltalake
        from deltalake.exceptions import CommitFailedError

        mark = mark_of("alerts", max(numbers.values(), default=0), "part")
        made = [Transaction(app, number) for app, number in numbers.items()]
        once = CommitProperties(custom_metadata={"userMetadata": mark}, app_transactions=made)
        try:
            write_deltalake(self.table, _rows(entries), mode="append", commit_properties=once)
        except CommitFailedError as error:
            if not is_conflict(error):
                raise
            return False
        self.table.update_incremental()
        if entries and not self.table.version() % COMPACT_EVERY:
            with suppress(CommitFailedError):  # another process does so
                self.table.optimize.compact()
        return True


# What has happened, and under which numbers of further applications that is noted; None where there is nothing to do.
Look = Callable[[Outbox], tuple[Sequence[Entry], Mapping[str, int]] | None]


def read_outbox(place: TableRef) -> Outbox | None:
    """An outbox; None if nothing was ever judged for it.

    Raises:
        DamagedTable: its log can't be read.
    """
    log = read_log(place)
    return Outbox(log.table) if log else None


def made_outbox(place: TableRef) -> Outbox:
    """An outbox, made if it isn't there. Two writers of one that isn't there would both make it, and keep the rows of
    both.
    """
    from deltalake import DeltaTable

    made = DeltaTable.create(
        place.path, _schema(), mode="ignore", configuration=_PROPERTIES, storage_options=dict(place.storage) or None
    )
    return Outbox(made)


def judge(place: TableRef, app: str, look: Look) -> Outbox:
    """Add to an outbox what a look at it says has happened, and look again where another process was quicker.

    Raises:
        WriteConflict: others kept being quicker.
    """
    for _ in range(ATTEMPTS):
        outbox = read_outbox(place) or made_outbox(place)
        found = look(outbox)
        if found is None or outbox.add(found[0], {app: outbox.last(app) + 1, **found[1]}):
            return outbox
    raise WriteConflict(f"Judging the alerts of {app}: other runs kept doing so first; run it again")


def _entry(row: Mapping[str, Any], state: State) -> Entry:
    told = {name: row[name] for name in ("episode", "alert", "channel", "key", "since", "text")}
    return Entry(**told, state=state, at=row[state], version=row[f"{state}_version"])


def _age(entry: Entry) -> tuple[datetime, str, bool]:
    return entry.at, entry.episode, entry.state != "opened"


def _rows(entries: Sequence[Entry]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist([asdict(entry) for entry in entries], schema=_schema())


def _schema() -> pa.Schema:
    import pyarrow as pa

    texts = ("episode", "alert", "channel", "key", "state", "text", "sent", "via")
    times = dict.fromkeys(("at", "since"), pa.timestamp("us", "UTC"))
    kinds = {**dict.fromkeys(texts, pa.string()), **times, "version": pa.int64()}
    return pa.schema([(name, kinds[name]) for name in Entry.__dataclass_fields__])
