"""Ctrl-C and its like, at any moment: the stream ends well, and goes on from there.

`make soak` interrupts more often (`SOAK_ROUNDS`).
"""

from __future__ import annotations

import os
import signal
from random import Random
from threading import Timer

import dagster as dg
import pytest

from lakehouse_assets.engine.sources.kafka.topic import as_interrupts
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.engine.sources.kafka.test_live import BY_N, LATEST, sent
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.kafka import Kafka

ROUNDS = 5 * int(os.environ.get("SOAK_ROUNDS", "1"))
LOADED = 0.3  # seconds, at most, until the loop has begun
# A table that does something while it's made.
BUSY = LATEST.replace("    return", "    {does}\n    return").replace("{expect}", "")
INTERRUPTED = "Interrupted. What was committed stays; the same command goes on from there."


def does(project: Project, topic: str, what: str) -> None:
    project.table("bronze.updates", f'updates = kafka("{topic}", continuous=True)')
    project.table("silver.latest", BUSY.format(does=what))
    project.table("gold.by_n", BY_N)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stream_ends_well_whenever_it_is_interrupted(
    project: Project, kafka: Kafka, command: Command, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr("lakehouse_assets.engine.run.live.PAUSE_SECONDS", 0.0)  # so that it's about something always
    topic, moment = kafka.topic(partitions=2), Random(number)
    project.table("bronze.updates", f'updates = kafka("{topic}", continuous=True)')
    for n in range(ROUNDS):
        sent(kafka, topic, "ab", n)
        Timer(LOADED + moment.uniform(0, 0.3), os.kill, (os.getpid(), number)).start()
        said = command("stream", "shop")
        assert (said.code, said.out.splitlines()[-1], said.err) == (130, INTERRUPTED, "")
    project.run("bronze.updates")
    assert len(project.rows("bronze.updates")) == 2 * ROUNDS


def test_the_table_that_is_being_written_is_finished_and_no_other_is_begun(
    project: Project, kafka: Kafka, command: Command
) -> None:
    topic = kafka.topic()
    does(project, topic, f"import os; os.kill({os.getpid()}, {signal.SIGINT:d})")
    sent(kafka, topic, "ab", 1)
    said = command("stream", "shop")
    assert (said.code, said.out.splitlines()[-1]) == (130, INTERRUPTED)
    assert len(project.rows("silver.latest")) == 2
    assert "gold.by_n" not in said.out


def test_a_second_one_ends_it_at_once(
    project: Project, kafka: Kafka, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = kafka.topic()
    does(project, topic, "import time; print('begun', flush=True); time.sleep(600)")
    sent(kafka, topic, "ab", 1)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as to a terminal
    with command.started("stream", "shop") as process:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        assert any("begun" in line for line in lines)
        process.send_signal(signal.SIGINT)
        assert any("Ctrl-C again ends it at once" in line for line in lines)
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == -signal.SIGINT


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, dg.DagsterExecutionInterruptedError])
def test_what_the_client_makes_of_an_interrupt_is_an_interrupt(interrupt: type[BaseException]) -> None:
    with pytest.raises(interrupt), as_interrupts():
        raise SystemError("list_offsets returned a result with an exception set") from interrupt()
    for cause in (None, ValueError()):
        with pytest.raises(SystemError), as_interrupts():
            raise SystemError("bad argument to internal function") from cause
