"""`lakehouse alerts`, `lakehouse notify`, and what `lakehouse run` and `lakehouse doctor` say of alerts."""

from __future__ import annotations

import json
import re

import pytest

from lakehouse_assets_tests.cli.command import Command
from lakehouse_assets_tests.servers.web import Answer, Site

DELAYS = """
@table(landed=files("delays/*"), columns=[Column("flight", "string", key=True), Column("delay", "string")],
       alerts=[alert("delay = 'late'", to="ops", says="{flight} is late", name="late")])
def delays(landed: DataFrame) -> DataFrame:
    return landed
"""


def test_what_is_open_and_what_waits_is_shown_and_sent_by_a_run_with_nothing_to_do(
    command: Command, hook: Site
) -> None:
    project = command.project
    project.table("bronze.delays", DELAYS)
    project.land("delays/1.csv", "flight,delay\n\x1b[31mSK1,late\nSK2,\n")
    hook.pages["/s3cret"] = Answer(status=503)
    done = command("run")
    assert done.code == 0, done
    assert "! Telling ops (LAKEHOUSE_NOTIFY_OPS, 127.0.0.1): it answered 503 Service Unavailable" in done.out
    shown = command("alerts").out
    assert r"shop.bronze.delays  late   ops  \x1b[31mSK1 is late" in shown
    assert "Open episodes: 1. Messages that wait to be sent: 1." in shown
    hook.pages["/s3cret"] = Answer(b"ok")
    assert command("run").out.startswith("Nothing new")
    assert [json.loads(body)["state"] for body in hook.sent][-1] == "opened"
    assert "Open episodes: 1. Messages that wait to be sent: 0." in command("alerts", "bronze.delays").out
    assert "s3cret" not in f"{done}{shown}"


def test_without_a_channel_the_terminal_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAKEHOUSE_NOTIFY_OPS", raising=False)
    command.project.table("bronze.delays", DELAYS)
    command.project.land("delays/1.csv", "flight,delay\nSK1,late\n")
    assert "! Alert: SK1 is late; about shop.bronze.delays" in command("run").out
    assert "SK1" not in command("run").out


def test_a_channel_is_tried_and_named_by_doctor_without_its_address(command: Command, hook: Site) -> None:
    command.project.table("bronze.delays", DELAYS)
    assert command("notify", "ops").out == "ops (LAKEHOUSE_NOTIFY_OPS, 127.0.0.1) took the message.\n"
    assert json.loads(hook.sent[0])["state"] == "test"
    hook.pages["/s3cret"] = Answer(status=404)
    refused = command("notify", "ops")
    assert (refused.code, "it answered 404 Not Found" in refused.out) == (1, True)
    unset = command("notify", "others")
    assert (unset.code, "LAKEHOUSE_NOTIFY_OTHERS isn't set" in unset.out) == (1, True)
    told = command("doctor").out
    assert re.search(r"✓ +LAKEHOUSE_NOTIFY_OPS +set", told)
    assert re.search(r"✓ +channel ops +webhook: ops \(LAKEHOUSE_NOTIFY_OPS, 127.0.0.1\)", told)
    assert "s3cret" not in f"{refused}{told}"


def test_a_channel_that_cannot_be_understood_is_a_line_of_doctor(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command.project.table("bronze.delays", DELAYS)
    monkeypatch.setenv("LAKEHOUSE_NOTIFY_OPS", "s3cret")
    said = command("doctor")
    assert said.code == 1
    assert re.search(r"✗ +channel ops +Reading LAKEHOUSE_NOTIFY_OPS: it's neither", said.out)
    assert "s3cret" not in said.out
