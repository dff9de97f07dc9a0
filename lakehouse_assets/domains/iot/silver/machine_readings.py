"""Readings of a milling machine, one row for each product, with whether it failed and how.

The readings are made up, and have no time; `reading` orders them. The failure's kind is known only once it has failed,
so it's no input of a prediction. Nine failures are of no kind that is named; a random failure isn't always counted as
one.
"""

import re

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse_assets.engine import Column, between, drop, merge, one_of, table, typed, warn

# By the letters of the header: one copy has `AirTemperature[K]`, another `Air temperature [K]`.
NAMES = {
    "udi": "reading",
    "productid": "product_id",
    "type": "product_type",
    "airtemperaturek": "air_kelvin",
    "processtemperaturek": "process_kelvin",
    "rotationalspeedrpm": "speed_rpm",
    "torquenm": "torque_nm",
    "toolwearmin": "tool_wear_minutes",
    "machinefailure": "failed",
    "twf": "tool_wear_failure",
    "hdf": "heat_dissipation_failure",
    "pwf": "power_failure",
    "osf": "overstrain_failure",
    "rnf": "random_failure",
}
MODES = [name for name in NAMES.values() if name.endswith("_failure")]


@table(
    raw="bronze.machine_readings",
    columns=[
        Column("product_id", "string", key=True, doc="Begins with its type."),
        Column("reading", "int", nullable=False, doc="Its number."),
        Column("product_type", "string", nullable=False, doc="Quality: L low, M medium, H high."),
        Column("air_kelvin", "double", nullable=False),
        Column("process_kelvin", "double", nullable=False),
        Column("speed_rpm", "int", nullable=False),
        Column("torque_nm", "double", nullable=False),
        Column("tool_wear_minutes", "int", nullable=False, doc="How long the tool was in use."),
        Column("failed", "boolean", nullable=False),
        *(Column(mode, "boolean", nullable=False, doc="Known only after a failure.") for mode in MODES),
    ],
    expect=[
        typed(),
        drop(one_of("product_type", "L", "M", "H")),
        drop("startswith(product_id, product_type)", name="product_is_of_its_type"),
        drop(between("air_kelvin", 250, 350)),
        drop("speed_rpm > 0"),
        drop("tool_wear_minutes >= 0"),
        warn(f"NOT failed OR {' OR '.join(MODES)}", name="failures_have_a_mode"),
        warn("NOT random_failure OR failed", name="random_failures_are_failures"),
    ],
    write=merge(on="product_id", newest="_ingested_at"),
)
def machine_readings(raw: DataFrame) -> DataFrame:
    cells = {re.sub(r"[^a-z]", "", name.lower()): name for name in raw.columns}
    named = [F.col(f"`{cells.get(letters, letters)}`").alias(name) for letters, name in NAMES.items()]
    return raw.select(*named, "_source", "_ingested_at")
