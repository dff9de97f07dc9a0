"""Commands about models: list, show, train, promote, rollback."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_assets.cli.app import NotFound, app, complain, find_model
from lakehouse_assets.cli.terminal import console, grid, line, tell, tell_lines
from lakehouse_assets.cli.work import launch_run
from lakehouse_assets.environment import open_lakehouse
from lakehouse_assets.settings import read_settings

if TYPE_CHECKING:
    from lakehouse_assets.engine.registry.store import ModelStore
    from lakehouse_assets.engine.registry.versions import Version

commands = typer.Typer(name="model", help="Models: their versions, and which of them scores.", no_args_is_help=True)
app.add_typer(commands)

ModelName = Annotated[str, typer.Argument(help="name, models.name or domain.models.name", metavar="MODEL")]
Number = Annotated[int, typer.Argument(help="as `lakehouse model show` has it", metavar="VERSION")]


@commands.command("list")
def list_models() -> None:
    """Every declared model: its champion, its newest version, and what the gate said of that."""
    from lakehouse_assets.engine.registry.versions import CHAMPION, WHY, aliases, versions

    lakehouse, store = open_lakehouse(), read_settings().models
    complain(lakehouse)
    shown = grid("model", "champion", "newest", "trained (UTC)", "gate", right=["champion", "newest"])
    for key in lakehouse.models:
        newest = next(iter(versions(store, key)), None)
        if newest is None:
            shown.add_row(key, line(("not trained", "dim")))
            continue
        champion = aliases(store, key).get(CHAMPION)
        shown.add_row(key, str(champion or ""), str(newest.number), _at(newest), newest.tags.get(WHY, ""))
    console.print(shown)


@commands.command("show")
def show_model(name: ModelName) -> None:
    """The versions of a model, the newest first: what they're called, what they were trained on, and how they do."""
    from lakehouse_assets.engine.models.tracking import metrics_of
    from lakehouse_assets.engine.registry.store import where_mlflow_is
    from lakehouse_assets.engine.registry.versions import WHY, aliases, versions

    model, store = find_model(open_lakehouse(), name), read_settings().models
    called = {number: alias for alias, number in aliases(store, model.key).items()}
    shown = grid("version", "alias", "trained (UTC)", "on", "metrics", "drift", "gate", right=["version"])
    for it in versions(store, model.key):
        on = ", ".join(f"{key}@{read['to']}" for key, read in it.read.items())
        found = metrics_of(store, it.run_id)
        metrics = ", ".join(f"{key} {value:.4g}" for key, value in found.items() if "/" not in key)
        told = (str(it.number), called.get(it.number, ""), _at(it), on, metrics, _drift(found), it.tags.get(WHY, ""))
        shown.add_row(*told)
    console.print(shown)
    tell(f"MLflow has the rest, under {store.name(model.key)}: {where_mlflow_is(store)}")


@commands.command("train")
def train_model(
    name: ModelName,
    like: Annotated[int, typer.Option(help="train on what this version was trained on")] = 0,
) -> None:
    """Train a model now, though nothing has changed; the gate decides whether it's the champion."""
    lakehouse = open_lakehouse()
    model = find_model(lakehouse, name)
    launch_run([model.key], lakehouse, read_settings(), full_refresh=True, like=like)


@commands.command("promote")
def promote_version(name: ModelName, version: Number) -> None:
    """Make a version the champion, whatever the gate said; the next run scores all rows by it."""
    from lakehouse_assets.engine.registry.promotion import promote

    model, store = find_model(open_lakehouse(), name), read_settings().models
    promote(store, model.key, version, getuser())
    tell(f"Version {version} of {model.key} is the champion. `lakehouse model rollback {name}` takes that back.")


@commands.command("rollback")
def roll_back(name: ModelName) -> None:
    """Make the version the champion again that the present one had replaced."""
    from lakehouse_assets.engine.registry.promotion import rollback

    model, store = find_model(open_lakehouse(), name), read_settings().models
    before, now = rollback(store, model.key)
    tell(f"Version {now.number} of {model.key} is the champion again, in place of version {before.number}.")


def _drift(metrics: Mapping[str, float]) -> str:
    """The columns that were the farthest from the training rows when the version last scored."""
    found = {key.partition("/")[2]: value for key, value in metrics.items() if key.startswith("drift_psi/")}
    worst = sorted(found.items(), key=lambda it: -it[1])[:3]
    return ", ".join(f"{name} {value:.3g}" for name, value in worst)


def _at(it: Version) -> str:
    return datetime.fromtimestamp(it.created, UTC).strftime("%Y-%m-%d %H:%M:%S")


@commands.command("card")
def write_card(
    name: ModelName,
    version: Annotated[int, typer.Option(help="the champion's unless it's said")] = 0,
    to: Annotated[Path | None, typer.Option(help="a folder to write it into; else it's printed")] = None,
) -> None:
    """The model card of a version: what it predicts, from what, how well, and on what it was trained, in Markdown."""
    from lakehouse_assets.engine.models.card import card
    from lakehouse_assets.engine.registry.versions import version as version_of

    lakehouse, store = open_lakehouse(), read_settings().models
    model = find_model(lakehouse, name)
    it = version_of(store, model.key, version) if version else _champion(model.key, store)
    text = card(model, it, model.owner or lakehouse.domains[model.domain].owner, store)
    if to is None:
        tell_lines(text)
        return
    to.mkdir(parents=True, exist_ok=True)
    file = to / f"{model.domain}_{model.name}.md"
    file.write_text(text)
    tell(f"The card of version {it.number} of {model.key} is in {file}.")


def _champion(key: str, store: ModelStore) -> Version:
    from lakehouse_assets.engine.registry.versions import champion

    found = champion(store, key)
    if found is None:
        raise NotFound(f"{key} has no champion; name a version by --version, as `lakehouse model show` has them")
    return found
