"""How a program tells what it did: a line of its output and, where Dagster launched it, a message to Dagster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import IO

from dagster_pipes import (
    PipesBufferedFilesystemMessageWriterChannel,
    PipesCliArgsParamsLoader,
    PipesContext,
    PipesParams,
    PipesUnityCatalogVolumesContextLoader,
    PipesUnityCatalogVolumesMessageWriter,
)

from lakehouse_assets.engine.run.plain_json import to_json
from lakehouse_assets.engine.run.report import Failure, Report

Tell = Callable[[Report | Failure], None]
SECONDS = 1  # from message to message; Pipes' own 10 would hold every table up


@contextmanager
def telling(table: str) -> Iterator[Tell]:
    """A function that tells of a report or a failure; to Dagster in the table's folder, under the name of its kind."""
    by_arguments = PipesCliArgsParamsLoader()  # type: ignore[no-untyped-call]  # its __init__ has no types
    if not by_arguments.is_dagster_pipes_process():
        yield lambda told: print(to_json(told))
        return
    context = PipesUnityCatalogVolumesContextLoader()
    with PipesContext(by_arguments, context, _Messages(table, interval=SECONDS)) as pipes:
        yield lambda told: pipes.report_custom_message({type(told).__name__.lower(): to_json(told)})


class _Messages(PipesUnityCatalogVolumesMessageWriter):
    def __init__(self, table: str, interval: float) -> None:
        super().__init__(interval=interval)
        self.table = table

    def make_channel(self, params: PipesParams) -> PipesBufferedFilesystemMessageWriterChannel:
        folder = Path(params["path"]) / self.table
        folder.mkdir(exist_ok=True)
        return _Channel(str(folder), interval=self.interval)


class _Channel(PipesBufferedFilesystemMessageWriterChannel):
    """Ends each file with a line end, by which a reader knows that it has all of it."""

    def upload_messages_chunk(self, payload: IO[str], index: int) -> None:
        super().upload_messages_chunk(StringIO(f"{payload.read()}\n"), index)
