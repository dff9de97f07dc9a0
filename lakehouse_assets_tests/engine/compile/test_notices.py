"""People are told of failed runs, failing checks and stale tables of a domain that notifies them, once each."""

from __future__ import annotations

import json
import time

import dagster as dg
import pytest

from lakehouse_assets.engine.alerts.outbox import read_outbox
from lakehouse_assets_tests.project import DOMAIN, Project
from lakehouse_assets_tests.servers.web import Answer, Site

KEY = dg.AssetKey(["shop", "bronze", "orders"])
SMALL = """
@table(landed=files("orders/*"), columns=[Column("id", "string", key=True)])
def orders(landed: DataFrame) -> DataFrame:
    return landed
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """A domain that notifies `ops`, with a table whose key is checked."""
    told = DOMAIN.replace("freshness=", 'notify="ops", freshness=')
    (project.root / project.package / "shop" / "__init__.py").write_text(told)
    project.table("bronze.orders", SMALL)
    return project


def tick(shop: Project, instance: dg.DagsterInstance) -> str:
    loaded = shop.definitions()
    context = dg.build_sensor_context(instance, resources={"lake": (loaded.resources or {})["lake"]})
    found = loaded.resolve_sensor_def("shop_notices").evaluate_tick(context)
    assert not found.run_requests
    return found.skip_message or ""


def sent(hook: Site) -> list[tuple[str, str, str]]:
    bodies = [json.loads(body) for body in hook.sent]
    return [(body["alert"], body["state"], next(iter(body["key"].values()))) for body in bodies]


def fail(instance: dg.DagsterInstance, name: str) -> str:
    """A run of a job that fails; its id."""

    @dg.op
    def broken() -> None:
        raise dg.Failure("the disk is <full>\nreally")

    @dg.job(name=name)
    def job() -> None:
        broken()

    return job.execute_in_process(instance=instance, raise_on_error=False).run_id


def judged(instance: dg.DagsterInstance, passed: bool, severity: dg.AssetCheckSeverity) -> None:
    found = dg.AssetCheckEvaluation(
        asset_key=KEY, check_name="unique_key", passed=passed, severity=severity, metadata={}
    )
    instance.report_runless_asset_event(found)


def test_a_run_that_failed_is_told_of_once_and_no_run_of_another_domain(
    shop: Project, instance: dg.DagsterInstance, hook: Site
) -> None:
    first, _ = fail(instance, "shop"), fail(instance, "airlines")
    assert tick(shop, instance) == "messages sent: 1, waiting: 0"
    assert sent(hook) == [("run_failed", "opened", first)]
    text = json.loads(hook.sent[0])["text"]
    assert text == rf"run {first[:8]} failed; broken: the disk is <full>\nreally"
    assert tick(shop, instance) == "messages sent: 0, waiting: 0"
    second = fail(instance, "shop")
    tick(shop, instance)
    assert sent(hook)[1:] == [("run_failed", "opened", second)]
    outbox = read_outbox(shop.lake.notices("shop"))
    assert outbox is not None
    assert outbox.unfinished().open == []  # it stays failed, and nobody waits for more of it


def test_a_check_that_fails_is_told_of_until_it_passes(shop: Project, instance: dg.DagsterInstance, hook: Site) -> None:
    judged(instance, passed=False, severity=dg.AssetCheckSeverity.WARN)
    tick(shop, instance)
    assert hook.sent == []
    for passed in (False, False, True):
        judged(instance, passed, dg.AssetCheckSeverity.ERROR)
        tick(shop, instance)
        tick(shop, instance)
    assert sent(hook) == [("check_fails", state, "shop.bronze.orders") for state in ("opened", "cleared")]


def test_a_table_that_is_stale_is_told_of_until_it_is_fresh(
    shop: Project, instance: dg.DagsterInstance, hook: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tick(shop, instance) == "messages sent: 0, waiting: 0"  # it was never made
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY))
    tick(shop, instance)
    assert hook.sent == []
    now, ahead = time.time, 25 * 3600
    monkeypatch.setattr("lakehouse_assets.engine.compile.notices.found.time.time", lambda: now() + ahead)
    tick(shop, instance)
    tick(shop, instance)
    assert sent(hook) == [("stale", "opened", "shop.bronze.orders")]
    assert "more than 1 day, 0:00:00 ago" in json.loads(hook.sent[0])["text"]
    ahead = 0
    tick(shop, instance)
    assert sent(hook)[1:] == [("stale", "cleared", "shop.bronze.orders")]


def test_what_waits_is_sent_by_a_later_tick(shop: Project, instance: dg.DagsterInstance, hook: Site) -> None:
    hook.pages["/s3cret"] = Answer(status=503)
    fail(instance, "shop_live")
    assert tick(shop, instance) == "messages sent: 0, waiting: 1"
    hook.pages["/s3cret"] = Answer(b"ok")
    assert tick(shop, instance) == "messages sent: 1, waiting: 0"


def test_a_domain_that_tells_nobody_has_no_sensor(project: Project) -> None:
    project.table("bronze.orders", SMALL)
    assert "shop_notices" not in [sensor.name for sensor in project.definitions().sensors or ()]
