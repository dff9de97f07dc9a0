"""Change events from a topic make the tables that the same events make from files, in whatever order they come."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import product
from random import Random
from typing import Any

import pytest

from lakehouse_assets import engine
from lakehouse_assets.engine import avro
from lakehouse_assets.private.pyspark import explained
from lakehouse_assets_tests.engine.modes.test_cdc_order import CURRENT, FEEDS, debezium, land
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.kafka import Kafka
from lakehouse_assets_tests.servers.schema_registry import Schema, running, written

WRONG: list[bytes | str | None] = [b"\xff\x00", '{"op": "c", "type": "insert"', "[1]", "a word", ""]
IMAGE: Schema = {"type": "record", "name": "Value", "fields": [
    {"name": "id", "type": "int"}, {"name": "name", "type": "string"},
    {"name": "doc", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}]},
]}  # fmt: skip
ENVELOPE: Schema = {"type": "record", "name": "Envelope", "fields": [
    {"name": "before", "type": ["null", IMAGE]}, {"name": "after", "type": ["null", "Value"]},
    {"name": "op", "type": "string"},
    {"name": "source", "type": {"type": "record", "name": "Source", "fields": [
        {"name": "ts_ms", "type": "long"}, {"name": "lsn", "type": ["null", "long"], "default": None}]}},
]}  # fmt: skip


def problems(project: Project, name: str) -> list[str]:
    return sorted(json.loads(row)["_problem"] for (row,) in project.rejected(name, "row"))


def declare(project: Project, topic: str, form: str) -> None:
    project.table("bronze.updates", f'updates = kafka("{topic}")')
    for mode in ("merge", "history"):
        told = CURRENT.format(form=form, mode=mode, name=f"live_{mode}").replace("bronze.feed", "bronze.updates")
        project.table(f"silver.live_{mode}", told)
        project.table(f"silver.filed_{mode}", CURRENT.format(form=form, mode=mode, name=f"filed_{mode}"))


@pytest.mark.parametrize("form", FEEDS)
def test_a_topic_gives_what_files_give(project: Project, kafka: Kafka, form: str) -> None:
    changes, silent, rejected = FEEDS[form]
    topic = kafka.topic(partitions=2)
    project.bronze("feed", 'format="jsonl"')
    declare(project, topic, form)
    arriving = [*(m for messages in changes for m in messages), *silent, *(m for _, m in rejected)]
    land(project, 1, arriving)
    texts: list[bytes | str | None] = [None if m is None else json.dumps(m) for m in [*arriving, *arriving[::3]]]
    Random(2).shuffle(texts)
    kafka.send(topic, [*texts, *WRONG], key="k", headers=[("h", b"\x01")])
    project.run("bronze.updates")
    for way, mode in product(("live", "filed"), ("merge", "history")):
        project.run(f"silver.{way}_{mode}")
    for mode, columns in (("merge", ()), ("history", ("valid_from", "valid_to", "is_current"))):
        rows = [project.rows(f"silver.{way}_{mode}", "id", "name", "doc", *columns) for way in ("live", "filed")]
        assert rows[0] == rows[1]
        assert len(rows[0]) > 2
        live, filed = (problems(project, f"silver.{way}_{mode}") for way in ("live", "filed"))
        assert set(live) == {*filed, "it isn't a change event of this connector; look at the row in bronze"}
        assert len(live) >= len(filed) + len(WRONG)


def test_debezium_in_avro_is_read_with_its_decimals(
    project: Project, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = kafka.topic()
    project.table("bronze.updates", f'updates = kafka("{topic}")')
    told = CURRENT.format(form="debezium", mode="merge", name="current").replace("bronze.feed", "bronze.updates")
    as_json = 'F.coalesce(F.to_json(avro("value", subject="changes-value")), F.base64("value"))'
    project.table("silver.current", told.replace("debezium(raw", f'debezium(raw.withColumn("value", {as_json})'))
    with running() as registry:
        monkeypatch.setenv("LAKEHOUSE_SCHEMA_REGISTRY", registry.url)
        number = registry.register("changes-value", ENVELOPE)
        events: list[Any] = [debezium("u", 1, "last", lsn=30), debezium("c", 1, "first", lsn=10),
                             debezium("c", 2, "gone", lsn=11), debezium("d", 2, "gone", lsn=20)]  # fmt: skip
        for image in filter(None, (event[side] for event in events for side in ("before", "after"))):
            image["doc"] = Decimal("12345678.90") if image["name"] == "last" else None
        messages = [written(ENVELOPE, event, number) for event in events]
        kafka.send(topic, [*messages, None, b"garbage"])
        for name in ("bronze.updates", "silver.current"):
            project.run(name)
    assert project.rows("silver.current", "id", "name", "doc") == [(1, "last", "12345678.90")]
    assert [s for (s,) in project.rejected("silver.current", "source")] == [f"{topic}/0@5"]


@pytest.mark.parametrize("form", FEEDS)
def test_a_message_is_read_once_whatever_is_asked_of_it(project: Project, form: str) -> None:
    from pyspark.sql import functions as F

    some = project.context().session().range(3).selectExpr("binary(string(id)) AS value", "array() AS headers")
    read = some.withColumn("value", F.to_json(avro("value", ENVELOPE)))
    changes = getattr(engine, form)(read, ["id", "name", "doc"], key="id").where("_problem IS NULL AND id > 1")
    _, _, optimized = explained(changes).partition("== Optimized Logical Plan ==")
    assert optimized.partition("== Physical Plan ==")[0].count("from_avro(") == 1
