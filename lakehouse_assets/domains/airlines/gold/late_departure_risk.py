"""The chance that each flight leaves more than 15 minutes late, as the champion has it two hours before."""

from lakehouse_assets.engine import Column, between, fail, score

late_departure_risk = score(
    model="models.late_departure",
    rows="gold.departures_ahead",
    keep=[
        Column("carrier", "string", key=True, doc="Two-character code."),
        Column("flight", "int", key=True, doc="Flight number."),
        Column("origin", "string", key=True, doc="FAA code."),
        Column("scheduled_departure_at", "timestamp", key=True, doc="UTC."),
        Column("destination", "string", nullable=False, doc="FAA code."),
    ],
    expect=[fail(between("score", 0, 1), name="a_probability")],
)
