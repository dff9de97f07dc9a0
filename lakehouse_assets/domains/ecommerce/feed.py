"""Lands the samples of this domain: all subscribers, all purchases of CDs, and three days of the gift shop."""

from __future__ import annotations

from pathlib import Path

from lakehouse_assets.landing import unpack

SAMPLES = Path(__file__).parent / "samples"
DAYS = ("2010-12-01", "2010-12-02", "2011-12-05")
PLACES = {
    "Telco-Customer-Churn.csv": "subscribers/Telco-Customer-Churn.csv",
    "CDNOW_master.txt": "purchases/CDNOW_master.txt",
    **{f"online_retail_{day}.csv": f"order_lines/{day}.csv" for day in DAYS},
}


def land(folder: Path) -> int:
    """Write the files that aren't there yet into a landing folder; returns how many it wrote."""
    return unpack(SAMPLES, folder, PLACES)
