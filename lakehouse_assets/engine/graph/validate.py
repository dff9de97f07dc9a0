"""Validates all declared tables together; every problem is found before any is reported."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter

from lakehouse_assets.engine.errors import DeclarationError
from lakehouse_assets.engine.graph.alert_problems import alert_problems
from lakehouse_assets.engine.graph.collector import collector_paused
from lakehouse_assets.engine.graph.discover import Asset, Declared, Lakehouse, discover, full_key
from lakehouse_assets.engine.graph.elsewhere_problems import elsewhere_problems
from lakehouse_assets.engine.graph.faults import Fault, attempt
from lakehouse_assets.engine.graph.feature_problems import feature_problems
from lakehouse_assets.engine.graph.model_problems import model_problems, resolved, watch_problems
from lakehouse_assets.engine.graph.sink_problems import sink_problems
from lakehouse_assets.engine.graph.table_problems import CHECKS, where
from lakehouse_assets.engine.spec.asset import Domain
from lakehouse_assets.engine.spec.models.model import MODELS, Model
from lakehouse_assets.engine.spec.sinks.sink import SINKS, Sink
from lakehouse_assets.engine.spec.table import Table


@collector_paused()
def load(package: str, *, strict: bool = True) -> Lakehouse:
    """Discover and validate the tables below a package.

    Unless `strict`, tables with a problem are left out, and those that read them: the others can be worked with.

    Raises:
        DeclarationError: `strict`, with every problem found, each with its file, line and remedy.
    """
    domains, declared = discover(package)
    lakehouse = validate(domains, declared)
    if strict and lakehouse.problems:
        raise DeclarationError(lakehouse.problems)
    return lakehouse


def validate(domains: Mapping[str, Domain], declared: Iterable[Declared]) -> Lakehouse:
    """What is declared as a whole, in dependency order, without what has a problem."""
    declared = list(declared)
    given = {a.key: a for d in declared for a in d.assets.values()}
    models = {key: asset for key, asset in given.items() if isinstance(asset, Model)}
    sinks = {key: asset for key, asset in given.items() if isinstance(asset, Sink)}
    plain = {key: asset for key, asset in given.items() if isinstance(asset, Table)}
    tables = {key: resolved(table, models, plain) for key, table in plain.items()}
    assets: dict[str, Asset] = {**tables, **models, **sinks}
    found = [(key, p) for d in declared for p in _file_problems(d) for key in d.keys]
    keys = {key for d in declared for key in d.keys}
    found += [(a.key, p) for a in assets.values() for p in _asset_problems(a, domains, tables, sinks, keys)]
    order, cycles = _order(assets)
    found += cycles
    left_out = _left_out([assets[key] for key in order], dict(reversed(found)))
    sound = tuple(key for key in order if key not in left_out)
    return Lakehouse(
        domains, {key: tables[key] for key in sound if key in tables}, tuple(dict.fromkeys(p for _, p in found)),
        left_out, {key: models[key] for key in sound if key in models}, sound,
        {key: sinks[key] for key in sound if key in sinks},
    )  # fmt: skip


def _asset_problems(
    asset: Asset, domains: Mapping[str, Domain], tables: Mapping[str, Table], sinks: Mapping[str, Sink],
    keys: Collection[str],
) -> list[str]:  # fmt: skip
    def look() -> list[str]:
        if isinstance(asset, Model):
            return [*model_problems(asset, domains, tables), *_reference_problems(asset, keys)]
        if isinstance(asset, Sink):
            return [*sink_problems(asset, domains, tables, sinks), *_reference_problems(asset, keys)]
        checks = (*CHECKS, elsewhere_problems, feature_problems, alert_problems)
        found = [p for check in checks for p in check(asset, domains, tables)]
        return [*found, *watch_problems(asset, tables), *_reference_problems(asset, keys)]

    # A value of another type than the declaration takes may make any of the checks raise.
    found = attempt(look, asset.key, f"{asset.file}:{asset.line}")
    return [found.text] if isinstance(found, Fault) else found


def _left_out(ordered: Iterable[Asset], faulty: Mapping[str, str]) -> dict[str, str]:
    """By key, why an asset isn't there: what is wrong with it, or what it reads that isn't there."""
    left_out = dict(faulty)
    for asset in ordered:
        missing = [key for key in _upstream_keys(asset) if key in left_out]
        if missing and asset.key not in left_out:
            left_out[asset.key] = f"{where(asset)}: not loaded, as it reads {', '.join(missing)}"
    return left_out


def _order(assets: Mapping[str, Asset]) -> tuple[list[str], list[tuple[str, str]]]:
    """The keys, upstreams before their readers, without those in a circle; and these, each with the problem."""
    left, cycles = dict(assets), list[tuple[str, str]]()
    while True:
        try:
            edges = {k: [u for u in _upstream_keys(t) if u in left and u != k] for k, t in left.items()}
            return list(TopologicalSorter(edges).static_order()), cycles
        except CycleError as error:
            ring = error.args[1]
            names = " → ".join(ring)
            problem = (
                f"{where(assets[ring[0]])}: the tables read each other in a circle: {names}; take one of the inputs out"
            )
            cycles += [(key, problem) for key in dict.fromkeys(ring)]
            for key in set(ring):
                del left[key]


def _upstream_keys(asset: Asset) -> list[str]:
    beside = asset.score.reads if isinstance(asset, Table) and asset.score else ()
    return [*(full_key(asset, u.table) for u in asset.upstreams.values()), *beside]


def _file_problems(declared: Declared) -> Iterator[str]:
    stem = declared.file.stem
    if declared.problem:
        yield declared.problem
    elif not declared.assets:
        kind = {MODELS: "model", SINKS: "sink"}.get(declared.file.parent.name, "table")
        how = f"decorate a function named {stem!r} with @{kind}"
        how = f"assign sink(…) to a variable named {stem!r}" if kind == "sink" else how
        yield f"{declared.file}:1: declares no {kind}; {how}, or move the file"
    for name, asset in declared.assets.items():
        kind = type(asset).__name__.lower()
        if asset.name != stem or name != stem:
            wrong = asset.name if asset.name != stem else name
            yield f"{where(asset)}: the file says {stem!r} and the {kind} {wrong!r}; give both one name"
    if len(declared.assets) > 1:
        yield f"{declared.file}:1: declares {', '.join(declared.assets)}; give each a file of its own"


def _reference_problems(asset: Asset, keys: Collection[str]) -> Iterator[str]:
    if isinstance(asset, Table) and not asset.inputs and not asset.made_by:
        yield f'{where(asset)}: reads nothing; bind a parameter to an input, as in raw="bronze.{asset.name}"'
    checked = [r for c in asset.checks for r in c.reads] if isinstance(asset, Table) else []
    scored_by = [asset.score.model] if isinstance(asset, Table) and asset.score else []
    labels = [asset.score.quality.labels] if isinstance(asset, Table) and asset.score and asset.score.quality else []
    for name in [*(u.table for u in asset.upstreams.values()), *checked, *scored_by, *filter(None, labels)]:
        if full_key(asset, name) not in keys:
            yield f"{where(asset)}: reads {name!r}, which no file declares{_nearest(full_key(asset, name), keys)}"
        elif full_key(asset, name) == asset.key and name not in checked:
            yield f"{where(asset)}: reads itself; a table's own past is not an input"
        elif full_key(asset, name).split(".")[1] == SINKS:
            yield f"{where(asset)}: reads the sink {name!r}; nothing is made from a sink, so read its table"


def _nearest(key: str, keys: Collection[str]) -> str:
    near = get_close_matches(key, sorted(keys), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else "; add it, or mend the name"
