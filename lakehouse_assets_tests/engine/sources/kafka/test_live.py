"""A continuous run: messages come in as they are sent, and so does what is made of them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import dagster as dg
import pytest

from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError, WriteConflict
from lakehouse_assets.engine.run.live import Live, Tell, run_live
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.engine.compile.sensors import Sensor
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.kafka import Kafka
from lakehouse_assets_tests.servers.waiting import wait_until

LATEST = """
@table(raw="bronze.updates", write=merge(on="name", newest=["n", "_offset"]), expect=[{expect}],
       columns=[Column("name", "string", key=True), Column("n", "int")])
def latest(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("from_json(string(value), 'name string, n int') m", "_offset").selectExpr("m.*", "_offset")
"""
BY_N = """
by_n = sql_table(rows="silver.latest", write=refresh(by="n"), sql="SELECT n, count(*) AS names FROM rows GROUP BY n",
                 columns=[Column("n", "int", key=True), Column("names", "bigint")])
"""


READINGS = """
@table(raw="bronze.updates", write=append(), columns=[Column("name", "string"), Column("n", "int")])
def readings(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("from_json(string(value), 'name string, n int') m").select("m.*")
"""
# It says that it's being made, and goes on once the topic's table has two messages.
PATIENT = """
import time
from pathlib import Path
@table(raw="bronze.updates", write=append(), columns=[Column("n", "int")])
def patient(raw: DataFrame) -> DataFrame:
    from deltalake import DeltaTable
    Path({mark!r}).touch()
    until = time.monotonic() + 60
    while DeltaTable({bronze!r}).count() < 2:
        assert time.monotonic() < until
    return raw.selectExpr("from_json(string(value), 'name string, n int') m").select("m.n")
"""
# It says that it's being made, and goes on once the other says so.
MEETING = """
import time
from pathlib import Path
@table(raw="bronze.updates", write=append(), columns=[Column("n", "int")])
def {name}(raw: DataFrame) -> DataFrame:
    Path({root!r}, "{name}").touch()
    until = time.monotonic() + 60
    while not Path({root!r}, "{other}").exists():
        assert time.monotonic() < until, "the other isn't being made"
        time.sleep(0.01)
    return raw.selectExpr("from_json(string(value), 'name string, n int') m").select("m.n")
"""
BOTH = """
both = sql_table(ours="silver.here", theirs="silver.there", write=refresh(by="n"),
                 sql="SELECT n, count(*) AS pairs FROM ours JOIN theirs USING (n) GROUP BY n",
                 columns=[Column("n", "int", key=True), Column("pairs", "bigint")])
"""
TOTALS = """
totals = sql_table(rows="silver.readings", write=refresh(by="name"),
                   sql="SELECT name, count(*) AS messages FROM rows GROUP BY name",
                   columns=[Column("name", "string", key=True), Column("messages", "bigint")])
"""


def declare(project: Project, topic: str, expect: str = "") -> None:
    project.table("bronze.updates", f'updates = kafka("{topic}", continuous=True)')
    project.table("silver.latest", LATEST.format(expect=expect))
    project.table("gold.by_n", BY_N)


def sent(kafka: Kafka, topic: str, names: str, n: int) -> None:
    kafka.send(topic, [f'{{"name": "{name}", "n": {n}}}' for name in names])


def rows(project: Project, name: str, *columns: str) -> Callable[[], list[tuple[object, ...]]]:
    from lakehouse_assets.engine.lake.delta_log import read_log

    def found() -> list[tuple[object, ...]]:
        there = read_log(project.lake.table(f"shop.{name}"))
        return project.rows(name, *columns) if there else []

    return found


@contextmanager
def running(project: Project) -> Iterator[list[tuple[str, Report | LakehouseError]]]:
    """The loop in a thread of its own; what it told of."""
    told, stop, context = list[tuple[str, Report | LakehouseError]](), threading.Event(), project.context()
    live = Live.of("shop", context.lakehouse)
    loop = threading.Thread(
        target=run_live, args=(live, context, lambda key, found: told.append((key, found)), lambda: not stop.is_set())
    )
    loop.start()
    try:
        yield told
    finally:
        stop.set()
        loop.join()


def test_what_is_sent_is_in_gold_without_a_run_being_asked_for(project: Project, kafka: Kafka) -> None:
    topic = kafka.topic(partitions=2)
    declare(project, topic)
    with running(project):
        gold = rows(project, "gold.by_n", "n", "names")
        sent(kafka, topic, "abc", 1)
        wait_until(lambda: gold() == [(1, 3)], 60)
        sent(kafka, topic, "bd", 2)
        wait_until(lambda: gold() == [(1, 2), (2, 2)], 60)
    assert len(project.rows("bronze.updates")) == 5


def test_messages_come_in_while_a_table_is_made(project: Project, kafka: Kafka) -> None:
    topic, mark = kafka.topic(), project.root / "mark"
    project.table("bronze.updates", f'updates = kafka("{topic}", continuous=True)')
    bronze = project.lake.table("shop.bronze.updates").path
    project.table("silver.patient", PATIENT.format(bronze=bronze, mark=str(mark)))
    sent(kafka, topic, "a", 1)
    with running(project) as told:
        wait_until(mark.exists, 60)
        sent(kafka, topic, "b", 2)
        wait_until(lambda: sorted(rows(project, "silver.patient", "n")()) == [(1,), (2,)], 60)
    assert not any(isinstance(found, LakehouseError) for _, found in told)


def test_tables_that_do_not_read_one_another_are_made_side_by_side(project: Project, kafka: Kafka) -> None:
    topic, root = kafka.topic(), str(project.root)
    project.table("bronze.updates", f'updates = kafka("{topic}", continuous=True)')
    project.table("silver.here", MEETING.format(name="here", other="there", root=root))
    project.table("silver.there", MEETING.format(name="there", other="here", root=root))
    project.table("gold.both", BOTH)
    with running(project) as told:
        sent(kafka, topic, "a", 1)
        wait_until(lambda: rows(project, "gold.both", "n", "pairs")() == [(1, 1)], 90)
        sent(kafka, topic, "bc", 2)
        wait_until(lambda: rows(project, "gold.both", "n", "pairs")() == [(1, 1), (2, 4)], 60)
    assert not any(isinstance(found, LakehouseError) for _, found in told)


def test_an_interrupted_loop_does_not_wait_for_a_table(project: Project, kafka: Kafka) -> None:
    topic, root = kafka.topic(), project.root
    project.table("bronze.updates", f'updates = kafka("{topic}", continuous=True)')
    project.table("silver.here", MEETING.format(name="here", other="there", root=str(root)))
    sent(kafka, topic, "a", 1)
    context, main = project.context(), threading.get_ident()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt() -> None:
        wait_until((root / "here").exists, 60)
        signal.pthread_kill(main, signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_live(Live.of("shop", context.lakehouse), context, lambda *_: None, lambda: True)
    finally:
        interrupting.join()
        signal.signal(signal.SIGINT, before)
    assert rows(project, "silver.here")() == []
    (root / "there").touch()
    wait_until(lambda: rows(project, "silver.here", "n")() == [(1,)], 60)


def test_a_table_that_fails_is_tried_again_and_messages_come_in_meanwhile(
    project: Project, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakehouse_assets.engine.run.live.FIRST_RETRY_SECONDS", 0.1)
    topic = kafka.topic()
    declare(project, topic, expect='fail("n < 10", name="small")')
    with running(project) as told:
        sent(kafka, topic, "a", 1)
        wait_until(lambda: rows(project, "silver.latest")() != [], 60)
        sent(kafka, topic, "b", 11)
        wait_until(lambda: sum(isinstance(found, LakehouseError) for _, found in told) >= 2, 60)
        sent(kafka, topic, "c", 1)
        wait_until(lambda: len(project.rows("bronze.updates")) == 3, 60)
    assert {key for key, found in told if isinstance(found, LakehouseError)} == {"shop.silver.latest"}
    assert project.rows("silver.latest", "name") == [("a",)]


def test_dagster_shows_the_run_and_keeps_one_alive(
    project: Project, kafka: Kafka, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = kafka.topic()
    declare(project, topic, expect='drop("n < 10", name="small"), drop("name <> \'c\'", name="no_c")')
    sent(kafka, topic, "ab", 1)
    sent(kafka, topic, "c", 1)
    gold, wanted = rows(project, "gold.by_n", "names"), [(2,)]

    def until_gold(live: Live, context: Context, tell: Tell, _goes_on: object) -> None:
        run_live(live, context, tell, lambda: gold() != wanted)

    monkeypatch.setattr("lakehouse_assets.engine.run.live.run_live", until_gold)  # in place of an hour
    sensor = Sensor(project.definitions(), "shop_live", instance)
    (request,) = sensor.tick().run_requests
    done = sensor.run(request)
    assert done.success
    made = {m.asset_key.path[-1]: m.materialization.metadata for m in done.get_asset_materialization_events()}
    assert {*made} == {"updates", "latest", "by_n"}
    assert made["updates"]["messages"].value == 3
    verdicts = {it.check_name: it.passed for it in done.get_asset_check_evaluations()}
    assert {name for name, passed in verdicts.items() if not passed} == {"no_c"}
    assert {name for name, passed in verdicts.items() if passed} == {
        "small",
        "name_not_null",
        "n_not_null",
        "unique_key",
    }
    latencies = [float(str(made[name]["latency_seconds"].value)) for name in ("updates", "latest", "by_n")]
    assert 0 < latencies[0] < latencies[1] < latencies[2] < 120
    # It ended well, so the next is asked for at once.
    (again,) = sensor.tick().run_requests
    assert again.tags == request.tags
    sent(kafka, topic, "d", 1)  # while there is no run
    wanted = [(3,)]
    assert sensor.run(again).success
    with instance_with_a_run(instance, request.tags):
        assert "still under way" in str(sensor.tick().skip_message)


def test_a_check_that_begins_to_fail_is_told_of_at_once(
    project: Project, kafka: Kafka, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, taken = kafka.topic(), rows(project, "silver.latest", "name")
    declare(project, topic, expect='drop("n < 10", name="small")')
    sent(kafka, topic, "a", 1)
    steps = iter([("b", 2, [("a",)]), ("c", 10, [("a",), ("b",)])])

    def until_rejected(live: Live, context: Context, tell: Tell, _goes_on: object) -> None:
        def told(key: str, found: Report | LakehouseError) -> None:
            tell(key, found)
            if key == "shop.silver.latest" and taken() and (step := next(steps, None)):
                name, n, there = step
                assert taken() == there
                sent(kafka, topic, name, n)

        run_live(live, context, told, lambda: project.rejected("silver.latest") == [])

    monkeypatch.setattr("lakehouse_assets.engine.run.live.run_live", until_rejected)  # in place of an hour
    sensor = Sensor(project.definitions(), "shop_live", instance)
    done = sensor.run(sensor.tick().run_requests[0])
    small = [it.passed for it in done.get_asset_check_evaluations() if it.check_name == "small"]
    assert small == [True, False]  # nothing is told of the second batch, which was as good as the first
    latest = [it for it in done.get_asset_materialization_events() if it.asset_key.path[-1] == "latest"]
    assert [it.materialization.metadata["rows_since_it_was_told"].value for it in latest] == [1, 2]


def test_two_continuous_runs_and_others_at_once_count_each_message_once(
    project: Project, kafka: Kafka, command: Command
) -> None:
    topic = kafka.topic(partitions=2)
    declare(project, topic)
    project.table("silver.readings", READINGS)
    project.table("gold.totals", TOTALS)
    with command.started("stream", "shop"), command.started("stream", "shop"):
        for n in range(5):
            sent(kafka, topic, "abc", n)
            with suppress(WriteConflict):  # the others were quicker each time
                project.run("silver.readings")
        wait_until(lambda: rows(project, "gold.totals", "messages")() == [(5,)] * 3, 120)
    assert len(project.rows("bronze.updates")) == len(project.rows("silver.readings")) == 15
    assert project.rows("silver.latest", "name", "n") == [("a", 4), ("b", 4), ("c", 4)]


def test_no_run_is_started_while_nothing_says_where_the_topic_is(
    project: Project, kafka: Kafka, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(project, kafka.topic())
    sensor = Sensor(project.definitions(), "shop_live", instance)
    monkeypatch.delenv("LAKEHOUSE_KAFKA")
    assert sensor.tick().skip_message == "LAKEHOUSE_KAFKA isn't set, so nothing is read"
    monkeypatch.setenv("LAKEHOUSE_KAFKA", kafka.address)
    assert len(sensor.tick().run_requests) == 1


@contextmanager
def instance_with_a_run(instance: dg.DagsterInstance, tags: dict[str, str]) -> Iterator[None]:
    """A run with these tags that is under way."""

    @dg.job
    def shop_live() -> None: ...

    run = instance.create_run_for_job(shop_live, tags=tags, status=dg.DagsterRunStatus.STARTED)
    yield
    instance.delete_run(run.run_id)
