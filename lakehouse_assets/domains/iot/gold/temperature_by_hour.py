"""The machine's temperature by the hour, and whether people labelled some of the hour as an anomaly."""

from lakehouse_assets.engine import Column, between, fail, sql_table, warn

temperature_by_hour = sql_table(
    temperatures="silver.temperatures",
    windows="silver.anomaly_windows",
    columns=[
        Column("hour", "timestamp", key=True, doc="Its beginning."),
        Column("readings", "bigint", nullable=False, doc="12 of an hour without a gap."),
        Column("mean_temperature", "double", nullable=False),
        Column("lowest", "double", nullable=False),
        Column("highest", "double", nullable=False),
        Column("anomaly", "boolean", nullable=False, doc="A reading of the hour is in a labelled window."),
    ],
    expect=[fail(between("readings", 1, 12)), warn("readings = 12", name="without_a_gap")],
    sql="""
        SELECT date_trunc('HOUR', t.measured_at) AS hour, count(*) AS readings,
               avg(t.temperature) AS mean_temperature, min(t.temperature) AS lowest, max(t.temperature) AS highest,
               bool_or(w.begins_at IS NOT NULL) AS anomaly
        FROM temperatures t LEFT JOIN windows w ON t.measured_at BETWEEN w.begins_at AND w.ends_at
        GROUP BY 1
    """,
)
