"""Each cycle of a jet engine with how its sensors went until then, and how many cycles were left: to learn from.

Of each sensor that changes there are the means of the latest 5, 15 and 30 cycles, the slope over the latest 30, and by
how much the mean of 5 rose over that of the engine's first ten. No value comes of a later cycle. Cycles are counted
without a gap.
"""

from lakehouse_assets.engine import Column, fail, sql_table

# The others never change in FD001.
SENSORS = [f"sensor_{n}" for n in (2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21)]
# `sum_30` and `moment_30` are of the latest 30 values, which are `n_30` where the engine is that old.
VALUES = {
    "mean_5": "sum_5 / n_5",
    "mean_15": "sum_15 / n_15",
    "mean_30": "sum_30 / n_30",
    "slope": "12 * (moment_30 - (cycle - (n_30 - 1) / 2) * sum_30) / nullif(n_30 * (n_30 * n_30 - 1), 0)",
    "rise": "sum_5 / n_5 - at_first",
}
OF_SENSORS = [f"of['{sensor}'].{name} AS {sensor}_{name}" for sensor in SENSORS for name in VALUES]
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
    # By differences of running sums, a column for all sensors: 70 windows of a column each took Spark minutes.
    sql=f"""
        WITH readings AS (
            SELECT fleet, split, engine, cycle, cycles_left,
                   stack({len(SENSORS)}, {", ".join(f"'{s}', {s}" for s in SENSORS)}) AS (sensor, value)
            FROM cycles
        ),
        running AS (
            SELECT *, count(*) OVER past AS n, sum(value) OVER past AS total, sum(cycle * value) OVER past AS moment,
                   avg(CASE WHEN cycle <= 10 THEN value END) OVER past AS at_first
            FROM readings
            WINDOW past AS (PARTITION BY fleet, split, engine, sensor ORDER BY cycle ROWS UNBOUNDED PRECEDING)
        ),
        latest AS (
            SELECT *, least(n, 5) AS n_5, least(n, 15) AS n_15, least(n, 30) AS n_30,
                   total - lag(total, 5, 0D) OVER past AS sum_5, total - lag(total, 15, 0D) OVER past AS sum_15,
                   total - lag(total, 30, 0D) OVER past AS sum_30, moment - lag(moment, 30, 0D) OVER past AS moment_30
            FROM running WINDOW past AS (PARTITION BY fleet, split, engine, sensor ORDER BY cycle)
        ),
        by_cycle AS (
            SELECT fleet, split, engine, cycle, any_value(cycles_left) AS cycles_left, map_from_entries(collect_list(
                       struct(sensor, struct({", ".join(f"{sql} AS {name}" for name, sql in VALUES.items())}))
                   )) AS of
            FROM latest GROUP BY fleet, split, engine, cycle
        )
        SELECT fleet, split, engine, cycle, {", ".join(OF_SENSORS)},
               cycle = max(cycle) OVER all_cycles AS newest,
               split = 'test' AND cycle = max(cycle) OVER all_cycles AS judged, cycles_left
        FROM by_cycle WINDOW all_cycles AS (PARTITION BY fleet, split, engine)
    """,
)
