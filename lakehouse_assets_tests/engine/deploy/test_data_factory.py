"""Pipelines of Data Factory, made from declarations: they are what its own models know, and they land the files."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from azure.mgmt.datafactory import models

from lakehouse_assets.engine.deploy.data_factory import factory_files
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.resources.data_factory import DataFactoryResource
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets.settings import PROJECT
from lakehouse_assets_tests.conftest import new_project
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.servers.data_factory import RESOURCE_ID, Service, factory
from lakehouse_assets_tests.servers.web import Answer, Site, serving

Json = dict[str, Any]
MODELS = {
    "pipeline": models.PipelineResource,
    "dataset": models.DatasetResource,
    "linkedService": models.LinkedServiceResource,
}
# What the SDK makes of a kind that it doesn't know.
BASES = (models.Activity, models.Dataset, models.LinkedService, models.CopySource, models.CopySink)
PEOPLE = """
@table(landed=http("${SITE}/people.csv", "${SITE}/more/people.csv", headers={"Authorization": "Bearer ${TOKEN}"}))
def people(landed: DataFrame) -> DataFrame:
    return landed
"""
PAGES = """
@table(landed=http("${SITE}/api/orders", pages=True, format="json", headers={"X-Key": "it's ${TOKEN}"}))
def orders(landed: DataFrame) -> DataFrame:
    return landed
"""
ROWS = """
@table(landed=extract(
    "SELECT id, name FROM customers WHERE changed_at >= '${SINCE}' AND name <> 'it''s'", "${SERVER}", "sales"))
def customers(landed: DataFrame) -> DataFrame:
    return landed
"""


class Feeds:
    """A lakehouse of three tables in a container, whose files a Data Factory lands."""

    def __init__(self, project: Project, service: Service, site: Site, instance: dg.DagsterInstance) -> None:
        self.project, self.service, self.site, self.instance = project, service, site, instance
        for name, text in (("people", PEOPLE), ("orders", PAGES), ("customers", ROWS)):
            project.table(f"bronze.{name}", text)
        service.published = factory_files(project.lakehouse)
        project.factory = DataFactoryResource(
            factory=RESOURCE_ID, landing=project.lake.landing, management=service.url, poll_seconds=0.01
        )

    def land(self, name: str) -> dg.ExecuteInProcessResult:
        """Materialise a landing folder, and the table that reads it."""
        job = self.project.definitions().resolve_implicit_global_asset_job_def()
        keys = [dg.AssetKey(["shop", layer, name]) for layer in ("landing", "bronze")]
        return job.execute_in_process(instance=self.instance, asset_selection=keys, raise_on_error=False)

    def metadata(self, name: str) -> dict[str, Any]:
        """What the last copy said of itself."""
        event = self.instance.get_latest_materialization_event(dg.AssetKey(["shop", "landing", name]))
        assert event is not None
        assert event.asset_materialization is not None
        return {key: value.value for key, value in event.asset_materialization.metadata.items()}

    def failure(self, done: dg.ExecuteInProcessResult) -> str:
        (event,) = [e for e in done.all_events if e.is_step_failure]
        return str(event.step_failure_data.user_failure_data.description)


@pytest.fixture
def feeds(
    tmp_path: Path,
    container: str,
    azure_engine: SparkResource,
    monkeypatch: pytest.MonkeyPatch,
    instance: dg.DagsterInstance,
) -> Iterator[Feeds]:
    with factory(tmp_path) as service, serving() as site:
        token = {"access_token": service.token, "expires_on": "4000000000", "token_type": "Bearer"}
        site.pages["/identity"] = lambda headers: Answer(
            json.dumps(token).encode(),
            200 if headers["X-IDENTITY-HEADER"] == "a machine of Azure" else 403,
        )
        told = {
            "REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem"), "IDENTITY_ENDPOINT": f"{site.url}/identity",
            "IDENTITY_HEADER": "a machine of Azure", "SITE": site.url, "TOKEN": "s3cret", "SERVER": "sql.example",
        }  # fmt: skip
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        with new_project(tmp_path, azure_engine, monkeypatch, container) as project:
            yield Feeds(project, service, site, instance)


def unknown(model: Any, at: str) -> Iterator[str]:
    """What the SDK's models don't know of what was read into them, or miss in it."""
    for name, rule in getattr(model, "_validation", {}).items():
        if rule.get("required") and getattr(model, name, None) is None:
            yield f"{at}: lacks {name}"
    for extra in getattr(model, "additional_properties", None) or {}:
        yield f"{at}: doesn't know {extra}"
    for name in getattr(model, "_attribute_map", {}):
        value = getattr(model, name, None)
        for number, part in enumerate(value if isinstance(value, list) else [value]):
            if hasattr(part, "_attribute_map"):
                if type(part) in BASES:
                    yield f"{at}.{name}[{number}]: is of no kind"
                yield from unknown(part, f"{at}.{name}[{number}]")


def problems(files: dict[str, Json]) -> list[str]:
    """What Data Factory would say of the files when they're published."""
    found = []
    for path, body in files.items():
        kind = path.partition("/")[0]
        found += list(unknown(MODELS[kind].deserialize(body), path))
        declared, text = set(body["properties"].get("parameters", {})), json.dumps(body)
        named = re.findall(r"(?:pipeline\(\)\.parameters|dataset\(\)|linkedService\(\))\.(\w+)", text)
        found += [f"{path}: {name} isn't a parameter" for name in set(named) - declared]
        for word in ("Dataset", "LinkedService"):
            referred = re.findall(rf'"referenceName": "(\w+)", "type": "{word}Reference"', text)
            place = word[0].lower() + word[1:]
            found += [f"{path}: refers to {name}" for name in referred if f"{place}/{name}.json" not in files]
    return found


def test_the_pipelines_in_the_repository_are_those_of_the_declarations() -> None:
    folder = PROJECT / "deploy" / "adf"
    there = {str(f.relative_to(folder)): json.loads(f.read_text()) for f in folder.rglob("*.json")}
    assert there == factory_files(open_lakehouse(strict=True)), "`lakehouse generate` writes them"
    assert len([path for path in there if path.startswith("pipeline/netflix_")]) == 5


def test_the_sdk_knows_all_that_pipelines_say(project: Project) -> None:
    for name, text in (("people", PEOPLE), ("orders", PAGES), ("customers", ROWS)):
        project.table(f"bronze.{name}", text)
    files = factory_files(project.lakehouse)
    assert len(files) == 3 + 6 + 4
    assert problems(files) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"type": "Copy"', '"type": "Copi"', "is of no kind"),
        ('"storeSettings"', '"stareSettings"', "doesn't know stareSettings"),
        ('"referenceName": "landed_file"', '"referenceName": "landed"', "refers to landed"),
        ("parameters.landing_prefix", "parameters.landing_prefiks", "landing_prefiks isn't a parameter"),
        ('"dependencyConditions"', '"conditions"', "lacks dependency_conditions"),
    ],
)
def test_a_slip_in_a_pipeline_would_be_seen(old: str, new: str, told: str) -> None:
    files = factory_files(open_lakehouse(strict=True))
    broken = json.dumps(files["pipeline/netflix_titles.json"]).replace(old, new)
    found = problems({**files, "pipeline/netflix_titles.json": json.loads(broken)})
    assert any(told in problem for problem in found), found


def test_files_are_copied_and_counted_and_become_rows(feeds: Feeds) -> None:
    feeds.site.pages["/people.csv"] = Answer(b"id\n1\n2\n")
    feeds.site.pages["/more/people.csv"] = Answer(b"id\n3\n")
    assert feeds.land("people").success
    (run,) = feeds.service.runs.values()
    assert feeds.project.rows("bronze.people", "id") == [("1",), ("2",), ("3",)]
    (day,) = {source.rpartition("/people/")[2][:11] for (source,) in feeds.project.rows("bronze.people", "_source")}
    assert day == f"{run.started:%Y/%m/%d}/"
    told = feeds.metadata("people")
    assert (told["run_id"], told["files_written"], told["bytes_written"]) == (run.id, 2, 12)
    asked = {path: headers["Authorization"] for path, headers in feeds.site.asked if path != "/identity"}
    assert {path.partition("?")[0]: value for path, value in asked.items() if "people" in path} == {
        "/people.csv": "Bearer s3cret", "/more/people.csv": "Bearer s3cret",
    }  # fmt: skip
    kept = [str(entry) for made in feeds.instance.get_runs() for entry in feeds.instance.all_logs(made.run_id)]
    assert not any("s3cret" in text for text in kept)


def test_pages_of_an_api_are_copied_into_one_file(feeds: Feeds) -> None:
    following = {"Link": f'<{feeds.site.url}/api/orders/2>; rel="next"'}
    feeds.site.pages["/api/orders"] = Answer(b'[{"id": 1}, {"id": 2}]', headers=following)
    feeds.site.pages["/api/orders/2"] = Answer(b'[{"id": 3}]')
    assert feeds.land("orders").success
    assert [int(row) for (row,) in feeds.project.rows("bronze.orders", "id")] == [1, 2, 3]
    assert {h["X-Key"] for path, h in feeds.site.asked if path.startswith("/api")} == {"it's s3cret"}
    assert feeds.metadata("orders")["rows_copied"] == 3


def test_a_query_brings_what_has_changed_since_the_copy_before(feeds: Feeds, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "sales.db")) as database:
        database.sql("CREATE TABLE customers (id int, name text, changed_at text)")
        for row in ("(1, 'Ann', '2020-01-01T00:00:00Z')", "(2, 'it''s', '2020-01-01T00:00:00Z')"):
            database.sql(f"INSERT INTO customers VALUES {row}")
    feeds.service.databases["sql.example", "sales"] = tmp_path / "sales.db"
    assert feeds.land("customers").success
    with duckdb.connect(str(tmp_path / "sales.db")) as database:
        database.sql("INSERT INTO customers VALUES (3, 'Bo', '2999-01-01T00:00:00Z')")
    assert feeds.land("customers").success
    assert feeds.project.rows("bronze.customers", "id", "name") == [(1, "Ann"), (3, "Bo")]
    first, second = feeds.service.runs.values()
    since = [run.parameters["since"] for run in (first, second)]
    assert since == ["1900-01-01T00:00:00Z", f"{first.started:%Y-%m-%dT%H:%M:%SZ}"]


def test_what_fails_says_why_and_what_to_do(feeds: Feeds, monkeypatch: pytest.MonkeyPatch) -> None:
    feeds.site.pages["/people.csv"] = Answer(b"id\n1\n")
    told = feeds.failure(feeds.land("people"))
    assert re.search(r"people: run \S+ of shop_people is Failed: copy: 2200 404 .*/more/people\.csv", told)
    feeds.site.pages["/more/people.csv"] = Answer(b"")
    assert "look: 2200 Validation: the file is empty" in feeds.failure(feeds.land("people"))
    feeds.service.published = {}
    assert "publish the pipelines that `lakehouse generate` writes" in feeds.failure(feeds.land("people"))
    monkeypatch.delenv("TOKEN")
    assert "TOKEN isn't set; the pipeline is told it" in feeds.failure(feeds.land("people"))
    monkeypatch.setenv("TOKEN", "s3cret")
    monkeypatch.setattr(feeds.service, "token", "another")
    assert "give this identity the role Data Factory Contributor" in feeds.failure(feeds.land("people"))
    feeds.site.pages["/identity"] = Answer(status=500)
    assert "look at the network, or run it again later" in feeds.failure(feeds.land("people"))


def test_a_run_that_is_broken_off_breaks_off_the_pipeline(feeds: Feeds, monkeypatch: pytest.MonkeyPatch) -> None:
    feeds.service.stuck = True
    answer = feeds.service.answer

    def broken_off(method: str, path: str, body: Json, token: str) -> tuple[int, Json]:
        """As if a person terminated the run while it waits."""
        if any(run.status == "InProgress" for run in feeds.service.runs.values()) and method == "GET":
            signal.raise_signal(signal.SIGINT)
        return answer(method, path, body, token)

    monkeypatch.setattr(feeds.service, "answer", broken_off)
    assert not feeds.land("people").success
    assert [run.status for run in feeds.service.runs.values()] == ["Cancelled"]


BAD_COPY = {"activityName": "copy", "activityType": "Copy", "status": "Succeeded"}
Answering = Callable[[str, str, Json, str], tuple[int, Any]]
BAD_ANSWERS = [
    ("createRun", {}),
    ("createRun", {"runId": ""}),
    ("createRun", []),
    ("", {"status": None}),
    ("", {"status": "Pondering"}),
    ("", {"status": "Succeeded", "runStart": "yesterday"}),
    ("", {"status": "Succeeded", "durationInMs": "long"}),
    ("", "a text"),
    ("queryActivityruns", {"value": "x"}),
    ("queryActivityruns", {"value": [{**BAD_COPY, "output": "x"}]}),
    ("queryActivityruns", {"value": [{**BAD_COPY, "output": {"rowsCopied": "many"}}]}),
    ("queryActivityruns", {"value": [{**BAD_COPY, "output": {"dataWritten": -1}}]}),
    ("queryActivityruns", {"value": [{**BAD_COPY, "output": {"filesWritten": 2**70}}]}),
]


def answering_wrongly(answer: Answering, route: str, bad: Any) -> Answering:
    """The factory's answers, but for one route, or where none is given for all that is read."""

    def wrong(method: str, path: str, body: Json, token: str) -> tuple[int, Any]:
        status, right = answer(method, path, body, token)
        asked = path.endswith(route) if route else method == "GET"
        return status, bad if asked else right

    return wrong


def test_an_answer_that_cannot_be_understood_is_told_and_waited_for_no_longer(
    feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = feeds.service.answer
    for page in ("/people.csv", "/more/people.csv"):
        feeds.site.pages[page] = Answer(b"id\n1\n")
    for route, bad in BAD_ANSWERS:
        monkeypatch.setattr(feeds.service, "answer", answering_wrongly(answer, route, bad))
        assert "Landing files " in feeds.failure(feeds.land("people")), (route, bad)
    monkeypatch.setattr(feeds.service, "answer", answer)
    assert feeds.land("people").success
