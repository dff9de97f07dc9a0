"""Validates all declared tables together; every problem is found before any is reported."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter

from lakehouse_assets.engine.errors import DeclarationError
from lakehouse_assets.engine.graph.collector import collector_paused
from lakehouse_assets.engine.graph.discover import Declared, Lakehouse, discover, full_key
from lakehouse_assets.engine.graph.elsewhere_problems import elsewhere_problems
from lakehouse_assets.engine.graph.faults import Fault, attempt
from lakehouse_assets.engine.graph.feature_problems import feature_problems
from lakehouse_assets.engine.graph.table_problems import CHECKS, where
from lakehouse_assets.engine.spec.asset import Domain
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
    """The declared tables as a whole, in dependency order, without those that have a problem."""
    declared = list(declared)
    tables = {t.key: t for d in declared for t in d.tables.values()}
    found = [(key, p) for d in declared for p in _file_problems(d) for key in d.keys]
    keys = {key for d in declared for key in d.keys}
    found += [(t.key, p) for t in tables.values() for p in _table_problems(t, domains, tables, keys)]
    order, cycles = _order(tables)
    found += cycles
    left_out = _left_out([tables[key] for key in order], dict(reversed(found)))
    sound = {key: tables[key] for key in order if key not in left_out}
    return Lakehouse(domains, sound, tuple(dict.fromkeys(p for _, p in found)), left_out)


def _table_problems(
    table: Table, domains: Mapping[str, Domain], tables: Mapping[str, Table], keys: Collection[str]
) -> list[str]:
    def look() -> list[str]:
        found = [p for check in (*CHECKS, elsewhere_problems, feature_problems) for p in check(table, domains, tables)]
        return found + list(_reference_problems(table, keys))

    # A value of another type than the declaration takes may make any of the checks raise.
    found = attempt(look, table.key, f"{table.file}:{table.line}")
    return [found.text] if isinstance(found, Fault) else found


def _left_out(ordered: Iterable[Table], faulty: Mapping[str, str]) -> dict[str, str]:
    """By key, why a table isn't there: what is wrong with it, or which table it reads that isn't there."""
    left_out = dict(faulty)
    for table in ordered:
        missing = [key for key in _upstream_keys(table) if key in left_out]
        if missing and table.key not in left_out:
            left_out[table.key] = f"{where(table)}: not loaded, as it reads {', '.join(missing)}"
    return left_out


def _order(tables: Mapping[str, Table]) -> tuple[list[str], list[tuple[str, str]]]:
    """The keys, upstreams before their readers, without those in a circle; and these, each with the problem."""
    left, cycles = dict(tables), list[tuple[str, str]]()
    while True:
        try:
            edges = {k: [u for u in _upstream_keys(t) if u in left and u != k] for k, t in left.items()}
            return list(TopologicalSorter(edges).static_order()), cycles
        except CycleError as error:
            ring = error.args[1]
            names = " → ".join(ring)
            problem = (
                f"{where(tables[ring[0]])}: the tables read each other in a circle: {names}; take one of the inputs out"
            )
            cycles += [(key, problem) for key in dict.fromkeys(ring)]
            for key in set(ring):
                del left[key]


def _upstream_keys(table: Table) -> list[str]:
    return [full_key(table, u.table) for u in table.upstreams.values()]


def _file_problems(declared: Declared) -> Iterator[str]:
    stem = declared.file.stem
    if declared.problem:
        yield declared.problem
    elif not declared.tables:
        yield f"{declared.file}:1: declares no table; decorate a function named {stem!r} with @table, or move the file"
    for name, table in declared.tables.items():
        if table.name != stem or name != stem:
            wrong = table.name if table.name != stem else name
            yield f"{where(table)}: the file says {stem!r} and the table {wrong!r}; give both one name"
    if len(declared.tables) > 1:
        yield f"{declared.file}:1: declares {', '.join(declared.tables)}; give each table a file of its own"


def _reference_problems(table: Table, keys: Collection[str]) -> Iterator[str]:
    if not table.inputs and not table.made_by:
        yield f'{where(table)}: reads nothing; bind a parameter to an input, as in raw="bronze.{table.name}"'
    references = [*(u.table for u in table.upstreams.values()), *(r for c in table.checks for r in c.reads)]
    for name in references:
        if full_key(table, name) not in keys:
            yield f"{where(table)}: reads {name!r}, which no file declares{_nearest(full_key(table, name), keys)}"
        elif full_key(table, name) == table.key and name not in (r for c in table.checks for r in c.reads):
            yield f"{where(table)}: reads itself; a table's own past is not an input"


def _nearest(key: str, keys: Collection[str]) -> str:
    near = get_close_matches(key, sorted(keys), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else "; add it, or mend the name"
