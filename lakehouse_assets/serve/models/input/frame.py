"""The columns of a request as the DataFrame that a model takes, in the order and with the types of its signature."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from lakehouse_assets.serve.models.attempt import Failed, attempt
from lakehouse_assets.serve.models.input.columns import Columns
from lakehouse_assets.serve.models.input.values import NEVER_NULL, typed
from lakehouse_assets.serve.models.refused import Refused, listed
from lakehouse_assets.serve.models.signature import Field

if TYPE_CHECKING:
    from pandas import DataFrame

# Fills in features by keys: it's given the columns of a request as they were sent, and returns those to score, as if
# they had been sent. It takes keys away that the model doesn't take, and refuses keys that it doesn't know by raising
# `Refused`; a feature that it leaves null is refused by its column. It's called by several threads.
Lookup = Callable[["DataFrame"], "DataFrame"]

log = logging.getLogger(__name__)


def frame_of(columns: Columns, fields: Sequence[Field]) -> DataFrame:
    """The frame. A column that the signature doesn't require may be left out, and is null then.

    Raises:
        Refused: columns are missing, unknown, or have values of other types.
    """
    import pandas as pd

    _compare(columns, fields)
    rows = len(next(iter(columns.values())))
    made = {f.name: typed(f, columns.get(f.name) or [None] * rows) for f in fields if f.name in columns or _fills(f)}
    return pd.DataFrame(made)


def looked_up(columns: Columns, lookup: Lookup) -> Columns:
    """The columns of a request with the features that its keys lead to.

    Raises:
        Refused: a key isn't known, or the look-up failed or returned another number of rows.
    """
    import pandas as pd

    rows = len(next(iter(columns.values())))
    sent = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    found = attempt(lambda: lookup(sent))
    if isinstance(found, Failed) and isinstance(found.error, Refused):
        raise found.error
    if isinstance(found, Failed) or len(found) != rows:
        log.error("The look-up of features failed: %s", found.reason if isinstance(found, Failed) else "rows are lost")
        said = "The features couldn't be looked up; the server's log has the details."
        raise Refused(said, HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL_ERROR")
    known = found.notna()
    return {
        str(name): [value if here else None for value, here in zip(found[name].tolist(), known[name], strict=True)]
        for name in found.columns
    }


def _fills(field: Field) -> bool:
    return field.type not in NEVER_NULL


def _compare(columns: Columns, fields: Sequence[Field]) -> None:
    names = {field.name for field in fields}
    missing = [field.name for field in fields if field.required and field.name not in columns]
    extra = [name for name in columns if name not in names]
    said = [f"the model needs {listed(missing)}"] if missing else []
    said += [f"it doesn't take {listed(extra)}"] if extra else []
    if said:
        told = " and ".join(said)
        raise Refused(f"The columns don't fit: {told}.")
