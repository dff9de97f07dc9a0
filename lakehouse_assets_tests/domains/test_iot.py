"""Milling machine, jet engines and temperature, from the samples of the domain, against pandas on published files."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from lakehouse_assets.engine.plan.small_runs import interpreted
from lakehouse_assets.resources.spark import SparkResource
from lakehouse_assets_tests.domains.landed import Landed

MODES = {
    "tool_wear_failure": "TWF", "heat_dissipation_failure": "HDF", "power_failure": "PWF",
    "overstrain_failure": "OSF", "random_failure": "RNF",
}  # fmt: skip
NAMES = ["engine", "cycle", *(f"setting_{n}" for n in range(1, 4)), *(f"sensor_{n}" for n in range(1, 22))]


@pytest.fixture(scope="module")
def built(iot: Landed) -> Landed:
    return iot


@pytest.fixture(scope="module")
def readings(shared_data: Path) -> pd.DataFrame:
    return pd.read_csv(shared_data / "iot" / "ai4i" / "ai4i2020.csv", encoding="utf-8-sig").set_index("ProductID")


def published(shared_data: Path, split: str) -> pd.DataFrame:
    """The cycles as pandas reads them, with the cycles that were left."""
    folder = shared_data / "iot" / "cmapss"
    rows = pd.read_csv(folder / f"{split}_FD001.txt.gz", sep=r"\s+", header=None, names=NAMES)
    lives = pd.read_csv(folder / "RUL_FD001.txt", header=None)[0]
    at_end = rows["engine"].map(lambda engine: lives[engine - 1] if split == "test" else 0)
    return rows.assign(cycles_left=rows.groupby("engine")["cycle"].transform("max") - rows["cycle"] + at_end)


def test_readings_of_the_machine_are_the_published_ones_under_names_without_brackets(
    built: Landed, readings: pd.DataFrame
) -> None:
    found = built.table("silver.machine_readings").set_index("product_id")
    cells = readings.loc[found.index]
    assert len(found) == 10_000
    assert found["product_type"].value_counts().to_dict() == {"L": 6000, "M": 2997, "H": 1003}
    for name, cell in {
        "reading": "UDI", "air_kelvin": "AirTemperature[K]", "process_kelvin": "ProcessTemperature[K]",
        "speed_rpm": "RotationalSpeed[rpm]", "torque_nm": "Torque[Nm]", "tool_wear_minutes": "ToolWear[min]",
        "failed": "MachineFailure", **MODES,
    }.items():  # fmt: skip
        assert (found[name] == cells[cell]).all(), name
    counts = [int(found[mode].sum()) for mode in ("failed", *MODES)]
    assert counts == [339, 46, 115, 95, 98, 19]
    assert built.broken["silver.machine_readings"] == {
        "failures_have_a_mode": 9, "random_failures_are_failures": 18,
    }  # fmt: skip


def test_failures_are_counted_by_type_and_kind(built: Landed, readings: pd.DataFrame) -> None:
    found = built.table("gold.failures_by_type").set_index(["product_type", "mode"])
    by_type = readings.groupby("Type")
    kinds = {name.removesuffix("_failure").replace("_", " "): cell for name, cell in MODES.items()}
    for mode, cell in {"any": "MachineFailure", **kinds}.items():
        expected = by_type[cell].agg(["size", "sum", "mean"])
        rows = found.xs(mode, level="mode")
        assert rows["readings"].to_dict() == expected["size"].to_dict(), mode
        assert rows["failures"].to_dict() == expected["sum"].to_dict(), mode
        assert rows["failure_rate"].to_dict() == pytest.approx(expected["mean"].to_dict()), mode
    assert len(found) == 3 * 6


@pytest.mark.parametrize(("split", "rows"), [("train", 20_631), ("test", 13_096)])
def test_cycles_of_engines_are_the_published_ones_with_what_was_left(
    built: Landed, shared_data: Path, split: str, rows: int
) -> None:
    found = built.table("silver.engine_cycles")
    assert set(found["fleet"]) == {"FD001"}
    ours = found[found["split"] == split].set_index(["engine", "cycle"]).sort_index()
    theirs = published(shared_data, split).set_index(["engine", "cycle"]).sort_index()
    assert len(ours) == rows
    pd.testing.assert_frame_equal(ours[theirs.columns], theirs, check_dtype=False, check_index_type=False)


def test_lives_of_engines_are_the_known_ones(built: Landed) -> None:
    lives = built.table("gold.engine_life")
    trained = lives[lives["split"] == "train"]["life"]
    assert (len(trained), trained.min(), trained.max(), trained.mean()) == (100, 128, 362, 206.31)
    left = lives[lives["split"] == "test"]["cycles_left"]
    assert (len(left), left.min(), left.max(), left.mean()) == (100, 7, 145, 75.52)
    constant = built.table("silver.engine_cycles").query("split == 'train'")[NAMES].nunique() == 1
    assert [NAMES.index(name) + 1 for name in constant.index[constant]] == [5, 6, 10, 15, 21, 23, 24]


def test_of_two_temperatures_of_a_time_the_higher_is_kept(built: Landed, shared_data: Path) -> None:
    cells = pd.read_csv(
        shared_data / "iot" / "nab" / "machine_temperature_system_failure.csv", float_precision="round_trip"
    )
    found = built.table("silver.temperatures").set_index("measured_at")["temperature"].sort_index()
    expected = cells.groupby(pd.to_datetime(cells["timestamp"], utc=True))["value"].max()
    assert (len(cells), len(found)) == (22_695, 22_683)
    assert found.to_dict() == expected.to_dict()
    assert round(found.min(), 4) == 2.0847


def test_hours_are_anomalies_where_people_labelled_them(built: Landed, shared_data: Path) -> None:
    file = "realKnownCause/machine_temperature_system_failure.csv"
    labels = json.loads((shared_data / "iot" / "nab" / "combined_windows.json").read_text())[file]
    windows = [tuple(pd.to_datetime(window, utc=True)) for window in labels]
    found = built.table("silver.anomaly_windows").sort_values("begins_at")
    assert list(found.itertuples(index=False, name=None)) == windows
    times = built.table("silver.temperatures")
    at = times["measured_at"]
    odd = pd.concat([(at >= begin) & (at <= end) for begin, end in windows], axis=1).any(axis=1)
    hours = times.assign(odd=odd).groupby(at.dt.floor("h"))
    gold = built.table("gold.temperature_by_hour").set_index("hour").sort_index()
    assert gold["readings"].to_dict() == hours.size().to_dict()
    assert gold["anomaly"].to_dict() == hours["odd"].any().to_dict()
    assert gold["mean_temperature"].to_numpy() == pytest.approx(hours["temperature"].mean().to_numpy())


def test_another_copy_has_blanks_in_its_headers_and_an_engine_may_come_without_its_truth(
    tmp_path: Path, instance: dg.DagsterInstance, engine: SparkResource
) -> None:
    """The headers are as the original of UCI has them."""
    header = (
        "UDI,Product ID,Type,Air temperature [K],Process temperature [K],Rotational speed [rpm],Torque [Nm],"
        "Tool wear [min],Machine failure,TWF,HDF,PWF,OSF,RNF"
    )
    rows = ["1,M14860,M,298.1,308.6,1551,42.8,7,1,1,0,0,0,0", "2,L99999,X,298.1,308.6,1551,42.8,7,1,1,0,0,0,0"]
    cycles = [f"{unit} {cycle} {' '.join(['1.5'] * 24)}  " for unit in (1, 2) for cycle in (1, 2)]
    made = Landed("iot", tmp_path, instance)
    for name, lines in {
        "machine_readings/original.csv": [header, *rows],
        "engine_cycles/test_FD002.txt": [*cycles, "3 1 1.5  "],
        "engine_cycles/train_FD002.txt": cycles,
        "engine_lives/RUL_FD002.txt": ["9 "],
    }.items():
        (made.landing / name).parent.mkdir(parents=True, exist_ok=True)
        (made.landing / name).write_text("\n".join(lines) + "\n")
    with interpreted(engine.session(), 0):
        made.run()
    (reading,) = made.table("silver.machine_readings").to_dict("records")
    assert (reading["product_id"], reading["tool_wear_minutes"], reading["failed"]) == ("M14860", 7, True)
    assert [row["product_id"] for row in made.rejected("silver.machine_readings")] == ["L99999"]
    assert [row["engine"] for row in made.rejected("silver.engine_cycles")] == [3]
    lives = made.table("gold.engine_life").set_index(["split", "engine"])["life"]
    assert lives.dropna().to_dict() == {("train", 1): 2, ("train", 2): 2, ("test", 1): 11}
    assert lives.isna().to_dict()["test", 2]
