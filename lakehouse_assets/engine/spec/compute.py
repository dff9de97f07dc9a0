"""What computes a table on Databricks: a cluster made for the run, serverless compute, or a cluster that is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

# The Long Term Support runtime with the Spark that this project is pinned to, and the line of that.
RUNTIME = "17.3.x-scala2.13"
SPARK = "4.0"
# Of serverless compute, the environment with Python 3.12 and Spark 4.0.
ENVIRONMENT = "4"


@dataclass(frozen=True)
class Cluster:
    """A cluster that is made for a job, and ends with it, so it never idles.

    `workers` is their number, or the least and the most of them between which the cluster scales by itself; with 0 the
    driver does the work. `spot` takes cheaper workers that Azure may take back, while the driver stays. `policy` is
    the id of a cluster policy, whose defaults then hold, and `pool` that of an instance pool, which `node_type` yields
    to. `minutes` is the time after which a job is cancelled; 0 is no limit. `spark` are settings of Spark, `tags` those
    of Azure's bill.
    """

    node_type: str = "Standard_D4ds_v5"
    workers: int | tuple[int, int] = 1
    runtime: str = RUNTIME
    driver_type: str = ""
    policy: str = ""
    pool: str = ""
    spot: bool = False
    photon: bool = False
    minutes: int = 0
    spark: Mapping[str, str] = field(default_factory=dict, hash=False)
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        least, most = self.workers if isinstance(self.workers, tuple) else (self.workers, self.workers)
        if not 0 <= least <= most or (isinstance(self.workers, tuple) and most < 1):
            raise ValueError(
                f"a cluster has workers={self.workers!r}; give a number, or the least and the most of them"
            )


@dataclass(frozen=True)
class Serverless:
    """Databricks' serverless compute, in an environment of a version.

    `minutes` is the time after which a job is cancelled; 0 is no limit.
    """

    environment: str = ENVIRONMENT
    minutes: int = 0


@dataclass(frozen=True)
class ExistingCluster:
    """A cluster that is there already, by its id; it's started if it isn't running.

    `minutes` is the time after which a job is cancelled; 0 is no limit.
    """

    id: str
    minutes: int = 0


Compute: TypeAlias = Cluster | Serverless | ExistingCluster


@dataclass(frozen=True)
class Capabilities:
    """What an engine lets a session do: set any of Spark's and Delta's `settings`, and `persist` rows in its memory."""

    settings: bool = True
    persist: bool = True


def capabilities_of(compute: Compute) -> Capabilities:
    """What can be relied on before a session is there; an existing cluster is taken for one that can do all."""
    serverless = isinstance(compute, Serverless)
    return Capabilities(settings=not serverless, persist=not serverless)
