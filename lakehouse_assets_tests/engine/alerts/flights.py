"""A table of flights with an alert, whose versions a test writes as it likes, without Spark."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from lakehouse_assets.engine.alerts.deliver import Told
from lakehouse_assets.engine.alerts.outbox import read_outbox
from lakehouse_assets.engine.alerts.tell import tell_alerts
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.spec.alerts import Alert, alert
from lakehouse_assets.engine.spec.columns import Column
from lakehouse_assets.engine.spec.modes import Replace
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets_tests.crash import die_at, ready
from lakehouse_assets_tests.servers.web import Site

KEY = "air.gold.board"
LATE = alert("delay > 60", to="ops", says="{flight} to {city} leaves {delay} minutes late", name="late")
_SCHEMA = pa.schema([("flight", pa.string()), ("city", pa.string()), ("delay", pa.int32())])


def no_spark() -> Any:
    raise AssertionError("Spark was asked for")


def table(*alerts: Alert) -> Table:
    columns = (Column("flight", "string", key=True), Column("city", "string"), Column("delay", "int"))
    return Table("air", "gold", "board", "The board.", {}, columns, (), (), Replace(), Path(__file__), 1,
                 alerts=alerts or (LATE,))  # fmt: skip


@dataclass(frozen=True)
class Flights:
    """A lake with the table in it."""

    root: str
    declared: Table

    @property
    def lake(self) -> Lake:
        return Lake(self.root, f"{self.root}/landing")

    def write(self, delays: Mapping[str, int | None], city: str = "Oslo") -> None:
        """The next version of the table: a flight a row."""
        rows = [{"flight": flight, "city": city, "delay": delay} for flight, delay in delays.items()]
        write_deltalake(self.lake.table(KEY).path, pa.Table.from_pylist(rows, _SCHEMA), mode="overwrite")

    def tell(self) -> Told:
        """What follows the commit of a run."""
        told = tell_alerts(self.declared, Context(Lakehouse({}, {KEY: self.declared}), self.lake, no_spark))
        assert told is not None
        return told

    def entries(self) -> list[tuple[str, str, str, str]]:
        """Of each row of the outbox: the episode, the key, the state, and of what was sent which."""
        outbox = read_outbox(self.lake.alerts(KEY))
        rows = outbox.table.to_pyarrow_table().sort_by("at").to_pylist() if outbox else []
        return [(row["episode"], row["key"], row["state"], row["sent"]) for row in rows]

    def versions(self) -> int:
        return DeltaTable(self.lake.alerts(KEY).path).version()

    def start(self, where: str = "") -> BaseProcess:
        """`tell` in a process of its own, which kills itself at a boundary as `crash.die_at` names it, if one is."""
        environment = {name: value for name, value in os.environ.items() if name.startswith("LAKEHOUSE_")}
        process = ready().Process(target=_tell, args=(self, environment, where), daemon=True)
        process.start()
        return process


def ended(process: BaseProcess) -> int | None:
    """The exit code of a process, once it's over."""
    process.join(timeout=60)
    return process.exitcode


def _tell(flights: Flights, environment: Mapping[str, str], where: str) -> None:
    os.environ.update(environment)
    if where:
        die_at(where)
    flights.tell()


def told(site: Site) -> list[tuple[str, str]]:
    """Episode and state of each message that a webhook was sent as JSON, in order."""
    bodies = [json.loads(body) for body in site.sent]
    return [(body["episode"], body["state"]) for body in bodies]
