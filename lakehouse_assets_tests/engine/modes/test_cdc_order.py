"""Change events in the order in which their databases committed them, whatever their times say and as they arrive."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from lakehouse_assets.testing import Expected, deliveries
from lakehouse_assets_tests.project import Project

CURRENT = """
@table(raw="bronze.feed", columns=[Column("id", "int", key=True), Column("name", "string"), Column("doc", "string")],
       write={mode}(on="id", newest=["_changed_at", "_position"], delete_when="_deleted"))
def {name}(raw: DataFrame) -> DataFrame:
    return {form}(raw, ["id", "name", "doc"], key="id").withColumn("id", F.col("id").try_cast("int"))
"""
Message = dict[str, Any]
PLACEHOLDER = "__debezium_unavailable_value"


def row(key: int | None, name: str, doc: Any = None) -> Message:
    return {"id": key, "name": name, "doc": doc}


def debezium(
    op: str, key: int | None, name: str, doc: Any = None, before: Message | None = None, **source: Any
) -> Message:
    image = row(key, name, doc)
    old, new = (before or image, None) if op == "d" else (before, image)
    return {"op": op, "before": old, "after": new, "source": {"ts_ms": 1000, **source}}


def lsn(commit: str, change: str, serial: int | None = 1) -> Message:
    return {
        "commit_lsn": f"00000027:{commit}",
        "change_lsn": change and f"00000027:{change}",
        "event_serial_no": serial,
    }


# By key, the changes of a row in the order in which they were committed.
DEBEZIUM: list[list[Message]] = [
    # SQL Server: two changes in a transaction; a deletion and an insertion in one; numbers of other lengths; a read.
    [debezium("c", 1, "z first", **lsn("00000758:0005", "00000758:0003")),
     debezium("u", 1, "a last", **lsn("00000758:0005", "00000758:0004", 2))],
    [debezium("c", 2, "old", **lsn("00000700:0005", "00000700:0003")),
     debezium("d", 2, "old", **lsn("00000759:0005", "00000759:0003")),
     debezium("c", 2, "again", **lsn("00000759:0005", "00000759:0004"))],
    [debezium("r", 3, "z read", **lsn("00000759:0005", "", None)),
     debezium("u", 3, "a read after", **lsn("00000759:0005", "00000758:0004"))],
    [debezium("u", 4, "z", **lsn("9:9", "9:9")), debezium("u", 4, "a longer", **lsn("10:1", "10:1"))],
    # MySQL: the files' numbers, one whose statement waited, the rows of an event, and a read at the place of a change.
    [debezium("u", 5, "older", file="mysql-bin.999999", pos=900, row=0),
     debezium("u", 5, "newer", file="mysql-bin.1000000", pos=4, row=0)],
    [debezium("c", 6, "start", file="b.000001", pos=4, row=0),
     debezium("u", 6, "by T2", file="b.000001", pos=300, row=0, ts_ms=15000),
     debezium("u", 6, "by T1, which waited", file="b.000001", pos=700, row=0, ts_ms=10000)],
    [debezium("u", 7, "z", file="b.1", pos=5, row=9), debezium("u", 7, "a", file="b.1", pos=5, row=10)],
    [debezium("r", 8, "z", file="b.1", pos=5, row=0, ts_ms=9000, snapshot="true"),
     debezium("u", 8, "a", file="b.1", pos=5, row=0)],
    # PostgreSQL: a read told late, a read as a creation, commits that interleave, numbers as the server writes them.
    [debezium("r", 9, "as of the snapshot", lsn=100, snapshot="true", ts_ms=5000),
     debezium("u", 9, "changed meanwhile", lsn=150, snapshot="false", ts_ms=4000)],
    [debezium("c", 10, "z read", lsn=150, snapshot="last", ts_ms=5000), debezium("u", 10, "a", lsn=150, ts_ms=4000)],
    [debezium("u", 11, "z", lsn=20, sequence='["25","20"]'), debezium("u", 11, "a", lsn=10, sequence='["40","10"]')],
    [debezium("r", 12, "z", lsn=100), debezium("u", 12, "a", lsn=150, sequence='["90","150"]')],
    [debezium("u", 13, "z", lsn="F/FFFFFFFF"), debezium("u", 13, "a", lsn="10/0"),
     debezium("u", 13, "b", lsn=2**36 + 1)],
    # Oracle: beyond 64 bits, by commit and then by the record.
    [debezium("u", 14, "z", scn="99999999999999999999", commit_scn="99999999999999999999"),
     debezium("u", 14, "a", scn="5", commit_scn="100000000000000000000")],
    [debezium("u", 15, "z", scn="7", commit_scn="8", rs_id=" 0x000075.00000c8a.0010 ", ssn=0),
     debezium("u", 15, "a", scn="7", commit_scn="8", rs_id=" 0x000075.00000c8b.0010 ", ssn=0),
     debezium("u", 15, "b", scn="7", commit_scn="8", rs_id=" 0x000075.00000c8b.0010 ", ssn=1)],
    # MongoDB: the order within a second; a document as text.
    [debezium("u", 16, "z", ord=9), debezium("u", 16, "a", ord=10)],
    [{"op": "c", "after": '{"id": 17, "name": {"$numberDecimal": "1.10"}}', "source": {"ts_ms": 1, "ord": 1}}],
    # What is unavailable is in `before`; a read of no place is below all.
    [debezium("c", 18, "old", "LONG TEXT", lsn=10),
     debezium("u", 18, "new", PLACEHOLDER, before=row(18, "old", "LONG TEXT"), lsn=20)],
    [debezium("r", 19, "z", ts_ms=9000), debezium("u", 19, "a", lsn=1)],
]  # fmt: skip
# Messages that are no events, and others that can't be taken, by what the reason says of them.
SILENT: list[Any] = [
    None, {}, {"schema": None, "payload": None}, {"schema": {"type": "struct"}, "payload": None}, {"ts_ms": 7},
    {"payload": {"ts_ms": 7}}, {"op": "m", "source": {"lsn": 4}}, {"status": "BEGIN", "id": "571", "event_count": None},
    {"source": {"file": "b.1"}, "ddl": "ALTER TABLE t", "databaseName": "d"},
]  # fmt: skip
REJECTED: list[tuple[str, Any]] = [
    ("TRUNCATE", {"op": "t", "before": None, "after": None, "source": {"lsn": 9}}),
    ("TRUNCATE", {"source": {"file": "b.1"}, "ddl": "truncate table t", "databaseName": "d"}),
    ("no image", {"op": "d", "before": None, "after": None, "source": {"lsn": 9}}),
    ("no key", debezium("u", None, "keyless", lsn=9)),
    ("place", debezium("u", 51, "placeless", ts_ms=5)),
    ("place", debezium("u", 52, "no number", file="binlog", pos=4)),
    ("place", debezium("u", 53, "half a place", commit_lsn="00000027:00000758:0005")),
    ("part of the document", {"op": "u", "after": None, "patch": '{"$set": {}}', "source": {"ord": 1, "ts_ms": 1}}),
    ("isn't a change event", {"hello": "world"}),
    ("isn't a change event", {"op": "x", "source": {"lsn": 9}}),
]  # fmt: skip


def canal(kind: str, ts: int, number: int | None, *rows: Message, **more: Any) -> Message:
    return {
        "type": kind,
        "es": more.pop("es", 1000),
        "ts": ts,
        "id": number,
        "isDdl": False,
        "data": list(rows) or None,
        **more,
    }


CANAL: list[list[Message]] = [
    # One that waited; rows of one statement; Canal started again; exact numbers that it doesn't quote.
    [canal("INSERT", 5, 9, row(1, "by T2"), es=15000), canal("UPDATE", 6, 10, row(1, "by T1"), es=10000)],
    [canal("INSERT", 5, 9, row(2, "z"), row(2, "a"))],
    [canal("INSERT", 5, 500, row(3, "z")), canal("UPDATE", 9, 1, row(3, "a"))],
]
CANAL_REJECTED: list[tuple[str, Any]] = [
    ("TRUNCATE", canal("TRUNCATE", 5, 1, isDdl=True)),
    ("no image", canal("DELETE", 5, 1)),
    ("place", canal("INSERT", 5, None, row(51, "x"))),
    ("isn't a change event", {"id": 1}),
]


def maxwell(kind: str, data: Message | None, **more: Any) -> Message:
    return {"database": "d", "table": "t", "type": kind, "ts": 1, "data": data, **more}


MAXWELL: list[list[Message]] = [
    [maxwell("insert", row(1, "by T2"), ts=15, xid=9, position="m.000009:900"),
     maxwell("update", row(1, "by T1"), ts=10, xid=8, position="m.000010:4")],
    [maxwell("insert", row(2, "z"), xid=9, xoffset=9), maxwell("update", row(2, "b"), xid=9, xoffset=10),
     maxwell("update", row(2, "a"), xid=9, commit=True)],
    [maxwell("bootstrap-insert", row(3, "z"), ts=9), maxwell("update", row(3, "a"), xid=1)],
]  # fmt: skip
MAXWELL_SILENT = [maxwell("bootstrap-start", {}), maxwell("bootstrap-complete", {}), maxwell("table-alter", None, ts=2)]
MAXWELL_REJECTED: list[tuple[str, Any]] = [
    ("place", maxwell("insert", row(51, "x"))),
    ("isn't a change event", maxwell("control", None)),
]
FEEDS = {
    "debezium": (DEBEZIUM, SILENT, REJECTED),
    "canal": (CANAL, [None, {}, canal("ALTER", 5, 1, isDdl=True), canal("QUERY", 5, 1)], CANAL_REJECTED),
    "maxwell": (MAXWELL, [None, *MAXWELL_SILENT], MAXWELL_REJECTED),
}


def land(project: Project, number: int, messages: list[Any]) -> None:
    project.land(f"feed/{number}.jsonl", "".join(json.dumps(m) + "\n" for m in messages))
    project.run("bronze.feed")


def last_name(messages: list[Message]) -> str:
    """What the last message of a row calls it."""
    last = messages[-1]
    image = last["after"] if "after" in last else last["data"]
    return str((image[-1] if isinstance(image, list) else image)["name"])


@pytest.mark.parametrize("form", FEEDS)
def test_the_last_commit_of_a_row_wins_in_any_order_and_what_has_no_place_is_rejected(
    project: Project, form: str
) -> None:
    changes, silent, rejected = FEEDS[form]
    project.bronze("feed", 'format="jsonl"')
    project.table("silver.current", CURRENT.format(form=form, mode="merge", name="current"))
    arriving = [*(m for messages in changes for m in messages), *silent, *(m for _, m in rejected)]
    # Each second message wears an envelope, as when the connector's schemas are switched off midway.
    if form == "debezium":
        arriving = [
            {"schema": {"type": "struct"}, "payload": m} if m and "op" in m and i % 2 else m
            for i, m in enumerate(arriving)
        ]
    Random(1).shuffle(arriving)
    for number in range(2):
        land(project, number, arriving[number::2])
        project.run("silver.current")
    wanted = {key: last_name(messages) for key, messages in enumerate(changes, 1) if key != 17}
    found = dict(project.rows("silver.current", "id", "name"))
    assert {key: name for key, name in found.items() if key != 17} == wanted
    assert form != "debezium" or found[17] == "1.10"
    assert form != "debezium" or (18, "LONG TEXT") in project.rows("silver.current", "id", "doc")
    kept = project.rejected("silver.current", "broken", "row")
    assert all("position_known" in broken for broken, _ in kept)
    reasons = sorted(json.loads(text)["_problem"] for _, text in kept)
    unsaid = list(reasons)
    for said, _ in rejected:
        unsaid.remove(next(reason for reason in unsaid if said in reason))
    assert unsaid == []


def test_a_message_that_comes_as_the_text_of_a_column_is_the_same_change(project: Project) -> None:
    project.bronze("feed", 'format="jsonl"')
    project.table("silver.current", CURRENT.format(form="debezium", mode="merge", name="current"))
    messages: list[Message] = [debezium("c", 1, "first", lsn=1), debezium("u", 1, "last", lsn=2)]
    enveloped = {"schema": {"type": "struct"}, "payload": debezium("c", 2, "enveloped", lsn=3)}
    land(project, 1, [{"value": json.dumps(m)} for m in (*messages, enveloped)] + [{"value": None}])
    project.run("silver.current")
    assert project.rows("silver.current", "id", "name") == [(1, "last"), (2, "enveloped")]
    assert project.rejected("silver.current") == []


def in_base64(number: int, size: int) -> str:
    return base64.b64encode(number.to_bytes(size, "big", signed=True)).decode()


def test_decimals_arrive_exact_from_numbers_texts_and_bytes(project: Project) -> None:
    project.bronze("feed", 'format="jsonl"')
    for form in ("debezium", "maxwell"):
        text = CURRENT.format(form=form, mode="merge", name=f"of_{form}").replace(
            'Column("doc", "string")', 'Column("doc", "decimal(38,6)")'
        )
        text = text.replace(
            'try_cast("int"))', 'try_cast("int")).withColumn("doc", F.col("doc").try_cast("decimal(38,6)"))'
        )
        project.table(f"silver.of_{form}", text)
    exact = "12345678901234567.891234"
    values = [0, 1, -1, 127, 128, -128, -129, 255, 256, 10**31, -(10**31), 10**38 - 1, 1 - 10**38, 2**64, -(2**64), 5]
    decimal = {
        "field": "doc",
        "type": "bytes",
        "name": "org.apache.kafka.connect.data.Decimal",
        "parameters": {"scale": "6"},
    }
    various = {"field": "doc", "type": "struct", "name": "io.debezium.data.VariableScaleDecimal"}
    schema = {
        "type": "struct",
        "fields": [{"field": f, "fields": [{"field": "id"}, decimal]} for f in ("before", "after")],
    }
    messages = [
        {"schema": schema, "payload": debezium("c", key, "", in_base64(value, 17), lsn=1)}
        for key, value in enumerate(values)
    ]
    structs = {"type": "struct", "fields": [{"field": "after", "fields": [various]}]}
    of_two, of_less = ({"scale": scale, "value": in_base64(-5, 1)} for scale in (2, -2))
    messages += [{"schema": structs, "payload": debezium("c", 30, "", of_two, lsn=1)}]
    messages += [{"schema": structs, "payload": debezium("c", 31, "", of_less, lsn=1)}]
    messages += [
        debezium("c", 32, "", exact, lsn=1),
        {"schema": schema, "payload": debezium("c", 33, "", in_base64(10**38, 17), lsn=1)},
    ]
    lines = [json.dumps(m) for m in messages] + [json.dumps(debezium("c", 34, "", "@", lsn=1)).replace('"@"', exact)]
    lines += [json.dumps(maxwell("insert", row(1, "", "@"), xid=1, commit=True)).replace('"@"', exact)]
    project.land("feed/1.jsonl", "\n".join(lines))
    for name in ("bronze.feed", "silver.of_debezium", "silver.of_maxwell"):
        project.run(name)
    fitting = {k: Decimal(f"{v}E-6") for k, v in enumerate(values)}
    wanted = {**fitting, 30: Decimal("-0.05"), 31: Decimal(-500), 32: Decimal(exact), 34: Decimal(exact)}
    assert dict(project.rows("silver.of_debezium", "id", "doc")) == wanted
    assert project.rows("silver.of_maxwell", "id", "doc") == [(1, Decimal(exact))]
    problems = [json.loads(text)["_problem"] for (text,) in project.rejected("silver.of_debezium", "row")]
    assert sum("38 digits" in problem for problem in problems) == 1


def test_versions_follow_the_log_and_begin_at_their_time_but_never_before_one_they_follow(project: Project) -> None:
    """Held against the plain-Python model, with times that often disagree with the places, in two batches."""
    random = Random(2)
    log = [
        debezium(random.choice("uuud"), random.randrange(8), random.choice("abc"), file="b.1", pos=pos, row=0,
                 ts_ms=1000 * random.randrange(6))
        for pos in range(60)
    ]  # fmt: skip
    project.bronze("feed", 'format="jsonl"')
    project.table("silver.versions", CURRENT.format(form="debezium", mode="history", name="versions"))
    for number, batch in enumerate(deliveries(log, 2, random)):
        land(project, number, batch)
        project.run("silver.versions")
    events = [
        {
            **(m["after"] or m["before"]),
            "_changed_at": m["source"]["ts_ms"],
            "_position": m["source"]["pos"],
            "op": m["op"],
        }
        for m in log
    ]
    model = Expected(["id"], ["_changed_at", "_position"], ["name"], lambda e: e["op"] == "d")
    wanted = [
        (v["id"], v["name"], v["valid_from"], v["valid_to"] or -1, v["is_current"]) for v in model.versions(events)
    ]
    found = [
        (key, name, _millis(start), _millis(end), current)
        for key, name, start, end, current in project.rows(
            "silver.versions", "id", "name", "valid_from", "valid_to", "is_current"
        )
    ]
    assert sorted(found) == sorted(wanted)
    assert any(e["_changed_at"] > later["_changed_at"] for e, later in pairwise(events))


def _millis(time: Any) -> int:
    return -1 if time is None else round(time.timestamp() * 1000)
