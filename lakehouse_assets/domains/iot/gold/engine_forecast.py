"""How many cycles each jet engine has left after its newest one, as the champion has it.

An engine that is far from its end gets about 125 at most, as the model has learnt no more. One whose readings end with
its failure should get about 0.
"""

from lakehouse_assets.engine import Column, score

engine_forecast = score(
    model="models.remaining_life",
    rows="gold.engine_newest",
    keep=[
        Column("fleet", "string", key=True, doc="The set of engines, as FD001."),
        Column("split", "string", key=True, doc="train or test."),
        Column("engine", "int", key=True, doc="Its number in fleet and split."),
        Column("cycle", "int", nullable=False, doc="The newest, counted from 1."),
    ],
)
