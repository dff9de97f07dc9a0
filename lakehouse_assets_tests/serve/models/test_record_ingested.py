"""The prediction log as a bronze table: every row that was scored is there exactly once."""

from __future__ import annotations

import json
from collections import Counter

from lakehouse_assets.serve.models.record import Recorder
from lakehouse_assets_tests.documents import BLOCKS
from lakehouse_assets_tests.project import Project
from lakehouse_assets_tests.serve.models.test_record import scored


def declare(project: Project) -> None:
    """The table as docs/models.md declares it."""
    (shown,) = [block.text for block in BLOCKS if block.declares == "shop/bronze/predictions.py"]
    (project.root / project.package / "shop" / "bronze" / "predictions.py").write_text(shown)


def test_each_row_that_the_server_recorded_is_in_the_table_once(project: Project) -> None:
    declare(project)
    folder = project.root / "landing" / "shop" / "predictions"
    folder.parent.mkdir(parents=True)
    recorder = Recorder(folder, rows=40)
    for number in range(30):
        recorder.put(f"r{number}", scored(*map(float, range(1 + number % 5))))
    recorder.close()
    project.run("bronze.predictions")
    assert project.run("bronze.predictions").plan.strategy == "nothing"
    later = Recorder(folder)
    later.put("r30", scored(7.5))
    later.close()
    project.run("bronze.predictions")

    log = project.log("bronze.predictions").table.to_pandas()
    expected = {(f"r{number}", row): float(row) for number in range(30) for row in range(1 + number % 5)}
    assert Counter(zip(log["request_id"], log["row"].astype(int), strict=True)) == Counter([*expected, ("r30", 0)])
    for it in log.itertuples():
        km = {**expected, ("r30", 0): 7.5}[it.request_id, int(it.row)]
        assert json.loads(it.inputs)["km"] == km
        assert float(it.score) == 2 * km
    assert log["_rescued"].isna().all()
