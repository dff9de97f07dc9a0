"""Lands the samples of this domain: all readings of the milling machine, of the engines FD001, and of the temperature.

The windows of the temperature's anomalies are published in one file for many series; those of this one land as CSV.
"""

from __future__ import annotations

from pathlib import Path

from lakehouse_assets.landing import unpack

SAMPLES = Path(__file__).parent / "samples"
PLACES = {
    "ai4i2020.csv": "machine_readings/ai4i2020.csv",
    "train_FD001.txt": "engine_cycles/train_FD001.txt",
    "test_FD001.txt": "engine_cycles/test_FD001.txt",
    "RUL_FD001.txt": "engine_lives/RUL_FD001.txt",
    "machine_temperature_system_failure.csv": "temperatures/machine_temperature_system_failure.csv",
    "machine_temperature_windows.csv": "anomaly_windows/machine_temperature_windows.csv",
}


def land(folder: Path) -> int:
    """Write the files that aren't there yet into a landing folder; returns how many it wrote."""
    return unpack(SAMPLES, folder, PLACES)
