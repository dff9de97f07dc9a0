"""What Unity Catalog is told of the tables, as SQL: schemas, tables at their paths, comments, tags, keys and grants.

A run registers its table by itself. The rest is for people: what Catalog Explorer and BI tools show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakehouse_assets.engine.graph.discover import Lakehouse, full_key
from lakehouse_assets.engine.spec.checks import References
from lakehouse_assets.engine.spec.table import Table
from lakehouse_assets.engine.spec.texts import literal


@dataclass(frozen=True)
class Catalog:
    """A catalog, the root of the lake whose tables it has, the storage credential by which Unity Catalog reaches that,
    and of each table, by its key, its name in the catalog and its path.
    """

    name: str
    root: str
    credential: str
    tables: Mapping[str, tuple[str, str]]

    def name_of(self, key: str) -> str:
        """A table as SQL names it."""
        return ".".join(map(_quoted, self.tables[key][0].split(".")))


def unity_catalog_sql(lakehouse: Lakehouse, catalog: Catalog) -> str:
    """The statements, in an order in which they can be run, and run again, once the tables are built."""
    parts = [_places(catalog), *(_domain(name, lakehouse, catalog) for name in lakehouse.domains)]
    tables = [_table(table, catalog) for table in lakehouse.runnable.values()]
    keys = [_foreign_keys(table, lakehouse, catalog) for table in lakehouse.runnable.values()]
    statements = "".join(f"{statement};\n" for part in (*parts, *tables, *keys) for statement in part)
    return f"-- To be run once the tables are built, and again when they have changed.\n{statements}"


def _places(catalog: Catalog) -> Iterator[str]:
    name = _quoted(f"{catalog.name}_lake")
    credential = _quoted(catalog.credential)
    yield (
        f"CREATE EXTERNAL LOCATION IF NOT EXISTS {name} URL {literal(catalog.root)} "
        f"WITH (STORAGE CREDENTIAL {credential}) COMMENT 'The Delta tables of the lakehouse'"
    )
    yield f"CREATE CATALOG IF NOT EXISTS {_quoted(catalog.name)}"


def _domain(name: str, lakehouse: Lakehouse, catalog: Catalog) -> Iterator[str]:
    """Its schemas, which its owner may read and write."""
    domain, owner = lakehouse.domains[name], _quoted(lakehouse.domains[name].principal)
    layers = dict.fromkeys(table.layer for table in lakehouse.runnable.values() if table.domain == name)
    yield f"GRANT USE CATALOG ON CATALOG {_quoted(catalog.name)} TO {owner}"
    for layer in layers:
        schema = f"{_quoted(catalog.name)}.{_quoted(f'{name}_{layer}')}"
        comment = f"The {layer} tables of {name}. {domain.doc}".strip()
        yield f"CREATE SCHEMA IF NOT EXISTS {schema} COMMENT {literal(comment)}"
        yield f"GRANT USE SCHEMA, SELECT, MODIFY ON SCHEMA {schema} TO {owner}"


def _table(table: Table, catalog: Catalog) -> Iterator[str]:
    name = catalog.name_of(table.key)
    path = catalog.tables[table.key][1]
    tags = {"domain": table.domain, "layer": table.layer, **table.tags}
    yield f"CREATE TABLE IF NOT EXISTS {name} USING DELTA LOCATION {literal(path)}"
    yield f"COMMENT ON TABLE {name} IS {literal(table.doc)}"
    yield f"ALTER TABLE {name} SET TAGS ({', '.join(f'{literal(k)} = {literal(v)}' for k, v in tags.items())})"
    for column in table.columns:
        if column.doc:
            yield f"ALTER TABLE {name} ALTER COLUMN {_quoted(column.name)} COMMENT {literal(column.doc)}"
    if table.keys:
        yield from _primary_key(table, name)


def _primary_key(table: Table, name: str) -> Iterator[str]:
    """It's informational, so Unity Catalog holds nobody to it; but it takes columns alone that can't be null."""
    for column in table.keys:
        yield f"ALTER TABLE {name} ALTER COLUMN {_quoted(column)} SET NOT NULL"
    yield f"ALTER TABLE {name} DROP PRIMARY KEY IF EXISTS CASCADE"
    yield f"ALTER TABLE {name} ADD CONSTRAINT {_quoted(f'{table.name}_key')} PRIMARY KEY ({_listed(table.keys)})"


def _foreign_keys(table: Table, lakehouse: Lakehouse, catalog: Catalog) -> Iterator[str]:
    """One for each `references` to a column that is the whole key of its table, as others can't be one."""
    for check in (check for check in table.all_checks if isinstance(check, References)):
        other = lakehouse.runnable.get(full_key(table, check.table))
        if other and other.keys == (check.other,):
            name, constraint = catalog.name_of(table.key), _quoted(f"{table.name}_{check.name}")
            there = f"{catalog.name_of(other.key)} ({_quoted(check.other)})"
            yield f"ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {constraint}"
            yield (
                f"ALTER TABLE {name} ADD CONSTRAINT {constraint} "
                f"FOREIGN KEY ({_quoted(check.column)}) REFERENCES {there}"
            )


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(map(_quoted, columns))


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
