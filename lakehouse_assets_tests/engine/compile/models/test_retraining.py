"""Drift breaks a check in Dagster, which carries it on, and asks for a training once."""

from __future__ import annotations

import dagster as dg
import pytest

from lakehouse_assets.engine.registry.versions import versions
from lakehouse_assets_tests.engine.compile.sensors import Sensor
from lakehouse_assets_tests.engine.models.visits import built, declare_model, visits
from lakehouse_assets_tests.project import Project

EAGER = "retrain_on_drift=True, every=timedelta(0)"
SCORES = dg.AssetKey(["shop", "gold", "likely"])


@pytest.fixture
def shop(learning: Project) -> Project:
    built(learning, 500)
    declare_model(learning, bound="0.5", more=EAGER)
    file = learning.root / learning.package / "shop" / "models" / "purchase.py"
    file.write_text(file.read_text().replace("from pyspark", "from datetime import timedelta\nfrom pyspark", 1))
    return learning


def drift(shop: Project, instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    """What a run of the domain's job says of the check."""
    made = shop.definitions().resolve_job_def("shop").execute_in_process(instance=instance, raise_on_error=False)
    assert made.success
    (found,) = [it for it in made.get_asset_check_evaluations() if it.check_name == "drift"]
    return found


def drifting() -> str:
    lines = visits(900, first=500, seed=3).splitlines()
    told = [line.split(",") for line in lines[1:]]
    return "\n".join([lines[0], *(",".join([v, str(int(p) + 15), *rest]) for v, p, *rest in told)]) + "\n"


def test_a_broken_check_has_the_model_trained_and_its_rows_scored_once(
    shop: Project, instance: dg.DagsterInstance
) -> None:
    first = drift(shop, instance)
    assert (first.passed, first.metadata["model_version"].value) == (True, 1)
    sensor = Sensor(shop.definitions(), "shop_retraining", instance)
    assert sensor.tick().run_requests == []

    # Its own training would see the new rows too, so what is new is scored by a run without it.
    shop.land("visits/2.csv", drifting())
    made = shop.definitions().resolve_job_def("shop")
    without = [dg.AssetKey(["shop", *name.split(".")]) for name in ("bronze.visits", "silver.visits", "gold.likely")]
    ran = made.execute_in_process(instance=instance, asset_selection=without)
    (broken,) = [it for it in ran.get_asset_check_evaluations() if it.check_name == "drift"]
    assert (broken.passed, broken.severity, broken.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    assert "pages: PSI" in str(broken.metadata["found"].value)
    assert "| pages |" in str(broken.metadata["figures"].value)
    assert "](data:image/png;base64,iVBOR" in str(broken.metadata["plot"].value)

    again = made.execute_in_process(instance=instance, asset_selection=without[2:])  # with nothing to do
    (carried,) = [it for it in again.get_asset_check_evaluations() if it.check_name == "drift"]
    assert (carried.passed, carried.metadata["judged_at"]) == (False, broken.metadata["judged_at"])

    (request,) = sensor.tick().run_requests
    assert [*request.asset_selection] == [dg.AssetKey(["shop", "models", "purchase"]), SCORES]
    trained = sensor.run(request)
    assert trained.success
    assert [it.number for it in versions(shop.lake.registry, "shop.models.purchase")] == [2, 1]
    assert sensor.tick().run_requests == []
    last = Sensor(shop.definitions(), "shop_retraining", instance)  # which remembers nothing
    assert last.tick().run_requests == []


def test_a_model_that_doesnt_ask_for_it_has_no_such_sensor(learning: Project) -> None:
    built(learning)
    assert [it.name for it in learning.definitions().sensors or ()] == ["shop_arrivals"]
