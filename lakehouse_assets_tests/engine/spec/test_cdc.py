"""Change feeds as databases' connectors wrote them: what they come to is what Python makes of the same messages."""

from __future__ import annotations

import base64
import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.soak import some

SILVER = """
@table(raw="bronze.feed")
def changes(raw: DataFrame) -> DataFrame:
    return {form}(raw, {columns}, key={key!r})
"""


def captured(folder: Path, form: str) -> Iterator[dict[str, Any]]:
    """The messages in the files of a connector's captures; a licence and a lost line at their heads aren't messages."""
    with tarfile.open(folder / f"paimon_kafka_{form}.tar.gz") as archive:
        for member in sorted(archive.getmembers(), key=lambda m: m.name):
            file = archive.extractfile(member)
            lines = file.read().decode().splitlines() if file else []
            yield from (json.loads(ln, parse_float=str, parse_int=str) for ln in lines if ln.startswith("{"))


def images(form: str, message: dict[str, Any]) -> list[tuple[dict[str, Any], bool]]:
    """The rows a message has, and whether it deletes them."""
    if form == "debezium":
        payload = message.get("payload", message)
        gone = payload["op"] == "d"
        image = payload["before"] if gone else payload["after"]
        return [({name: _decimal(value, scales(message).get(name)) for name, value in image.items()}, gone)]
    if form == "canal":
        return [(row, message["type"] == "DELETE") for row in ([] if message.get("isDdl") else message["data"])]
    return [(message["data"], message["type"] == "delete")]


def scales(message: dict[str, Any]) -> dict[str, int]:
    """The decimals that a message's schema says are bytes, with their scale."""
    schemas = [s for s in (message.get("schema") or {}).get("fields", []) if s["field"] in ("before", "after")]
    fields = [f for s in schemas for f in s["fields"] if f.get("name") == "org.apache.kafka.connect.data.Decimal"]
    return {f["field"]: int(f["parameters"]["scale"]) for f in fields}


def _decimal(value: Any, scale: int | None) -> Any:
    """Its bytes as a decimal; some captures, which someone wrote by hand, have the decimal itself."""
    if scale is None or not isinstance(value, str):
        return value
    try:
        number = int.from_bytes(base64.b64decode(value, validate=True), "big", signed=True)
    except ValueError:
        return value
    return f"{Decimal(f'{number}E-{scale}'):f}"


# Rows that are there after a change, and deleted rows. Canal has 93 messages of changes, some with several rows.
COUNTS = {"debezium": (46, 2), "canal": (97, 3), "maxwell": (37, 1)}


@pytest.mark.parametrize("form", COUNTS)
def test_each_captured_change_is_an_event_with_its_row(project: Project, shared_data: Path, form: str) -> None:
    # By shape of message, and apart where names differ only in case, which one table can't have.
    shapes: dict[tuple[bool, bool], list[dict[str, Any]]] = {}
    for message in captured(shared_data / "cdc", form):
        names = [c for image, _ in images(form, message) for c in image]
        shapes.setdefault(("payload" in message, any(c != c.lower() for c in names)), []).append(message)
    counted = Counter(gone for messages in shapes.values() for m in messages for _, gone in images(form, m))
    assert (counted[False], counted[True]) == COUNTS[form]
    for number, messages in enumerate(shapes.values()):
        found, wanted = _taken_in(project, form, number, messages)
        assert found == wanted


def _taken_in(
    project: Project, form: str, number: int, messages: list[dict[str, Any]]
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The events our function makes of the messages, and those that Python does."""
    wanted = [pair for message in messages for pair in images(form, message)]
    # Delta takes no column called `$% ^,& *(.`, as one of the captures has, and one of K1 and k1.
    names = dict.fromkeys(c for image, _ in wanted for c in image if re.fullmatch(r"\w+", c))
    columns = list({name.lower(): name for name in names}.values())
    project.bronze(f"feed{number}", 'format="jsonl"')
    text = SILVER.format(form=form, columns=columns, key=columns[0]).replace("bronze.feed", f"bronze.feed{number}")
    project.table(f"silver.changes{number}", text.replace("def changes", f"def changes{number}"))
    project.land(f"feed{number}/1.jsonl", "\n".join(json.dumps(m) for m in messages))
    project.run(f"bronze.feed{number}")
    project.run(f"silver.changes{number}")
    found = project.rows(f"silver.changes{number}", *columns, "_deleted")
    as_text = [(*(_text(image.get(c)) for c in columns), gone) for image, gone in wanted]
    return sorted((*map(_text, row[:-1]), row[-1]) for row in found), sorted(as_text)


def _text(value: Any) -> str:
    """A value as one text, whatever spaces nested JSON has."""
    nested = json.loads(value) if isinstance(value, str) and value[:1] in "{[" else value
    return json.dumps(nested) if not isinstance(nested, bool) else f'"{str(nested).lower()}"'


def debezium(op: str, before: int | None, after: int | None, file: str, pos: int) -> dict[str, Any]:
    source = {"ts_ms": 2000 if op == "d" else 1000, "file": file, "pos": pos}
    return {"op": op, "before": before and row(before), "after": after and row(after), "source": source}


def canal(kind: str, number: int, *rows: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, Any]:
    time, said = 2000 if kind == "DELETE" else 1000, {"type": kind, "isDdl": kind == "ALTER"}
    return {"data": list(rows) or None, "old": [old] if old else None, "es": time, "id": number, **said}


def maxwell(kind: str, xid: int, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": kind, "ts": 2 if kind == "delete" else 1, "xid": xid, "data": data, **more}


def row(number: int) -> dict[str, Any]:
    return {"id": number, "name": "x" if number < 3 else "z"}


FEEDS = {
    "debezium": [
        debezium("c", None, 1, "b.1", 5),
        debezium("u", 1, 2, "b.1", 7),
        debezium("d", 3, None, "b.2", 4),
        debezium("c", None, 3, "b.1", 9),
    ],
    "canal": [
        canal("INSERT", 1, row(1), row(3)),
        canal("UPDATE", 2, row(2), old={"id": 1}),
        canal("ALTER", 3),
        canal("DELETE", 4, row(3)),
    ],
    "maxwell": [
        maxwell("insert", 1, row(1), xoffset=0),
        maxwell("insert", 1, row(3), commit=True),
        maxwell("update", 2, row(2), old={"id": 1}, commit=True),
        maxwell("delete", 3, row(3), commit=True),
    ],
}
CURRENT = """
@table(raw="bronze.feed", columns=[Column("id", "int", key=True), Column("name", "string", nullable=False)],
       write=merge(on="id", newest=["_changed_at", "_position"], delete_when="_deleted"))
def current(raw: DataFrame) -> DataFrame:
    return {form}(raw, ["id", "name"], key="id").withColumn("id", F.col("id").try_cast("int"))
"""


@pytest.mark.parametrize(("form", "backwards"), some([(f, b) for b in (True, False) for f in FEEDS], 4))
def test_a_changed_key_leaves_the_old_one_and_a_deleted_row_stays_away(project: Project, form: str, backwards: bool):
    """In each feed row 1 becomes row 2, and row 3 is made and deleted."""
    project.bronze("feed", 'format="jsonl"')
    project.table("silver.current", CURRENT.format(form=form))
    for number, message in enumerate(reversed(FEEDS[form]) if backwards else FEEDS[form]):
        project.land(f"feed/{number}.jsonl", json.dumps(message))
        if number % 2:
            project.run("bronze.feed")
            project.run("silver.current")
    assert project.rows("silver.current", "id", "name") == [(2, "x")]


def test_a_message_that_is_not_understood_is_in_quarantine_with_the_reason(project: Project) -> None:
    project.bronze("feed", 'format="jsonl"')
    project.table("silver.current", CURRENT.format(form="debezium"))
    good, strange = FEEDS["debezium"][0], {"op": "c", "before": None, "after": "not a row", "source": {"ts_ms": 1}}
    project.land("feed/1.jsonl", f"{json.dumps(good)}\n{json.dumps(strange)}\n")
    project.run("bronze.feed")
    project.run("silver.current")
    assert project.rows("silver.current", "id", "name") == [(1, "x")]
    ((broken, row),) = project.rejected("silver.current", "broken", "row")
    assert "position_known" in broken
    assert "no image" in json.loads(row)["_problem"]
