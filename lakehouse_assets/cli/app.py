"""What every command shares: the app, and finding the tables a person names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import typer

from lakehouse_assets.cli.terminal import complaints, tell
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.lake.places import Lake

if TYPE_CHECKING:
    from lakehouse_assets.engine.graph.discover import Lakehouse
    from lakehouse_assets.engine.lake.delta_log import TableLog
    from lakehouse_assets.engine.spec.models.model import Model
    from lakehouse_assets.engine.spec.sinks.sink import Sink
    from lakehouse_assets.engine.spec.table import Table

T = TypeVar("T")

app = typer.Typer(
    name="lakehouse",
    help="A lakehouse whose every table is a Dagster asset.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class NotFound(LakehouseError):
    """A table was named that isn't declared, or isn't built yet."""


def complain(lakehouse: Lakehouse) -> None:
    """Tell of the problems in the declarations, and which tables are left out for them."""
    for problem in lakehouse.problems:
        tell(("Problem", "bold red"), f" {problem}", where=complaints)
    if lakehouse.left_out:
        names = ", ".join(lakehouse.left_out)
        tell(f"Left out until that is mended: {names}", where=complaints)


def find(lakehouse: Lakehouse, name: str) -> Table:
    """The one table a person means by `domain.layer.name`, `layer.name` or `name`.

    Raises:
        NotFound: none or several fit, or it has a problem; the message names them or the nearest, or the problem.
    """
    return _the_one(lakehouse.tables, lakehouse, name, "table")


def find_model(lakehouse: Lakehouse, name: str) -> Model:
    """The one model a person means by `domain.models.name`, `models.name` or `name`.

    Raises:
        NotFound: as `find`.
    """
    return _the_one(lakehouse.models, lakehouse, name, "model")


def find_sink(lakehouse: Lakehouse, name: str) -> Sink:
    """The one sink a person means by `domain.sinks.name`, `sinks.name` or `name`.

    Raises:
        NotFound: as `find`.
    """
    return _the_one(lakehouse.sinks, lakehouse, name, "sink")


def _the_one(there: Mapping[str, T], lakehouse: Lakehouse, name: str, kind: str) -> T:
    fit = [key for key in there if key == name] or [key for key in there if key.endswith(f".{name}")]
    if len(fit) == 1:
        return there[fit[0]]
    for key, why in lakehouse.left_out.items():
        if f".{key}".endswith(f".{name}"):
            raise NotFound(f"{key} isn't loaded: {why}")
    short = [key.split(".", 1)[1] for key in there]
    near = fit or get_close_matches(name, [*there, *short], n=3, cutoff=0.5)
    listing = "`lakehouse tables` lists them" if kind == "table" else f"`lakehouse {kind} list` lists them"
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; {listing}"
    raise NotFound(f"No single {kind} is called {name!r}{hint}")


def select(lakehouse: Lakehouse, names: Sequence[str]) -> list[str]:
    """The keys of the tables named, in dependency order; a domain, a layer or `domain.layer` stands for all its tables.

    Raises:
        NotFound: a name fits nothing.
    """
    chosen = {key for name in names for key in _named(lakehouse, name)} if names else set(lakehouse.tables)
    return [key for key in lakehouse.tables if key in chosen]


def select_assets(lakehouse: Lakehouse, names: Sequence[str], downstream: bool = False) -> list[str]:
    """The same of tables, models and sinks together.

    Raises:
        NotFound: a name fits nothing.
    """
    chosen = {key for name in names for key in _named_assets(lakehouse, name)} if names else {*lakehouse.assets}
    if downstream:
        for key in lakehouse.assets:  # in dependency order, so one pass reaches everything
            if chosen & {*lakehouse.reads(key)}:
                chosen.add(key)
    return [key for key in lakehouse.assets if key in chosen]


def _named_assets(lakehouse: Lakehouse, name: str) -> list[str]:
    beside = [key for key in (*lakehouse.models, *lakehouse.sinks) if key == name or key.endswith(f".{name}")]
    return within(lakehouse.assets, name) or beside or _named(lakehouse, name)


def _named(lakehouse: Lakehouse, name: str) -> list[str]:
    found = within(lakehouse.tables, name)
    return found if found or within(lakehouse.left_out, name) else [find(lakehouse, name).key]


def within(keys: Iterable[str], name: str) -> list[str]:
    """Those of the keys that are in a domain, in a layer, or in `domain.layer`."""
    return [key for key in keys if key.startswith(f"{name}.") or key.split(".")[1:2] == [name]]


def module_of(domain: str, name: str, package: str, lakehouse: Lakehouse) -> ModuleType:
    """The module `feed` or `simulation` of a domain.

    Raises:
        NotFound: it has none; the message names the domains that do.
    """
    modules = {domain: f"{package}.{domain}.{name}" for domain in lakehouse.domains}
    there = [domain for domain, module in modules.items() if find_spec(module)]
    if domain not in there:
        what, having = "sample feed" if name == "feed" else name, ", ".join(there) or "none"
        raise NotFound(f"The domain {domain!r} has no {what}; those of {package} that have one: {having}")
    return import_module(modules[domain])


def built(lake: Lake, table: Table) -> TableLog:
    """The log of a table that must be there.

    Raises:
        NotFound: it hasn't been built yet.
    """
    from lakehouse_assets.engine.lake.delta_log import read_log

    log = read_log(lake.table(table.key))
    if log is None:
        how = f"{table.made_by} makes it" if table.external else f"`lakehouse run {table.key}` builds it"
        raise NotFound(f"{table.key} isn't built yet; {how}")
    return log


def count(number: int | None) -> str:
    """A number for people."""
    return "" if number is None else f"{number:,}"
