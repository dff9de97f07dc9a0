"""The newest cycle of each jet engine with how its sensors went until then: how the engine stands now."""

from lakehouse_assets.domains.iot.gold.engine_windows import FEATURES
from lakehouse_assets.engine import Column, sql_table

engine_newest = sql_table(
    windows="gold.engine_windows",
    columns=[
        Column("fleet", "string", key=True, doc="The set of engines, as FD001."),
        Column("split", "string", key=True, doc="train or test."),
        Column("engine", "int", key=True, doc="Its number in fleet and split."),
        Column("cycle", "int", nullable=False, doc="Counted from 1: a flight."),
        *(Column(name, "double", doc="As in gold.engine_windows.") for name in FEATURES),
    ],
    sql=f"SELECT fleet, split, engine, cycle, {', '.join(FEATURES)} FROM windows WHERE newest",
)
