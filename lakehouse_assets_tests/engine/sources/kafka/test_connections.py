"""Where topics are is told by a variable; who can't be reached or refuses us is told within seconds."""

from __future__ import annotations

import re

import pytest

from lakehouse_assets.engine import kafka as kafka_table
from lakehouse_assets.engine.errors import SettingsError, StreamUnavailable
from lakehouse_assets.engine.sources.kafka.connection import connection
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.engine.sources.kafka.updates import declare, numbered, stored, values
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.kafka import PASSWORD, USER, Kafka


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ('{{"bootstrap.servers": "{secured}", "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", '
         '"sasl.username": "reader", "sasl.password": "wrong"}}', "the credentials in LAKEHOUSE_KAFKA aren't taken"),
        ("127.0.0.1:1", "no broker answers"),
        ("no.such.host.invalid:9092", "no broker answers"),
    ],
)  # fmt: skip
def test_who_cannot_be_reached_or_does_not_let_us_in_is_told_within_seconds(
    project: Project, kafka: Kafka, told: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from time import monotonic

    declare(project, kafka.topic())
    monkeypatch.setenv("LAKEHOUSE_KAFKA", told.format(secured=kafka.secured))
    begun = monotonic()
    with pytest.raises(StreamUnavailable, match=reason):
        project.run("bronze.updates")
    assert monotonic() - begun < 9


def test_a_user_with_a_password_is_let_in(project: Project, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = kafka.topic()
    declare(project, topic)
    kafka.send(topic, numbered(0, 3))
    monkeypatch.setenv(
        "LAKEHOUSE_KAFKA",
        f'{{"bootstrap.servers": "{kafka.secured}", "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", '
        f'"sasl.username": "{USER}", "sasl.password": "{PASSWORD}"}}',
    )
    project.run("bronze.updates")
    assert values(project) == stored(0, 3)


def test_a_topic_that_is_not_there_is_named(project: Project) -> None:
    declare(project, "no-such-topic")
    with pytest.raises(StreamUnavailable, match=r"'no-such-topic' at .*: there is no such topic"):
        project.run("bronze.updates")


def test_the_doctor_tells_of_each_topic(
    project: Project, kafka: Kafka, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = kafka.topic(partitions=2)
    declare(project, topic)
    kafka.send(topic, numbered(0, 5))
    assert re.search(rf"✓ +topic {topic} +2 partitions, and 5 offsets", command("doctor").out)
    monkeypatch.setenv("LAKEHOUSE_KAFKA", "127.0.0.1:1")
    told = command("doctor")
    assert (told.code, bool(re.search(rf"✗ +topic {topic} .*no broker answers", told.out))) == (1, True)
    monkeypatch.delenv("LAKEHOUSE_KAFKA")
    assert re.search(rf"topic {topic} +LAKEHOUSE_KAFKA isn't set", command("doctor").out)


def test_a_table_whose_topic_is_nowhere_waits(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(project, "anything")
    monkeypatch.delenv("LAKEHOUSE_KAFKA")
    assert project.run("bronze.updates").plan.reason == "LAKEHOUSE_KAFKA isn't set, so nothing is read"
    assert project.plan("bronze.updates").strategy == "nothing"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("one:9092,two:9093", {"bootstrap.servers": "one:9092,two:9093"}),
        ("Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=read;SharedAccessKey=a=b=",
         {"bootstrap.servers": "ns.servicebus.windows.net:9093", "security.protocol": "SASL_SSL",
          "sasl.mechanism": "PLAIN", "sasl.username": "$ConnectionString",
          "sasl.password": "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=read;SharedAccessKey=a=b="}),
        ('{"bootstrap.servers": "one:9093", "ssl.ca.location": "/ca.pem"}',
         {"bootstrap.servers": "one:9093", "ssl.ca.location": "/ca.pem"}),
    ],
)  # fmt: skip
def test_a_variable_says_where_topics_are(told: str, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_KAFKA_OPS", told)
    found = connection("ops")
    assert dict(found.properties) == expected
    assert "password" not in repr(found)
    assert "SharedAccessKey" not in repr(found)


def test_an_event_hub_without_a_key_is_asked_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_KAFKA", "ns.servicebus.windows.net")
    found = connection().properties
    assert found["sasl.mechanism"] == "OAUTHBEARER"
    assert callable(found["oauth_cb"])


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("somewhere", "it's neither host:port"),
        ("{", "it begins as JSON, and isn't any"),
        ('{"sasl.mechanism": "PLAIN"}', "it names no bootstrap.servers"),
        ('{"bootstrap.servers": "a:1", "group.id": "mine"}', "group.id would be told twice"),
        ("Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=read", "it lacks a part"),
        ("Endpoint=;SharedAccessKeyName=read;SharedAccessKey=x", "it lacks a part"),
    ],
)
def test_a_variable_that_cannot_be_understood_is_told_without_what_it_says(
    told: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_KAFKA", told)
    with pytest.raises(SettingsError, match=re.escape(reason)) as error:
        connection()
    assert told == "{" or told not in str(error.value)


@pytest.mark.parametrize("every", ["", "1", "0m", "1d", "m", "-1m", "1.5m"])
def test_a_time_that_is_none_is_refused(every: str) -> None:
    with pytest.raises(ValueError, match="is no time; write it as '30s', '1m' or '2h'"):
        kafka_table("topic", every=every)
