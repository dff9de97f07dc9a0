"""What makes a table where no function or query of ours does: a task of Databricks, or a job that others own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Notebook:
    """A notebook of the workspace, in any language, by its path there.

    It's given `parameters` as widgets, and those that say where its tables are (see `task_table`).
    """

    path: str
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"the notebook {self.path}"


@dataclass(frozen=True)
class SqlFile:
    """A file of SQL in the workspace, by its path there, which the SQL warehouse with the id `warehouse` runs.

    It's given `parameters` as `:name`, and those that say where its tables are (see `task_table`).
    """

    path: str
    warehouse: str
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"the SQL file {self.path}"


@dataclass(frozen=True)
class Jar:
    """A class of a JAR. `jars` are those that it needs, by their paths in a volume or the workspace.

    Its arguments say where its tables are, as in `--output main.shop_gold.ratings` (see `task_table`); `parameters`
    come behind them.
    """

    main_class: str
    jars: Sequence[str]
    parameters: Sequence[str] = ()

    def __str__(self) -> str:
        return f"the class {self.main_class} of a JAR"


Task: TypeAlias = Notebook | SqlFile | Jar


@dataclass(frozen=True)
class Job:
    """A job of the workspace, by its name; where several have that, `id` says which is meant."""

    name: str
    id: int | None = None

    def __str__(self) -> str:
        return f"the job {self.name!r}"


@dataclass(frozen=True)
class External:
    """What others make and schedule: by which job, and the path or URL of its Delta table if ours may read it."""

    job: Job
    at: str = ""
