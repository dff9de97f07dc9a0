"""Requests and reports go through JSON as they are, so that a run may be anywhere."""

from __future__ import annotations

from dataclasses import replace

import dagster as dg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse_assets.engine.compile.assets import Runner, build_asset
from lakehouse_assets.engine.compile.names import op_name
from lakehouse_assets.engine.context import Context
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.run.materialize import materialize
from lakehouse_assets.engine.run.plain_json import from_json, to_json
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets.engine.run.request import Request
from lakehouse_assets_tests.project import Project


@given(st.from_type(Request))
def test_a_request_comes_back_as_it_went(request: Request) -> None:
    assert from_json(Request, to_json(request)) == request


# What is no number isn't equal to itself.
st.register_type_strategy(float, st.floats(allow_nan=False))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.from_type(Report), st.floats(0, 1e9))
def test_a_report_comes_back_as_it_went(report: Report, seconds: float) -> None:
    report = replace(report, seconds=seconds)
    text = to_json(report)
    assert "\n" not in text
    assert from_json(Report, text) == report


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"table": 3}', '{"table": "a", "more": 1}', '{"table": "a", "days": ["x"]}']
)
def test_what_is_no_request_is_refused_by_its_text(text: str) -> None:
    with pytest.raises(
        LakehouseError, match=r"Reading the request of a run: .* use one version of this project on both"
    ):
        from_json(Request, text)


TABLE = """
@table(raw="bronze.orders", write=merge(on="id"), checks=[volume()],
       columns=[Column("id", "int", key=True), Column("amount", "int")], expect=[drop("amount > 0"), warn("id < 3")])
def orders(raw: DataFrame) -> DataFrame:
    return raw.selectExpr("int(id) id", "int(amount) amount")
"""


def elsewhere(project: Project) -> Runner:
    """What carries a request out on the far side of a line: only text goes over it."""

    def run(request: Request, _: dg.AssetExecutionContext) -> Report:
        asked = from_json(Request, to_json(request))
        context = Context(project.lakehouse, project.lake, project.engine.session)
        return from_json(Report, to_json(materialize(asked, context)))

    return Runner(run, frozenset({"spark", "lake"}))


def told(project: Project, name: str, runner: Runner | None, **options: bool | str) -> list[object]:
    """What Dagster has of a run: of what each event is, and its metadata but for what is another in each run."""
    lakehouse, key = project.lakehouse, f"shop.{name}"
    asset = build_asset(lakehouse.tables[key], lakehouse, runner)
    config = {"ops": {op_name(key): {"config": options}}}
    done = dg.materialize([asset], resources=project.resources, run_config=config, raise_on_error=False)
    events = [*done.get_asset_materialization_events(), *done.get_asset_check_evaluations()]
    return [_told(event, project) for event in events] + [done.success]


def _told(event: dg.DagsterEvent | dg.AssetCheckEvaluation, project: Project) -> object:
    of = event if isinstance(event, dg.AssetCheckEvaluation) else event.materialization
    metadata = {name: repr(value).replace(str(project.root), "") for name, value in of.metadata.items()}
    anew = {"seconds", "delta_version", "bytes"} | ({"preview", "reason"} if "_batch" in str(metadata) else set())
    kept = {name: value for name, value in metadata.items() if name not in anew}
    return type(of).__name__, getattr(of, "check_name", ""), getattr(of, "passed", None), of.description, kept


def test_a_run_elsewhere_is_told_as_one_in_this_process(project: Project) -> None:
    project.bronze("orders")
    project.table("silver.orders", TABLE)
    project.land("orders/1.csv", "id,amount\n1,5\n2,-1\n3,7\n")
    project.land("orders/2.csv", b"\x00\x00")
    near = {name: told(project, name, None, full_refresh=True) for name in ("bronze.orders", "silver.orders")}
    far = {name: told(project, name, elsewhere(project), full_refresh=True) for name in near}
    assert far == near
    assert len(near["silver.orders"]) == 7
    for name, expected in near.items():
        assert told(project, name, elsewhere(project)) == told(project, name, None) != expected
