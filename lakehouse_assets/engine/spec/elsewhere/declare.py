"""How a domain file declares a table that isn't computed by us: by a task of Databricks, or by a job of others."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from lakehouse_assets.engine.spec.checks import Check
from lakehouse_assets.engine.spec.columns import Column
from lakehouse_assets.engine.spec.compute import Compute
from lakehouse_assets.engine.spec.elsewhere.tasks import External, Job, Task
from lakehouse_assets.engine.spec.inputs import Upstream
from lakehouse_assets.engine.spec.modes import Replace
from lakehouse_assets.engine.spec.table import Table


def task_table(
    *,
    task: Task,
    columns: Sequence[Column] = (),
    checks: Sequence[Check] = (),
    owner: str | None = None,
    freshness: timedelta | None = None,
    tags: Mapping[str, str] | None = None,
    compute: Compute | None = None,
    **inputs: str | Upstream,
) -> Table:
    """Declare a table that a task of Databricks makes; each further keyword names a table that the task reads.

    The task is told by parameters where its tables are. `output` has the table as SQL names it, `output_path` its path,
    which the task has to write; an input `flights` has `flights` and `flights_path`. `full_refresh` is `true` where a
    rebuild is asked for. `columns` are a contract, to which the table is held once the task has ended. Assign it to a
    variable named as the file.
    """
    return _declared(
        _caller(), inputs, task=task, columns=tuple(columns), checks=tuple(checks),
        owner=owner, freshness=freshness, tags=tags or {}, compute=compute,
    )  # fmt: skip


def external_table(
    *,
    job: Job,
    at: str = "",
    columns: Sequence[Column] = (),
    owner: str | None = None,
    freshness: timedelta | None = None,
    tags: Mapping[str, str] | None = None,
    **inputs: str | Upstream,
) -> Table:
    """Declare a table that a job makes which others own and start; each further keyword names a table that it reads.

    It's shown with its lineage, and never run from here. `at` is the path or URL of its Delta table, by which tables of
    ours read it like any other. Assign it to a variable named as the file.
    """
    return _declared(
        _caller(), inputs, external=External(job, at), columns=tuple(columns), checks=(),
        owner=owner, freshness=freshness, tags=tags or {},
    )  # fmt: skip


def _caller() -> FrameType:
    """The domain file that declares, by its frame."""
    here = inspect.currentframe()
    frame = here and here.f_back and here.f_back.f_back
    assert frame is not None  # noqa: S101  (CPython has frames)
    return frame


def _declared(caller: FrameType, inputs: Mapping[str, object], **rest: Any) -> Table:
    file = Path(caller.f_code.co_filename)
    domain, layer = file.parts[-3:-1]
    return Table(
        domain=domain, layer=layer, name=file.stem, doc=inspect.cleandoc(caller.f_globals.get("__doc__") or ""),
        inputs={name: _upstream(name, given) for name, given in inputs.items()}, expect=(), write=Replace(),
        file=file, line=caller.f_lineno, **rest,
    )  # fmt: skip


def _upstream(name: str, given: object) -> Upstream:
    match given:
        case str():
            return Upstream(given)
        case Upstream(table=str(), snapshot_on=()):
            return given
    raise TypeError(
        f"{name} is {given!r}; what is made elsewhere names the tables that it reads, as {name}='layer.table'. It has "
        "no files, snapshots, expectations, write mode, watermark or days of ours"
    )
