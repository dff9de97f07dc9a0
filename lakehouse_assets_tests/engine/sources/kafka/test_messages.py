"""Messages of a real broker come into a table once each, whatever happens in between."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Message, Producer

from lakehouse_assets.engine.errors import StreamUnavailable
from lakehouse_assets.engine.sources.kafka.read import Taken
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.crash import assert_at_once, run_and_die
from lakehouse_assets_tests.engine.sources.kafka.updates import declare, numbered, stored, values
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.kafka import Kafka, running

INGEST = "lakehouse_assets.engine.run.ingest.messages"


def ten_messages(project: Project, kafka: Kafka) -> str:
    """A topic of which a table has read what there is."""
    topic = kafka.topic()
    declare(project, topic)
    kafka.send(topic, numbered(0, 10))
    project.run("bronze.updates")
    return topic


def test_each_message_comes_in_once_with_its_place(project: Project, kafka: Kafka) -> None:
    topic = kafka.topic(partitions=3)
    declare(project, topic)
    kafka.send(topic, ['{"a": 1}', None, b"\xff\x00"], partition=1, key="k", headers=[("h", b"\x01"), ("h", None)])
    first = project.run("bronze.updates")
    table = project.log("bronze.updates").table.to_pyarrow_table().sort_by("_offset").to_pylist()
    assert [row["value"] for row in table] == [b'{"a": 1}', None, b"\xff\x00"]
    assert [row["_source"] for row in table] == [f"{topic}/1@{n}" for n in range(3)]
    assert {row["key"] for row in table} == {b"k"}
    assert table[0]["headers"] == [{"key": "h", "value": b"\x01"}, {"key": "h", "value": None}]
    assert (first.counts.judged, first.plan.reason) == (3, "3 messages")
    again = project.run("bronze.updates")
    assert (again.version, again.plan.strategy) == (None, "nothing")
    kafka.send(topic, numbered(0, 500))
    assert project.run("bronze.updates").counts.judged == 500
    assert len(values(project)) == 503


def test_an_empty_topic_has_a_table_without_rows_whose_place_is_known(project: Project, kafka: Kafka) -> None:
    topic = kafka.topic()
    declare(project, topic)
    project.run("bronze.updates")
    assert project.log("bronze.updates").rows == 0
    kafka.send(topic, numbered(0, 2))
    project.run("bronze.updates")
    assert values(project) == stored(0, 2)


def test_more_than_a_commit_takes_come_in_several(
    project: Project, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakehouse_assets.engine.sources.kafka.read.MOST_MESSAGES", 700)
    monkeypatch.setattr("lakehouse_assets.engine.sources.kafka.read._AT_ONCE", 100)
    topic = kafka.topic(partitions=4)
    declare(project, topic)
    kafka.send(topic, numbered(0, 3_000))
    project.run("bronze.updates")
    assert values(project) == stored(0, 3_000)
    commits = [c for c in project.log("bronze.updates").commits if c.run]
    assert 3 <= len(commits) <= 6


@pytest.mark.parametrize(
    "where",
    [f"before {INGEST}:_created", f"after {INGEST}:_created", f"before {INGEST}:_append", f"after {INGEST}:_append"],
)
def test_a_run_that_dies_leaves_all_or_nothing_to_the_next(project: Project, kafka: Kafka, where: str) -> None:
    topic = kafka.topic(partitions=2)
    declare(project, topic)
    kafka.send(topic, numbered(0, 50))
    assert run_and_die(project, "bronze.updates", where) == -9
    kafka.send(topic, numbered(50, 80))
    project.run("bronze.updates")
    assert values(project) == stored(0, 80)


def test_two_runs_at_once_take_each_message_in_once(project: Project, kafka: Kafka) -> None:
    topic = kafka.topic(partitions=2)
    declare(project, topic)
    for begin in (0, 400):
        kafka.send(topic, numbered(begin, begin + 400))
        assert_at_once(project, "bronze.updates")
    project.run("bronze.updates")
    assert values(project) == stored(0, 800)


def test_marks_of_transactions_take_offsets_and_open_ones_hide_their_messages(project: Project, kafka: Kafka) -> None:
    topic = kafka.topic()
    declare(project, topic)
    producer = Producer({"bootstrap.servers": kafka.address, "transactional.id": topic})
    producer.init_transactions()
    for begin, end in ((0, 5), (5, 9)):
        producer.begin_transaction()
        for text in numbered(begin, end):
            producer.produce(topic, text)
        producer.commit_transaction()
    producer.begin_transaction()
    producer.produce(topic, "given up")
    producer.flush()
    project.run("bronze.updates")
    assert values(project) == stored(0, 9)
    producer.abort_transaction()
    kafka.send(topic, numbered(9, 10))
    project.run("bronze.updates")
    assert values(project) == stored(0, 10)
    assert project.run("bronze.updates").plan.strategy == "nothing"


def test_partitions_that_a_topic_gains_are_read_from_their_beginning(project: Project, kafka: Kafka) -> None:
    topic = kafka.topic()
    declare(project, topic)
    kafka.send(topic, numbered(0, 10))
    project.run("bronze.updates")
    kafka.widen(topic, 3)
    for partition in range(3):
        kafka.send(topic, numbered(10 + 5 * partition, 15 + 5 * partition), partition=partition)
    project.run("bronze.updates")
    assert values(project) == stored(0, 25)


def test_of_a_topic_that_was_made_anew_nothing_is_read_until_a_person_says_so(
    project: Project, kafka: Kafka, command: Command
) -> None:
    topic = ten_messages(project, kafka)
    kafka.remove(topic)
    kafka.make(topic)
    kafka.send(topic, numbered(10, 30))
    with pytest.raises(StreamUnavailable, match="it was made anew since the last run"):
        project.run("bronze.updates")
    assert values(project) == stored(0, 10)
    assert "from offset 0, not 10" in command("seek", "bronze.updates").out
    project.run("bronze.updates")
    assert values(project) == stored(0, 30)


def test_messages_that_retention_removed_unread_are_told_of_until_a_person_goes_on(
    project: Project, kafka: Kafka, command: Command
) -> None:
    topic = ten_messages(project, kafka)
    kafka.send(topic, numbered(10, 20))
    kafka.forget(topic, before=13)
    with pytest.raises(StreamUnavailable, match=r"removed 3 messages that weren't read, as offsets 10"):
        project.run("bronze.updates")
    told = command("run", "bronze.updates")
    assert (told.code, "`lakehouse seek shop.bronze.updates`" in told.out + told.err) == (1, True)
    behind = command("offsets", "bronze.updates").out.splitlines()[-1].split()
    assert behind == ["0", "13", "10", "20", "10"]
    assert "from offset 13, not 10" in command("seek", "bronze.updates").out
    project.run("bronze.updates")
    assert values(project) == [*stored(0, 10), *stored(13, 20)]
    assert "goes on where it is" in command("seek", "bronze.updates").out


def test_a_broker_that_is_lost_while_it_is_read_is_told_and_nothing_is_lost_or_twice(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "kafka") as mine:
        monkeypatch.setenv("LAKEHOUSE_KAFKA", mine.address)
        monkeypatch.setattr("lakehouse_assets.engine.sources.kafka.read._AT_ONCE", 10)
        topic, add = mine.topic(), Taken.add
        declare(project, topic)
        mine.send(topic, ["x" * 20_000] * 2_000)  # more than a client fetches ahead

        def add_and_lose(taken: Taken, message: Message) -> None:
            add(taken, message)
            if len(taken.messages) == 10:
                mine.broker.kill()

        monkeypatch.setattr(Taken, "add", add_and_lose)
        monkeypatch.setattr("lakehouse_assets.engine.sources.kafka.read.MOST_BYTES", 10**9)
        with pytest.raises(StreamUnavailable, match="no broker answers"):
            project.run("bronze.updates")
        monkeypatch.setattr(Taken, "add", add)
        mine.broker.start()
        project.run("bronze.updates")
        assert sorted(row[0] for row in project.rows("bronze.updates", "_offset")) == [*range(2_000)]


def test_what_is_made_of_messages_follows_and_what_is_malformed_waits_with_its_place(
    project: Project, kafka: Kafka
) -> None:
    topic = kafka.topic()
    declare(project, topic)
    project.table(
        "silver.status",
        """
        @table(raw="bronze.updates", expect=[drop("flight IS NOT NULL", name="readable")],
               write=merge(on="flight", newest=["at", "_offset"]),
               columns=[Column("flight", "string", key=True), Column("at", "int"), Column("gate", "string")])
        def status(raw: DataFrame) -> DataFrame:
            return raw.selectExpr("from_json(string(value), 'flight string, at int, gate string') m", "_source",
                                  "_offset").selectExpr("m.flight", "m.at", "m.gate", "_source", "_offset")
        """,
    )
    kafka.send(
        topic, ['{"flight": "UA1", "at": 2, "gate": "B"}', "{not json", '{"flight": "UA1", "at": 1, "gate": "A"}']
    )
    project.run("bronze.updates")
    project.run("silver.status")
    assert project.rows("silver.status", "flight", "gate") == [("UA1", "B")]
    assert project.rejected("silver.status", "source") == [(f"{topic}/0@1",)]
    kafka.send(topic, ['{"flight": "UA1", "at": 3, "gate": "C"}'])
    assert project.run("bronze.updates").counts.judged == 1
    project.run("silver.status")
    assert project.rows("silver.status", "flight", "gate") == [("UA1", "C")]


def test_what_a_restore_took_back_comes_in_again(project: Project, kafka: Kafka) -> None:
    topic = kafka.topic()
    declare(project, topic)
    versions = []
    for number in range(3):
        kafka.send(topic, numbered(10 * number, 10 * number + 10))
        versions.append(project.run("bronze.updates").version)
    project.log("bronze.updates").table.restore(versions[0])
    assert values(project) == stored(0, 10)
    project.run("bronze.updates")
    assert values(project) == stored(0, 30)


def test_a_table_whose_log_no_longer_tells_goes_on_by_its_rows(project: Project, kafka: Kafka) -> None:
    topic = kafka.topic(partitions=2)
    declare(project, topic)
    kafka.send(topic, numbered(0, 20))
    project.run("bronze.updates")
    table = project.log("bronze.updates").table
    table.alter.set_table_properties({"delta.checkpointInterval": "50"})  # upkeep, which no run of ours did
    table.create_checkpoint()
    *older, _newest = sorted((project.root / "lake").glob("**/updates/_delta_log/0*.json"))
    for file in older:
        file.unlink()
    kafka.send(topic, numbered(20, 30))
    project.run("bronze.updates")
    assert values(project) == stored(0, 30)


def test_compaction_changes_nothing_that_a_reader_sees(
    project: Project, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{INGEST}.COMPACT_EVERY", 3)
    topic = kafka.topic()
    declare(project, topic)
    for number in range(7):
        kafka.send(topic, numbered(10 * number, 10 * number + 10))
        project.run("bronze.updates")
    assert values(project) == stored(0, 70)
    assert Counter(c.operation for c in project.log("bronze.updates").commits)["OPTIMIZE"] == 2
