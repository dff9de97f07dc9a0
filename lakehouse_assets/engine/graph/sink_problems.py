"""What can be wrong with one declared sink, and with two of them that write to one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from lakehouse_assets.engine.graph.discover import full_key
from lakehouse_assets.engine.graph.labels import file_problems
from lakehouse_assets.engine.graph.table_problems import where
from lakehouse_assets.engine.spec.asset import Domain
from lakehouse_assets.engine.spec.sinks.columns import of_table
from lakehouse_assets.engine.spec.sinks.sink import COSMOS_OWN, COSMOS_PROGRESS, SINKS, Cosmos, Postgres, Sink, Store
from lakehouse_assets.engine.spec.table import Table

# PostgreSQL cuts what is longer, and says nothing.
POSTGRES_NAME_BYTES = 63


def sink_problems(
    sink: Sink, domains: Mapping[str, Domain], tables: Mapping[str, Table], sinks: Mapping[str, Sink]
) -> Iterator[str]:
    """Each problem with its file and line, and with what to do."""
    for problem in file_problems(sink, SINKS, domains.get(sink.domain)):
        yield f"{where(sink)}: {problem}"
    table = tables.get(full_key(sink, sink.rows.table))
    for problem in (*_store_problems(sink, sinks), *(_column_problems(sink, table) if table else ())):
        yield f"{where(sink)}: {problem}"


def _store_problems(sink: Sink, sinks: Mapping[str, Sink]) -> Iterator[str]:
    given: object = sink.to  # a person may have written anything
    if not isinstance(given, Store):
        yield f"goes to {type(given).__name__}, which is no store; use postgres(…), kafka_topic(…) or cosmos(…)"
        return
    if not sink.to.target:
        yield "its store has no name; say what its table, topic or container is called"
    others = [key for key, it in sinks.items() if it is not sink and isinstance(it.to, Store)
              and (it.to.variable, it.to.target) == (sink.to.variable, sink.to.target)]  # fmt: skip
    if others:
        yield f"{', '.join(others)} writes to {sink.to.target!r} as well; give each a place of its own"


def _column_problems(sink: Sink, table: Table) -> Iterator[str]:
    if not table.keys:
        yield f"{table.key} has no key, by which its rows are found in the store; declare Column(…, key=True)"
        return
    known = of_table(table)
    for name in [n for n in sink.columns if n not in known]:
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(known)}"
        yield f"names the column {name!r}, which {table.key} doesn't declare{hint}"
    chosen = sink.columns or known
    if left_out := [name for name in table.keys if name not in chosen]:
        yield f"leaves out {', '.join(left_out)}, which is of the key of {table.key}; add it to columns=[…]"
    names = [sink.to.table, sink.to.schema, *chosen] if isinstance(sink.to, Postgres) else []
    for name in [n for n in names if len(n.encode()) > POSTGRES_NAME_BYTES or "\0" in n]:
        yield f"{name!r} is no name for PostgreSQL; take one of at most {POSTGRES_NAME_BYTES} bytes"
    if isinstance(sink.to, Cosmos):
        yield from _cosmos_problems(sink.to, table, chosen)


def _cosmos_problems(store: Cosmos, table: Table, columns: Sequence[str]) -> Iterator[str]:
    paths = ["/id", *(f"/{name}" for name in table.keys if name != "id")]
    if store.partition not in paths:
        yield (
            f"has the partition key {store.partition!r}, by which no row may move; take a column of the key of "
            f"{table.key}, or the item itself: {', '.join(paths)}"
        )
    for name in [n for n in columns if n in COSMOS_OWN or (n == "_id" and "id" in columns)]:
        yield f"{name!r} is a property that items of Cosmos DB have for something else; leave it out by columns=[…]"
    if store.container == COSMOS_PROGRESS:
        yield f"the container {COSMOS_PROGRESS!r} has the progress of all sinks of its database; take another"
