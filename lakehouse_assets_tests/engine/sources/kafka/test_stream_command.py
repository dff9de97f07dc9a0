"""`lakehouse stream` takes messages in and shows how far each table is, until it's interrupted."""

from __future__ import annotations

import re
import signal
from datetime import UTC, datetime, timedelta

import pytest

from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.engine.sources.kafka.updates import declare, numbered, stored, values
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.kafka import Kafka

ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


def test_the_stream_command_needs_a_domain_with_a_continuous_topic(
    project: Project, kafka: Kafka, command: Command
) -> None:
    declare(project, kafka.topic())
    for domain in ("shop", "nowhere"):
        told = command("stream", domain)
        assert (told.code, "has no table of a topic that is continuous" in told.out + told.err) == (1, True)


def test_the_stream_command_takes_messages_in_until_it_is_interrupted(
    project: Project, kafka: Kafka, command: Command
) -> None:
    topic = kafka.topic()
    project.table("bronze.updates", f'updates = kafka("{topic}", continuous=True)')
    kafka.send(topic, numbered(0, 3))
    with command.started("stream", "shop") as process:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        assert any("bronze.updates  3 rows" in line for line in lines)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert values(project) == stored(0, 3)


def test_in_a_terminal_the_stream_command_draws_how_far_each_table_is(
    project: Project, kafka: Kafka, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, sent_at = kafka.topic(), datetime.now(UTC) - timedelta(seconds=100)
    project.table("bronze.updates", f'updates = kafka("{topic}", continuous=True)')
    kafka.send(topic, numbered(0, 120), timestamp=int(sent_at.timestamp() * 1000))
    monkeypatch.setenv("FORCE_COLOR", "1")  # as to a terminal
    with command.started("stream", "shop") as process:
        assert process.stdout
        drawn = (ANSI.sub("", text).split() for text in iter(process.stdout.readline, ""))
        shown = next(cells for cells in drawn if cells[:2] == ["shop.bronze.updates", "120"])
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    _, _, per_second, behind, newest, latency, _, at = shown
    assert (per_second, behind, newest) == ("2.0", "0", f"{sent_at:%H:%M:%S}")
    assert 100 <= float(latency) <= 160
    assert at > newest
