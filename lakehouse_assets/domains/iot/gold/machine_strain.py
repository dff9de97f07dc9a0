"""What strains the milling machine at each product, from the readings before it failed or didn't.

Power, the difference of temperatures and the strain of a worn tool are what breaks a mill. The kind of a failure isn't
here, as it's known only after it.
"""

from lakehouse_assets.engine import Column, fail, merge, sql_table

machine_strain = sql_table(
    readings="silver.machine_readings",
    columns=[
        Column("product_id", "string", key=True, doc="Begins with its type."),
        Column("reading", "int", nullable=False, doc="Its number."),
        Column("product_type", "string", nullable=False, doc="Quality: L low, M medium, H high."),
        Column("air_kelvin", "double", nullable=False),
        Column("process_kelvin", "double", nullable=False),
        Column("warming_kelvin", "double", nullable=False, doc="Of the process over the air."),
        Column("speed_rpm", "int", nullable=False),
        Column("torque_nm", "double", nullable=False),
        Column("power_watts", "double", nullable=False, doc="Torque times angular speed."),
        Column("tool_wear_minutes", "int", nullable=False, doc="How long the tool was in use."),
        Column("strain", "double", nullable=False, doc="Wear times torque, in minutes and newton metres."),
        Column("failed", "boolean", nullable=False, doc="The label."),
    ],
    expect=[fail("power_watts >= 0")],
    write=merge(on="product_id"),
    sql="""
        SELECT product_id, reading, product_type, air_kelvin, process_kelvin,
               process_kelvin - air_kelvin AS warming_kelvin, speed_rpm, torque_nm,
               torque_nm * speed_rpm * 2 * pi() / 60 AS power_watts, tool_wear_minutes,
               tool_wear_minutes * torque_nm AS strain, failed
        FROM readings
    """,
)
