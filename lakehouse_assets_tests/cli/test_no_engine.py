"""An engine that isn't there, or doesn't let us in, is told in one line, soon, and leaves no run behind."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from lakehouse_assets.resources import spark, spark_server
from lakehouse_assets_tests.cli.command import Command

SECONDS = 15


@pytest.fixture(params=["nobody listens", "nobody answers", "another token"])
def address(request: pytest.FixtureRequest, command: Command) -> Iterator[str]:
    if request.param == "another token":
        server = spark_server.attach(command.project.engine.server_settings)
        yield f"sc://localhost:{server.port}/;token=not-this-one"
        return
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        if request.param == "nobody answers":
            taken.listen()
        yield f"sc://127.0.0.1:{taken.getsockname()[1]}"


def test_an_engine_that_is_not_there_is_one_line_within_seconds(
    command: Command, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = command.project
    project.bronze("orders")
    project.table("silver.whole", 'whole = sql_table(o="bronze.orders", sql="SELECT * FROM o")')
    project.land("orders/1.csv", "id\n1\n")
    for name in ("bronze.orders", "silver.whole"):
        project.run(name)
    project.land("orders/2.csv", "id\n2\n")
    monkeypatch.setenv("LAKEHOUSE_SPARK", address)
    for arguments in (("run",), ("sql", "SELECT 1 AS n"), ("verify", "silver.whole")):
        begun = time.monotonic()
        said = command(*arguments)
        assert time.monotonic() - begun < SECONDS
        assert (said.code, said.err) == (1, "")
        assert f"Error Connecting to Spark at {address.split('/;')[0]}: " in said.out.splitlines()[-1]
        assert "not-this-one" not in said.out
        monkeypatch.setattr(spark, "ANSWER_SECONDS", 0.5)  # for the others, which need not be waited for
    assert command.runs() == []
