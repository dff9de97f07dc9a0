"""Failures of the machine and remaining lives of engines: known figures, and nothing learnt of what comes later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, root_mean_squared_error

from lakehouse_assets.domains.iot.gold.engine_windows import SENSORS
from lakehouse_assets.domains.iot.models.machine_failure import machine_failure
from lakehouse_assets.domains.iot.models.remaining_life import remaining_life
from lakehouse_assets_tests.domains.landed import Landed
from lakehouse_assets_tests.domains.learning import counted, of_shuffled_labels, parted

ENGINE = ["fleet", "split", "engine"]


def test_failures_are_found_better_than_from_the_readings_alone(iot: Landed) -> None:
    run = iot.trained("machine_failure")
    assert counted(run.data.params) == (7534, 2466, 0)
    assert run.data.metrics["pr_auc"] > 0.9


def test_no_mode_of_failure_is_an_input_and_strains_are_those_of_the_published_readings(
    iot: Landed, shared_data: Path
) -> None:
    cells = pd.read_csv(shared_data / "iot" / "ai4i" / "ai4i2020.csv", encoding="utf-8-sig").set_index("ProductID")
    found = iot.table("gold.machine_strain").set_index("product_id")
    cells = cells.loc[found.index]
    assert not [name for name in found if name.endswith("_failure")]
    turns = cells["RotationalSpeed[rpm]"] / 60
    assert found["power_watts"].to_numpy() == pytest.approx((cells["Torque[Nm]"] * turns * 2 * np.pi).to_numpy())
    assert found["strain"].to_numpy() == pytest.approx((cells["Torque[Nm]"] * cells["ToolWear[min]"]).to_numpy())
    warmer = cells["ProcessTemperature[K]"] - cells["AirTemperature[K]"]
    assert found["warming_kelvin"].to_numpy() == pytest.approx(warmer.to_numpy())


def test_a_product_is_either_learnt_from_or_held_out_and_shuffled_labels_tell_nothing(iot: Landed) -> None:
    learnt, judged = parted(machine_failure, iot.table("gold.machine_strain"), ["product_id"])
    products = pd.concat([learnt.rows, judged.rows])["product_id"]
    assert (len(products), products.is_unique) == (10_000, True)
    by_chance = average_precision_score(judged.y, of_shuffled_labels(machine_failure, (learnt, judged)))
    assert by_chance < 2 * judged.y.mean() < 0.1


def test_remaining_lives_are_those_of_the_official_test_within_thirteen_cycles(iot: Landed, shared_data: Path) -> None:
    lives = pd.read_csv(shared_data / "iot" / "cmapss" / "RUL_FD001.txt", header=None)[0]
    forecast = iot.table("gold.engine_forecast")
    of_test = forecast[forecast["split"] == "test"].sort_values("engine")
    run = iot.trained("remaining_life")
    assert counted(run.data.params) == (20_631, 100, 0)
    assert run.data.metrics["rmse"] < 12.5
    assert root_mean_squared_error(lives, of_test["score"]) == pytest.approx(run.data.metrics["rmse"])
    at_the_end = forecast.loc[forecast["split"] == "train", "score"]
    assert (len(forecast), at_the_end.abs().mean() < 5) == (200, True)


def test_no_engine_of_the_test_is_learnt_from(iot: Landed) -> None:
    rows = iot.table("gold.engine_windows")
    assert (len(rows), rows["newest"].sum(), rows["judged"].sum()) == (33_727, 200, 100)
    learnt, judged = parted(remaining_life, rows[(rows["split"] == "train") | rows["judged"]], [*ENGINE, "cycle"])
    assert set(learnt.rows["split"]) == {"train"}
    assert judged.rows.groupby(ENGINE).size().to_dict() == {("FD001", "test", n): 1 for n in range(1, 101)}
    last = rows.groupby(ENGINE)["cycle"].transform("max")
    assert (rows["newest"] == (rows["cycle"] == last)).all()


def test_with_shuffled_labels_lives_are_told_no_better_than_by_their_mean(iot: Landed) -> None:
    rows = iot.table("gold.engine_windows")
    parts = parted(remaining_life, rows[(rows["split"] == "train") | rows["judged"]], [*ENGINE, "cycle"])
    by_chance = root_mean_squared_error(parts[1].y, of_shuffled_labels(remaining_life, parts))
    mean = np.full(100, parts[0].y.clip(upper=125).mean())
    assert by_chance > 0.95 * root_mean_squared_error(parts[1].y, mean) > 38


def test_what_is_known_of_a_cycle_is_what_its_engine_shows_with_all_later_cycles_cut_off(iot: Landed) -> None:
    windows = iot.table("gold.engine_windows")
    cycles = iot.table("silver.engine_cycles").sort_values("cycle")
    some = pd.concat([windows.sample(60, random_state=1), windows[windows["cycle"] <= 3].sample(5, random_state=1)])
    for row in some.to_dict("records"):
        past = cycles[(cycles[ENGINE] == [row[name] for name in ENGINE]).all(axis=1)]
        past = past[past["cycle"] <= row["cycle"]]
        for sensor in SENSORS:
            assert [row[f"{sensor}_{name}"] for name in NAMES] == pytest.approx(seen(past, sensor), nan_ok=True)


NAMES = ("mean_5", "mean_15", "mean_30", "rise", "slope")


def seen(past: pd.DataFrame, sensor: str) -> list[float]:
    values = past[sensor].to_numpy()
    means = [values[-window:].mean() for window in (5, 15, 30)]
    slope = np.polyfit(past["cycle"][-30:], values[-30:], 1)[0] if len(values) > 1 else float("nan")
    return [*means, means[0] - values[:10].mean(), float(slope)]
