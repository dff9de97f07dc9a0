"""A model that was trained as an asset: by REST it gives the scores that its table has."""

from __future__ import annotations

import json

from lakehouse_assets.serve.models.registry import champion_of, load, opened
from lakehouse_assets_tests.engine.models.visits import built
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.serve.models.in_process import asking

ROWS = 120  # more than are scored at once, so that rows stand at other places of a block


def test_a_row_has_the_same_score_by_rest_as_in_the_table_bit_for_bit(learning: Project) -> None:
    built(learning).train("purchase")
    learning.run("gold.likely")
    version = champion_of(opened(learning.lake.registry), "shop.models.purchase")
    assert version is not None
    ask = asking(load(version))

    visits = learning.log("silver.visits").table.to_pandas().set_index("visit")
    scores = learning.log("gold.likely").table.to_pandas().set_index("visit")["score"]
    asked = visits.sample(ROWS, random_state=1)[["pages", "minutes", "channel"]]
    together = ask(json.dumps({"dataframe_records": asked.to_dict("records")})).told["predictions"]
    alone = [ask(json.dumps({"dataframe_records": [row]})).told["predictions"][0] for row in asked.to_dict("records")]
    assert together == alone == scores[asked.index].tolist()
