"""What can be wrong with a table that is made elsewhere, by a task or a job, and with one that reads such a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain

from lakehouse_assets.engine.graph.discover import full_key
from lakehouse_assets.engine.graph.table_problems import where
from lakehouse_assets.engine.spec.asset import Domain
from lakehouse_assets.engine.spec.compute import Serverless
from lakehouse_assets.engine.spec.elsewhere.tasks import External, Jar, Job, Notebook, SqlFile, Task
from lakehouse_assets.engine.spec.table import Table

# What a task is told besides where its inputs are.
TOLD = frozenset({"output", "output_path", "full_refresh"})
_IN_AZURE = re.compile(r"abfss?://[^@/]+@[^./]+\.dfs\.[^/]+/.+")


def elsewhere_problems(table: Table, domains: Mapping[str, Domain], tables: Mapping[str, Table]) -> Iterator[str]:
    """Each problem with its file and line, and with what to do."""
    found = chain(
        _task_problems(table, domains) if table.task else (),
        _external_problems(table.external) if table.external else (),
        _place_problems(table, tables),
    )
    yield from (f"{where(table)}: {problem}" for problem in found)


def _task_problems(table: Table, domains: Mapping[str, Domain]) -> Iterator[str]:
    match table.task:
        case Notebook(path) | SqlFile(path) if not path.startswith("/"):
            yield f"its task is at {path!r}; give the path in the workspace, from / on"
        case Jar(jars=str()) | Jar(jars=()) | Jar(jars=[]):
            yield "its JAR isn't named; give jars=[…], paths in a volume or the workspace"
        case Notebook() | SqlFile() | Jar():
            pass
        case other:
            yield f"its task is {other!r}; use Notebook(…), SqlFile(…) or Jar(…)"
            return
    if isinstance(table.task, SqlFile) and not table.task.warehouse:
        yield "its SQL file has no warehouse; give the id of one"
    domain = domains.get(table.domain)
    if isinstance(table.task, Jar) and isinstance(table.compute or (domain and domain.compute), Serverless):
        yield "a JAR doesn't run on serverless compute; give the table compute=Cluster(…) or ExistingCluster(…)"
    yield from _parameter_problems(table, table.task)


def _parameter_problems(table: Table, task: Task | None) -> Iterator[str]:
    taken = TOLD | {name for parameter in table.inputs for name in (parameter, f"{parameter}_path")}
    clash = [parameter for parameter in table.inputs if parameter in TOLD or f"{parameter}_path" in table.inputs]
    for name in clash:
        yield f"{name!r} is what its task is told of another place; give that input another name"
    given = {} if isinstance(task, Jar) or task is None else task.parameters
    for name in sorted(taken & set(given)):
        yield f"its parameter {name!r} says where a table is; give yours another name"
    others = given.values() if given else task.parameters if isinstance(task, Jar) else ()
    if isinstance(others, str) or any(not isinstance(value, str) for value in others):
        yield "its parameters are texts, as Databricks takes no others; write str(…)"


def _external_problems(external: External) -> Iterator[str]:
    if not isinstance(external.job, Job) or not external.job.name:
        yield f"its job is {external.job!r}; give Job(…) with the name that it has in the workspace"
    if external.at and not (external.at.startswith("/") or "://" in external.at):
        yield f"is at {external.at!r}; give a path from / on, or a URL"
    if external.at.startswith("abfs") and not _IN_AZURE.fullmatch(external.at):
        yield f"is at {external.at!r}; write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER"


def _place_problems(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    """Tables that are read and lie nowhere; what one job of others reads of another is their own matter."""
    references = [*(u.table for u in table.upstreams.values()), *(r for c in table.checks for r in c.reads)]
    for key in dict.fromkeys(full_key(table, name) for name in references):
        read = tables.get(key)
        if read and read.external and not read.external.at and not table.external:
            yield f"reads {key}, of which nobody says where it is; give its external_table(…) at=…"
