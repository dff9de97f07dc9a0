"""A new champion is taken up beside the old one, which keeps serving whatever is wrong with the new one."""

from __future__ import annotations

import json
import logging
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets.serve.models import champion
from lakehouse_assets.serve.models.champion import Champions
from lakehouse_assets.serve.models.registry import NoModel, champion_of, load, opened, require_registered
from lakehouse_assets_tests.serve.models.echo import Failing
from lakehouse_assets_tests.serve.models.shelf import NAME, TRIPS, Shelf, columns, empty_store, fares


@pytest.fixture
def shelf(empty_mlflow: Path, tmp_path: Path) -> Shelf:
    made = empty_store(tmp_path, empty_mlflow)
    made.crown(made.register(fares(2.0)))
    return made


@pytest.fixture
def champions(shelf: Shelf) -> Champions:
    """What a server looks after, with the first version taken up."""
    made = Champions(NAME, partial(champion_of, shelf.client, NAME), load)
    made.look()
    return made


def fare(champions: Champions) -> float:
    assert champions.current
    return float(champions.current.predict(TRIPS.head(1), None)[0])


def test_a_new_champion_takes_the_place_of_the_old_one(shelf: Shelf, champions: Champions) -> None:
    assert np.isclose(fare(champions), 1.0 * 2 + 4.0)
    shelf.register(fares(7.0))
    champions.look()
    assert champions.status()["version"] == "1", "it's registered, and not the champion"
    shelf.crown("2")
    champions.look()
    assert champions.status()["version"] == "2"
    assert np.isclose(fare(champions), 1.0 * 7 + 4.0)
    shelf.crown("1")
    champions.look()
    assert np.isclose(fare(champions), 1.0 * 2 + 4.0), "and back"


def test_a_version_that_is_damaged_is_told_of_and_the_old_one_serves(
    shelf: Shelf, champions: Champions, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    version = shelf.register(fares(7.0))
    (file,) = shelf.artifacts(version).glob("model.skops")
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    shelf.crown(version)
    with caplog.at_level(logging.ERROR, logger="lakehouse_assets"):
        champions.look()
        champions.look()
    told = champions.status()
    assert (told["version"], told["refused"]["version"]) == ("1", "2")
    assert "BadZipFile" in told["refused"]["reason"]
    assert [r.message for r in caplog.records if "isn't served" in r.message] == [
        f"Version 2 of {NAME} isn't served: {told['refused']['reason']}. Version 1 is served."
    ]
    assert np.isclose(fare(champions), 6.0)
    file.write_bytes(whole)
    champions.look()
    assert champions.status()["version"] == "1", "it isn't tried again at once"
    monkeypatch.setattr(champion, "RETRY_SECONDS", 0.0)
    champions.look()
    assert (champions.status()["version"], champions.status()["refused"]) == ("2", None)


def test_a_version_whose_own_example_fails_is_not_taken_up(shelf: Shelf, champions: Champions) -> None:
    row = TRIPS[["km"]].head(1)  # 1.0, for which this model fails
    shelf.crown(shelf.register(Failing(), signature=columns(km="double"), input_example=row))
    champions.look()
    assert champions.status()["version"] == "1"
    assert "RuntimeError: the disk" in champions.status()["refused"]["reason"]


def test_without_the_alias_the_old_one_serves_with_a_warning(shelf: Shelf, champions: Champions) -> None:
    shelf.client.delete_registered_model_alias(NAME, "champion")
    champions.look()
    assert champions.status()["warning"] == "no version has the alias 'champion'"
    assert np.isclose(fare(champions), 6.0)
    shelf.crown("1")
    champions.look()
    assert champions.status()["warning"] is None


def test_a_registry_that_is_gone_is_a_warning(shelf: Shelf, champions: Champions) -> None:
    shelf.client.delete_registered_model(NAME)
    champions.look()
    assert (
        "can't be asked: RestException" in champions.status()["warning"] or "not found" in champions.status()["warning"]
    )
    assert np.isclose(fare(champions), 6.0)


def test_a_model_that_was_deleted_and_registered_anew_is_another(shelf: Shelf, champions: Champions) -> None:
    shelf.client.delete_registered_model(NAME)
    shelf.crown(shelf.register(fares(9.0)))
    champions.look()
    assert champions.status()["version"] == "1"
    assert np.isclose(fare(champions), 1.0 * 9 + 4.0)


def test_a_name_that_is_not_registered_is_refused_with_the_nearest(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(NoModel, match=f"did you mean {NAME}"):
        require_registered(shelf.client, "shop.models.fares")
    absent = f"sqlite:///{tmp_path / 'absent.db'}"
    with pytest.raises(NoModel, match="there is no such file; train a model first"):
        opened(ModelStore(absent, absent, str(tmp_path)))
    assert not (tmp_path / "absent.db").exists()


def test_the_alias_is_looked_at_in_a_few_milliseconds(shelf: Shelf, champions: Champions) -> None:
    begun = time.perf_counter()
    for _ in range(20):
        champions.look()
    assert (time.perf_counter() - begun) / 20 < 0.1, "measured 0.005"


def test_the_status_is_plain_json(champions: Champions) -> None:
    told = json.loads(json.dumps(champions.status()))
    assert (told["name"], told["alias"], told["version"]) == (NAME, "champion", "1")
    assert len(told["run_id"]) == 32
