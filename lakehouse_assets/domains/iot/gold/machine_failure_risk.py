"""The chance that the milling machine fails at each product, as the champion has it from the readings."""

from lakehouse_assets.engine import Column, between, fail, score

machine_failure_risk = score(
    model="models.machine_failure",
    rows="gold.machine_strain",
    keep=[
        Column("product_id", "string", key=True, doc="Begins with its type."),
        Column("reading", "int", nullable=False, doc="Its number."),
        Column("product_type", "string", nullable=False, doc="Quality: L low, M medium, H high."),
    ],
    expect=[fail(between("score", 0, 1), name="a_probability")],
)
