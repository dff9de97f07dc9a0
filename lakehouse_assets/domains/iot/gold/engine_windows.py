"""Each cycle of a jet engine with how its sensors went until then, and how many cycles were left: to learn from.

Of each sensor that changes there are the means of the latest 5, 15 and 30 cycles, the slope over the latest 30, and by
how much the mean of 5 rose over that of the engine's first ten. No value comes of a later cycle.
"""

from lakehouse_assets.engine import Column, fail, sql_table

# The others never change in FD001.
SENSORS = [f"sensor_{n}" for n in (2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21)]
VALUES = {
    "mean_5": "avg({0}) OVER latest_5",
    "mean_15": "avg({0}) OVER latest_15",
    "mean_30": "avg({0}) OVER latest_30",
    "slope": "regr_slope({0}, cycle) OVER latest_30",
    "rise": "avg({0}) OVER latest_5 - avg(CASE WHEN cycle <= 10 THEN {0} END) OVER until_now",
}
FEATURES = [f"{sensor}_{name}" for sensor in SENSORS for name in VALUES]

engine_windows = sql_table(
    cycles="silver.engine_cycles",
    columns=[
        Column("fleet", "string", key=True, doc="The set of engines, as FD001."),
        Column("split", "string", key=True, doc="train or test."),
        Column("engine", "int", key=True, doc="Its number in fleet and split."),
        Column("cycle", "int", key=True, doc="Counted from 1: a flight."),
        *(Column(name, "double", doc="Null where the engine has too few cycles for it.") for name in FEATURES),
        Column("newest", "boolean", nullable=False, doc="No later cycle of the engine has landed."),
        Column("judged", "boolean", nullable=False, doc="The newest of an engine of the test, of which C-MAPSS asks."),
        Column("cycles_left", "int", doc="Until the engine fails: the label. Null where the truth hasn't landed."),
    ],
    expect=[fail("newest OR NOT judged", name="the_newest_are_judged")],
    sql=f"""
        SELECT fleet, split, engine, cycle,
               {", ".join(f"{sql.format(s)} AS {s}_{name}" for s in SENSORS for name, sql in VALUES.items())},
               cycle = max(cycle) OVER all_cycles AS newest,
               split = 'test' AND cycle = max(cycle) OVER all_cycles AS judged, cycles_left
        FROM cycles
        WINDOW all_cycles AS (PARTITION BY fleet, split, engine),
               until_now AS (PARTITION BY fleet, split, engine ORDER BY cycle
                             ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
               latest_5 AS (PARTITION BY fleet, split, engine ORDER BY cycle ROWS 4 PRECEDING),
               latest_15 AS (PARTITION BY fleet, split, engine ORDER BY cycle ROWS 14 PRECEDING),
               latest_30 AS (PARTITION BY fleet, split, engine ORDER BY cycle ROWS 29 PRECEDING)
    """,
)
