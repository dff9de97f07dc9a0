"""What all kinds of assets share: the layers that they are in, and the domain that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from lakehouse_assets.engine.spec.compute import Compute

Layer = Literal["bronze", "silver", "gold", "features"]


LAYERS: tuple[Layer, ...] = ("bronze", "silver", "gold", "features")


@dataclass(frozen=True)
class Domain:
    """A business domain: who owns its tables, when they're refreshed, and how old they may get.

    `schedule` is a cron line in UTC. `freshness` is the longest time between two materialisations of a table.
    `compute` is what computes the tables where Databricks does, by default a small cluster. Each table is a job of its
    own there, whose cluster has to start; with `run_as_one_job` the tables of a run are one job. `notify` is the
    channel that is told of runs that failed, checks that fail and tables that are stale.
    """

    owner: str
    schedule: str
    freshness: timedelta
    doc: str = ""
    compute: Compute | None = None
    run_as_one_job: bool = False
    notify: str = ""

    @property
    def principal(self) -> str:
        """The owner as Databricks knows it: a user by the address, or a group by the name behind `team:`."""
        return self.owner.removeprefix("team:")
