"""How a program tells what it did: a line of its output and, where Dagster launched it, a message to Dagster."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from dagster_pipes import (
    PipesCliArgsParamsLoader,
    PipesContext,
    PipesContextData,
    PipesContextLoader,
    PipesMessage,
    PipesMessageWriter,
    PipesMessageWriterChannel,
    PipesParams,
)

from dbfs_jobs.files import read, write
from lakehouse_assets.engine.run.plain_json import to_json
from lakehouse_assets.engine.run.report import Failure, Report

Tell = Callable[[Report | Failure], None]


@contextmanager
def telling(table: str) -> Iterator[Tell]:
    """A function that tells of a report or a failure; to Dagster in the table's folder, under the name of its kind."""
    by_arguments = PipesCliArgsParamsLoader()  # type: ignore[no-untyped-call]  # its __init__ has no types
    if not by_arguments.is_dagster_pipes_process():
        yield lambda told: print(to_json(told))
        return
    with PipesContext(by_arguments, _FromFolder(), _InFolder(table)) as pipes:
        yield lambda told: pipes.report_custom_message({type(told).__name__.lower(): to_json(told)})


class _FromFolder(PipesContextLoader):
    """Reads what Dagster tells the job."""

    @contextmanager
    def load_context(self, params: PipesParams) -> Iterator[PipesContextData]:
        yield json.loads(read(params["path"]))


class _InFolder(PipesMessageWriter["_Files"]):
    """Writes each message to a file of its own, at once.

    What dagster-pipes has for volumes and for blobs writes them every ten seconds by a thread; that for volumes takes
    five more to let go of the process's output, which the page of the job has anyway. For each of a domain's tables
    that would be minutes.
    """

    def __init__(self, table: str) -> None:
        self.table = table

    @contextmanager
    def open(self, params: PipesParams) -> Iterator[_Files]:
        yield _Files(f"{params['path']}/{self.table}")


class _Files(PipesMessageWriterChannel):
    """The files 1.json, 2.json … of a folder. Each ends with a line end, by which a reader knows that it has it all."""

    def __init__(self, folder: str) -> None:
        self.folder, self.numbers = folder, count(1)

    def write_message(self, message: PipesMessage) -> None:
        write(f"{self.folder}/{next(self.numbers)}.json", f"{json.dumps(message)}\n")
