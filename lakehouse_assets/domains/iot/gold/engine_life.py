"""How long each jet engine lived: the cycles that were seen, those that were left then, and both together."""

from lakehouse_assets.engine import Column, fail, sql_table

engine_life = sql_table(
    cycles="silver.engine_cycles",
    columns=[
        Column("fleet", "string", key=True, doc="The set of engines, as FD001."),
        Column("split", "string", key=True, doc="train or test."),
        Column("engine", "int", key=True),
        Column("cycles_seen", "bigint", nullable=False),
        Column("cycles_left", "int", doc="After the last one seen; 0 of an engine to train by."),
        Column("life", "bigint", doc="Cycles until it fails."),
    ],
    expect=[fail("cycles_seen > 0")],
    sql="""
        SELECT fleet, split, engine, count(*) AS cycles_seen, min(cycles_left) AS cycles_left,
               count(*) + min(cycles_left) AS life
        FROM cycles GROUP BY fleet, split, engine
    """,
)
