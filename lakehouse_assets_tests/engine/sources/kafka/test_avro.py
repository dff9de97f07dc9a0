"""Messages in Avro: by a schema or a registry's; what isn't what its schema says waits, and the others come in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from socket import socket
from typing import Any

import pytest

from lakehouse_assets.engine import avro
from lakehouse_assets.engine.errors import SettingsError, StreamUnavailable
from lakehouse_assets.engine.sources.kafka.schema_registry import schemas_of
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.kafka import Kafka
from lakehouse_assets_tests.servers.schema_registry import Registry, Schema, running, written
from lakehouse_assets_tests.servers.web import Answer, serving, talking

PRICE: Schema = {
    "type": "record", "name": "Price", "namespace": "shop",
    "fields": [{"name": "product", "type": "string"}, {"name": "cents", "type": "long"},
               {"name": "tags", "type": {"type": "array", "items": "int"}}],
}  # fmt: skip
# In the next version a field has gone, one has a wider type, and one is new.
NEXT: Schema = {
    "type": "record", "name": "Price", "namespace": "shop",
    "fields": [{"name": "product", "type": "string"}, {"name": "cents", "type": "double"},
               {"name": "till", "type": ["null", "string"], "default": None}],
}  # fmt: skip
PRICES = """
@table(messages="bronze.updates", columns=[Column("product", "string", key=True), Column("cents", "double"), {more}],
       write=merge(on="product", newest="_offset"))
def prices(messages: DataFrame) -> DataFrame:
    told = messages.select(avro("value", {by}).alias("told"), "_source", "_offset")
    return told.selectExpr("told.product", "double(told.cents) AS cents", {more_sql}, "_source", "_offset")
"""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with running() as it:
        monkeypatch.setenv("LAKEHOUSE_SCHEMA_REGISTRY", it.url)
        yield it


def price(product: str, cents: int = 100, **more: Any) -> dict[str, Any]:
    return {"product": product, "cents": cents, "tags": [1, 2], **more}


def length(number: int) -> bytes:
    """A number as Avro writes lengths."""
    number, told = number << 1, b""
    while number >= 128:
        number, told = number >> 7, told + bytes([number & 127 | 128])
    return told + bytes([number])


def sources(topic: str, *offsets: int) -> list[str]:
    return sorted(f"{topic}/0@{offset}" for offset in offsets)


def test_what_is_not_what_the_schema_says_waits_in_quarantine_and_the_others_come_in(
    project: Project, kafka: Kafka
) -> None:
    topic = kafka.topic()
    project.table("bronze.updates", f'updates = kafka("{topic}")')
    of_tags = {"more": 'Column("tags", "int")', "more_sql": '"size(told.tags) AS tags"'}
    project.table("silver.prices", PRICES.format(by=repr(json.dumps(PRICE)), **of_tags))
    good = [written(PRICE, price(f"p{n}", n)) for n in range(3)]
    begun, two_gb = length(2) + b"p9" + length(1), 2**31 - 10
    wrong = [b"", b'{"product": "p9"}', good[0][:-1], good[0] + b"\x00", begun + length(two_gb) + b"\x02",
             length(two_gb) + b"p9", begun + length(2**40), None]  # fmt: skip
    kafka.send(topic, [*good, *wrong])
    for name in ("bronze.updates", "silver.prices"):
        project.run(name)
    assert project.rows("silver.prices", "product", "cents", "tags") == [(f"p{n}", float(n), 2) for n in range(3)]
    assert [s for (s,) in project.rejected("silver.prices", "source")] == sources(topic, *range(3, 11))


def test_each_message_is_read_by_its_own_version_and_told_as_the_newest(
    project: Project, kafka: Kafka, registry: Registry
) -> None:
    topic = kafka.topic()
    project.table("bronze.updates", f'updates = kafka("{topic}")')
    of_till = {"more": 'Column("till", "string")', "more_sql": '"told.till"'}
    first = registry.register("prices-value", PRICE)
    unread = registry.register("others-value", PRICE)
    second = registry.register("prices-value", NEXT)
    project.table("silver.prices", PRICES.format(by='subject="prices-value"', **of_till))
    kafka.send(topic, [
        written(NEXT, {"product": "new", "cents": 1.5, "till": "t1"}, second), written(PRICE, price("old"), first),
        written(PRICE, price("other"), unread), written(PRICE, price("bare")),
        b"\x01" + written(PRICE, price("no"), first)[1:],
    ])  # fmt: skip
    for name in ("bronze.updates", "silver.prices"):
        project.run(name)
    told = [("new", 1.5, "t1"), ("old", 100.0, None)]
    assert project.rows("silver.prices", "product", "cents", "till") == told
    assert [s for (s,) in project.rejected("silver.prices", "source")] == sources(topic, 2, 3, 4)
    # A version is there before its first message, and is known to the run that reads it; a deleted one still is.
    registry.subjects["prices-value"][0].deleted = True
    third = registry.register("prices-value", {**NEXT, "doc": "The third."})
    kafka.send(topic, [written(NEXT, {"product": "newer", "cents": 2.0}, third), written(PRICE, price("older"), first)])
    for name in ("bronze.updates", "silver.prices"):
        project.run(name)
    assert project.rows("silver.prices", "product", "cents", "till") == sorted(
        [*told, ("newer", 2.0, None), ("older", 100.0, None)], key=repr
    )
    # One whose schema came later is taken in by a rebuild, as bronze has its bytes.
    registry.subjects["prices-value"] += [registry.subjects["others-value"][0], registry.subjects["prices-value"][2]]
    project.run("silver.prices", full=True)
    assert ("other", 100.0, None) in project.rows("silver.prices", "product", "cents", "till")


def test_a_registry_is_asked_for_a_version_once_and_for_the_list_each_time(registry: Registry) -> None:
    registry.register("a/b-value", PRICE)
    assert schemas_of("a/b-value") == schemas_of("a/b-value")
    assert len([path for path in registry.asked if "/versions/1" in path]) == 1
    assert len([path for path in registry.asked if path.endswith("/versions")]) == 2


def test_a_registry_that_cannot_be_asked_is_told_without_its_password(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StreamUnavailable, match=r"it answers 404, Subject 'none' not found\.; see that it's there"):
        schemas_of("none")
    registry.register("proto", {}, schemaType="PROTOBUF")
    with pytest.raises(StreamUnavailable, match="it's PROTOBUF and not Avro"):
        schemas_of("proto")
    registry.register("parts", PRICE, references=[{"name": "shop.Tag", "subject": "tag", "version": 1}])
    with pytest.raises(StreamUnavailable, match="refer to other subjects"):
        schemas_of("parts")
    monkeypatch.setenv("LAKEHOUSE_SCHEMA_REGISTRY", registry.url.replace("reader", "stranger"))
    with pytest.raises(StreamUnavailable, match="it answers 401, Unauthorized") as refused:
        schemas_of("none")
    assert "p%40ss" not in str(refused.value)
    with serving() as site:
        monkeypatch.setenv("LAKEHOUSE_SCHEMA_REGISTRY_OPS", site.url)
        site.pages["/subjects/x/versions"] = Answer(b"<html>", 500)
        with pytest.raises(StreamUnavailable, match="it answers 500"):
            schemas_of("x", "ops")
    with pytest.raises(StreamUnavailable, match="it gives no answer"):
        schemas_of("x", "ops")
    with talking(say_nothing) as silent:
        monkeypatch.setenv("LAKEHOUSE_SCHEMA_REGISTRY_OPS", silent)
        monkeypatch.setattr("lakehouse_assets.engine.sources.kafka.schema_registry.ANSWER_SECONDS", 0.2)
        with pytest.raises(StreamUnavailable, match=r"it gives no answer \(ReadTimeout\)"):
            schemas_of("x", "ops")
    for unusable in ("", "registry:8081"):
        monkeypatch.setenv("LAKEHOUSE_SCHEMA_REGISTRY", unusable)
        with pytest.raises(SettingsError, match="LAKEHOUSE_SCHEMA_REGISTRY isn't set to the address"):
            schemas_of("x")


def say_nothing(connection: socket) -> None:
    """Until who asked has gone."""
    connection.recv(1)


def test_avro_without_a_schema_or_with_two_is_refused() -> None:
    for told in ({}, {"schema": "{}", "subject": "x"}):
        with pytest.raises(ValueError, match="name one of the two"):
            avro("value", **told)
