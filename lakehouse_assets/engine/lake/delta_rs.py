"""What delta-rs is asked without Spark: queries, the errors that it raises, the types that it tells."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import DamagedTable
from lakehouse_assets.engine.lake.places import TableRef

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable


def delta_table(table: TableRef, version: int | None = None) -> DeltaTable:
    """A table as delta-rs has it, as it is or as it was at a version."""
    from deltalake import DeltaTable

    return DeltaTable(table.path, version=version, storage_options=dict(table.storage) or None)


def select(table: DeltaTable, name: str, query: str) -> list[dict[str, Any]]:
    """The rows of a query that reads one table under a name, by delta-rs' own engine.

    Not by pyarrow's compute functions, which import pandas, for a second.
    """
    rows: list[dict[str, Any]] = arrow(table, name, query).to_pylist()
    return rows


def arrow(table: DeltaTable, name: str, query: str) -> pa.Table:
    """The same as an Arrow table."""
    return arrow_of(query, {name: table})


def arrow_of(query: str, tables: Mapping[str, DeltaTable]) -> pa.Table:
    """The rows of a query that reads several tables under their names."""
    import pyarrow as pa
    from deltalake import QueryBuilder

    engine = QueryBuilder()
    for name, table in tables.items():
        engine = engine.register(name, table)
    return pa.RecordBatchReader.from_stream(engine.execute(query)).read_all()


def errors_of_delta_rs() -> tuple[type[Exception], ...]:
    """What delta-rs raises as it looks at a table, and Arrow as rows are fetched or become Python's values."""
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    return (DeltaError, pa.ArrowException, ArithmeticError, OSError, TypeError, ValueError)


def committed_once(app: str, run: int, metadata: str) -> CommitProperties:
    """What makes a commit by delta-rs one that a rival of the same number can't make as well, and says what it is."""
    from deltalake import CommitProperties, Transaction

    return CommitProperties(custom_metadata={"userMetadata": metadata}, app_transactions=[Transaction(app, run)])


def is_conflict(error: Exception) -> bool:
    """Whether delta-rs refused a commit as another came first, and not as the table is one that it can't write to."""
    return not lacks_feature(error) and "table is append-only" not in str(error)


def lacks_feature(error: Exception) -> bool:
    """Whether delta-rs refused as the table has a feature that it doesn't write."""
    return any(why in str(error) for why in ("Unsupported table features", "Table features must be specified"))


def text(value: str) -> str:
    """A text as delta-rs' SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def column(name: str) -> str:
    """The name of a column as its SQL writes it, and its change feed takes it, which else makes it lower case."""
    return '"' + name.replace('"', '""') + '"'


def texts(values: Collection[str]) -> str:
    """Texts as its SQL lists them."""
    return ", ".join(map(text, values))


@contextmanager
def undamaged(path: str) -> Iterator[None]:
    """Names the table whose log can't be read.

    Raises:
        DamagedTable: that.
    """
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        yield
    except TableNotFoundError:
        raise
    except DeltaError as error:
        why = str(error).splitlines()[0]
        raise DamagedTable(
            f"Reading the log of {path}: {why}. Put back what its _delta_log lacks; or move the folder away, and the "
            "next run makes the table anew"
        ) from error


def type_name(kind: Any) -> str:
    """A Delta schema type as Spark SQL writes it (`long` is `bigint`)."""
    names = {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint"}
    if isinstance(kind, str):
        return names.get(kind, kind)
    match kind["type"]:
        case "array":
            return f"array<{type_name(kind['elementType'])}>"
        case "map":
            return f"map<{type_name(kind['keyType'])},{type_name(kind['valueType'])}>"
        case _:
            return f"struct<{','.join(_named(f['name']) + ':' + type_name(f['type']) for f in kind['fields'])}>"


def _named(field: str) -> str:
    """The name of a struct's field, quoted where Spark's parser wouldn't take it as it is."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", field)
    return field if plain else "`" + field.replace("`", "``") + "`"
