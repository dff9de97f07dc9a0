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
    """A catalog, the root of the lake whose tables it has and that of the landing folders, the storage credential by
    which Unity Catalog reaches both, and of each table, by its key, its name in the catalog and its path, and the
    schemas that it needs: its own, and those of what is kept beside it.
    """

    name: str
    root: str
    landing: str
    credential: str
    tables: Mapping[str, tuple[str, str]]
    schemas: Mapping[str, Sequence[str]]

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
    credential = _quoted(catalog.credential)
    for name, url, doc in (
        ("lake", catalog.root, "The Delta tables of the lakehouse"),
        ("landing", catalog.landing, "The files that land for the lakehouse"),
    ):
        yield (
            f"CREATE EXTERNAL LOCATION IF NOT EXISTS {_location(catalog, name)} URL {literal(url)} "
            f"WITH (STORAGE CREDENTIAL {credential}) COMMENT {literal(doc)}"
        )
    yield f"CREATE CATALOG IF NOT EXISTS {_quoted(catalog.name)}"


def _domain(name: str, lakehouse: Lakehouse, catalog: Catalog) -> Iterator[str]:
    """Its schemas, and what its owner, whose jobs make the tables, has to be granted: what `lakehouse doctor` asks."""
    domain, owner = lakehouse.domains[name], _quoted(lakehouse.domains[name].principal)
    mine = [table for table in lakehouse.runnable.values() if table.domain == name]
    yield f"GRANT USE CATALOG ON CATALOG {_quoted(catalog.name)} TO {owner}"
    yield (
        "GRANT READ FILES, WRITE FILES, CREATE EXTERNAL TABLE "
        f"ON EXTERNAL LOCATION {_location(catalog, 'lake')} TO {owner}"
    )
    yield f"GRANT READ FILES, WRITE FILES ON EXTERNAL LOCATION {_location(catalog, 'landing')} TO {owner}"
    for schema in dict.fromkeys(it for table in mine for it in catalog.schemas[table.key]):
        called = ".".join(map(_quoted, schema.split(".")))
        comment = f"The {schema.rpartition(f'{name}_')[2]} tables of {name}. {domain.doc}".strip()
        yield f"CREATE SCHEMA IF NOT EXISTS {called} COMMENT {literal(comment)}"
        yield f"GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA {called} TO {owner}"


def _location(catalog: Catalog, name: str) -> str:
    return _quoted(f"{catalog.name}_{name}")


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
