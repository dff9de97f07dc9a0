"""Lands the files of this domain from a folder that somebody names, as they may not be passed on."""

from __future__ import annotations

from pathlib import Path

from lakehouse_assets.landing import Needed, take

NEEDED = (
    Needed(
        "card_transactions",
        ("creditcard*.csv", "creditcard*.csv.gz"),
        "creditcard.csv in 'Credit Card Fraud Detection' (Kaggle, mlg-ulb/creditcardfraud)",
    ),
    Needed(
        "payments",
        ("PS_*_log.csv", "PS_*_log.csv.gz", "paysim*.csv", "paysim*.csv.gz"),
        "PS_20174392719_1491204439457_log.csv in 'Synthetic Financial Datasets For Fraud Detection' "
        "(Kaggle, ealaxi/paysim1)",
    ),
)


def land_from(folder: Path, given: Path | None) -> int:
    """Copy the files that somebody has into a landing folder; returns how many weren't there yet."""
    return take(NEEDED, given, folder)
