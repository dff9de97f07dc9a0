"""`lakehouse simulate` as a person calls it: its broker, what it sends, how it ends, and what it refuses."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from lakehouse_assets import cli
from lakehouse_assets.domains.airlines import simulation
from lakehouse_assets.engine.sources.kafka import connection
from lakehouse_assets.engine.sources.kafka.topic import standing
from lakehouse_assets.engine.spec.inputs import Topic
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.resources.engine_state import alive
from lakehouse_assets.resources.local_kafka import local_kafka, state_file
from lakehouse_assets_tests.cli.command import MAIN, Command
from lakehouse_assets_tests.servers.waiting import wait_until

START = datetime(2013, 1, 15, 6, tzinfo=simulation.ZONE)
WINDOW = ("--start", "2013-01-15T06:00", "--hours", "0.25")

LANDED = """
@table(landed=files("flight-updates/*.jsonl", format="jsonl"))
def updates(landed: DataFrame) -> DataFrame:
    return landed
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lakehouse with nothing in it, whose topics are those of its own broker."""
    monkeypatch.delenv("LAKEHOUSE_KAFKA", raising=False)
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
    monkeypatch.setattr(connection, "_default", str)
    open_lakehouse()  # which says where its own broker would be
    return tmp_path


@contextmanager
def simulating(home: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, from when its broker is there."""
    command = [sys.executable, "-c", MAIN, "simulate", "airlines", "--speed", "100000", *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            wait_until(lambda: bool(local_kafka(home)) or process.poll() is not None, 90)
            yield process
        finally:
            process.kill()


def jvm(home: Path) -> int:
    return int(json.loads(state_file(home).read_text())["pid"])


def messages(topic: str) -> int:
    return sum(standing(Topic(topic)).ends.values())


def told(hours: float) -> dict[str, int]:
    """How many messages such a window has, by topic."""
    end = START + timedelta(hours=hours)
    found = [event.topic for event in takewhile(lambda event: event.at < end, simulation.events(START))]
    return {topic: found.count(topic) for topic in simulation.TOPICS}


def test_it_sends_to_a_broker_of_its_own_and_leaves_none_behind(home: Path) -> None:
    expected = told(0.25)
    with simulating(home, *WINDOW) as process:
        broker = jvm(home)
        wait_until(lambda: {topic: messages(topic) for topic in simulation.TOPICS} == expected, 60)
        process.terminate()
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"{sum(expected.values()):,} messages sent, up to 2013-01-15 06:14" in said
    assert not alive(broker)
    assert (local_kafka(home), state_file(home).exists()) == ("", False)
    assert connection.unset("") == "LAKEHOUSE_KAFKA"


def test_one_that_is_killed_leaves_no_broker_and_the_next_one_goes_on(home: Path) -> None:
    with simulating(home, *WINDOW) as process:
        broker = jvm(home)
        wait_until((home / "simulated_airlines").exists, 60)
        process.kill()
        process.wait()
        wait_until(lambda: not alive(broker), 30)
    assert state_file(home).exists()  # and isn't believed
    assert local_kafka(home) == ""
    before = told(0.25)[simulation.UPDATES]
    with simulating(home, "--hours", "0.25") as process:
        wait_until(lambda: messages(simulation.UPDATES) > before, 60)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert "From 2013-01-15 06:14 on" in said


@pytest.fixture
def landing(command: Command, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The landing folder of the airlines, which has nothing yet."""
    monkeypatch.setenv("LAKEHOUSE_DOMAINS", "lakehouse_assets.domains")
    monkeypatch.setattr("lakehouse_assets.serve.landing.FILE_SECONDS", 0.2)
    return command.project.root / "landing" / "airlines"


def test_messages_land_as_files_that_a_table_takes_in(command: Command, landing: Path) -> None:
    said = command("simulate", "airlines", "--to", "files", "--speed", "600", *WINDOW)
    assert said.code == 0, said.err
    end = START + timedelta(hours=0.25)
    expected = list(takewhile(lambda event: event.at < end, simulation.events(START)))
    for topic in simulation.TOPICS:
        files = sorted((landing / topic).iterdir())
        assert len(files) > 1
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        assert lines == [event.value for event in expected if event.topic == topic]
    landing.rename(landing.with_name("shop"))
    command.project.table("bronze.updates", LANDED)
    command.project.run("bronze.updates")
    taken = command.project.rows("bronze.updates", "flight_id", "status")
    updates = [event.value for event in expected if event.topic == simulation.UPDATES]
    assert sorted(taken) == sorted((it["flight_id"], it["status"]) for it in updates)


def test_what_has_come_lands_when_it_is_interrupted(command: Command, landing: Path) -> None:
    with command.started("simulate", "--to", "files", *WINDOW) as process:
        wait_until((landing / simulation.POSITIONS).exists, 60)
        process.terminate()
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    lines = [json.loads(line) for file in landing.glob("*/*.jsonl") for line in file.read_text().splitlines()]
    assert f"{len(lines):,} messages sent" in said
    assert len({line["flight_id"] for line in lines}) > 100


def test_files_do_not_land_elsewhere_than_on_a_disk(command: Command, landing: Path) -> None:
    command.monkeypatch.setenv("LAKEHOUSE_LANDING", "abfss://landing@account.dfs.core.windows.net")
    said = command("simulate", "--to", "files", *WINDOW)
    assert said.code == 1
    assert "is not on this machine's disk; set LAKEHOUSE_LANDING to a folder" in said.out + said.err


def test_nobody_without_the_password_is_let_in_and_nobody_else_can_read_it(home: Path) -> None:
    with simulating(home, *WINDOW):
        login = json.loads(local_kafka(home))
        address = {"bootstrap.servers": login["bootstrap.servers"]}
        assert [answers(it) for it in (login, address, {**login, "sasl.password": "guessed"})] == [True, False, False]
        properties = (home / "kafka" / "server.properties").read_text()
        (voters,) = [line for line in properties.splitlines() if line.startswith("controller.quorum.voters")]
        assert not obeys(int(voters.rpartition(":")[2]))
        files = [home / "kafka", state_file(home), home / "kafka" / "server.properties"]
        assert [file.stat().st_mode & 0o077 for file in files] == [0, 0, 0]


def answers(properties: Mapping[str, str]) -> bool:
    try:
        return bool(AdminClient({**properties, "log_level": 0}).list_topics(timeout=2).brokers)
    except KafkaException:
        return False


def obeys(controller: int) -> bool:
    """Whether a controller answers who hasn't said who it is: to CreatePartitions, version 0, of no topic."""
    request = struct.pack(">hhihiib", 37, 0, 1, -1, 0, 1000, 1)  # key, version, id, client, topics, wait, dry run
    with socket.create_connection(("127.0.0.1", controller), timeout=10) as door:
        door.sendall(struct.pack(">i", len(request)) + request)
        return bool(door.recv(4))


@pytest.fixture
def refused(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What the command says to arguments that it refuses; it has started nothing then."""

    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["lakehouse", "simulate", *arguments])
        before = signal.getsignal(signal.SIGTERM)
        try:
            with pytest.raises(SystemExit) as ended:
                cli.main()
        finally:
            signal.signal(signal.SIGTERM, before)
        assert ended.value.code in (1, 2)
        assert not (home / "kafka").exists()
        return " ".join("".join(capsys.readouterr()).split())

    return call


def test_wrong_arguments_are_told_before_a_broker_is_started(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "The domain 'iot' has no simulation; those of lakehouse_assets.domains that have one: airlines" in refused(
        "iot"
    )
    assert "there are none; those of 2013 are there" in refused("airlines", "--start", "2014-02-01T06:00")
    assert "--start" in refused("airlines", "--start", "yesterday")
    assert "--speed" in refused("airlines", "--speed", "0")
    (tmp_path / "rows.json").write_text('{"a": 1}')
    for name in ("rows.json", "absent.json.gz"):
        assert "it's no list of records with icao24 and timestamp" in refused("--positions", str(tmp_path / name))


def test_a_broker_that_is_set_and_not_there_is_told_of(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_KAFKA", "127.0.0.1:9")
    said = refused("airlines", "--start", "2013-01-15T06:00")
    assert "Making the topics flight-updates, positions at 127.0.0.1:9" in said
    assert "LAKEHOUSE_KAFKA" in said
