"""Values of a request, held to the type of a column: nothing is rounded, cut or guessed."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lakehouse_assets.serve.models.refused import Refused, shown
from lakehouse_assets.serve.models.signature import Field

if TYPE_CHECKING:
    import numpy as np

Values = Sequence[Any]
NULL = type(None)
# A column of these can't hold a null, whatever the signature says: MLflow makes false of it, or fails.
NEVER_NULL = frozenset({"boolean", "integer", "long"})
EXACT = 2**53  # above it, not every whole number is a double
NUMPY = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32"}
_NAMES = {"integer": "an integer of 32 bits", "long": "a whole number (long)", "boolean": "true or false"}
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?", re.ASCII)


def typed(field: Field, values: Values) -> np.ndarray:
    """The values as the array that the model gets.

    Raises:
        Refused: one of them isn't of the column's type; it names the column and the row.
    """
    takes, make = _TYPES[field.type]
    kinds = set(map(type, values))
    if NULL in kinds and (field.required or field.type in NEVER_NULL):
        raise _refused(field, values.index(None), None, "" if field.required else ", which this type can't hold")
    if wrong := kinds - takes - {NULL}:
        row = next(i for i, value in enumerate(values) if type(value) in wrong)
        raise _refused(field, row, values[row])
    return make(field, values)


def _refused(field: Field, row: int, value: object, why: str = "") -> Refused:
    name = _NAMES.get(field.type, f"a {field.type}")
    where = f"Column {field.name!r}" if field.name else "The tensor"
    at = "row" if field.name and not field.shape else "value"
    return Refused(f"{where} takes {name}, but {at} {row + 1} has {shown(value)}{why}.")


def _floats(field: Field, values: Values) -> np.ndarray:
    import numpy as np

    try:
        made = np.array(values, dtype="float64")
    except OverflowError:  # of an integer with hundreds of digits
        row = _first(values, _overflows)
        raise _refused(field, row, values[row], ", which is too large for it") from None
    with np.errstate(over="ignore"):
        made = made.astype(NUMPY.get(field.type, field.type))
    for row in np.flatnonzero(~np.isfinite(made)).tolist():
        if values[row] is not None:
            raise _refused(field, row, values[row], ", which is too large for it")
    return made


def _overflows(value: Any) -> bool:
    try:
        return math.isinf(float(value or 0))
    except OverflowError:
        return True


def _integers(field: Field, values: Values) -> np.ndarray:
    import numpy as np

    limits = np.iinfo(NUMPY.get(field.type, field.type))
    for row, value in enumerate(values):
        if isinstance(value, float) and not (value.is_integer() and abs(value) <= EXACT):
            raise _refused(field, row, value)
        if not limits.min <= value <= limits.max:
            raise _refused(field, row, value, ", which is too large for it")
    return np.array([int(value) for value in values], dtype=limits.dtype)


def _booleans(_: Field, values: Values) -> np.ndarray:
    import numpy as np

    return np.array(values, dtype=bool)


def _texts(field: Field, values: Values) -> np.ndarray:
    row = _first(values, lambda value: value is not None and not value.isascii() and _is_half(value))
    if row >= 0:
        raise _refused(field, row, values[row], ", in which a character is cut in half (a lone surrogate)")
    return _objects(values)


def _is_half(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _binaries(field: Field, values: Values) -> np.ndarray:
    return _objects([_decoded(field, row, value) for row, value in enumerate(values)])


def _decoded(field: Field, row: int, value: str | None) -> bytes | None:
    try:
        return None if value is None else base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _refused(field, row, value, ", which isn't Base64") from None


def _times(field: Field, values: Values) -> np.ndarray:
    import pandas as pd

    row = _first(values, lambda value: value is not None and not _TIME.fullmatch(value))
    if row >= 0:
        raise _refused(field, row, values[row], "; send it as 2024-12-31T23:59:59, without an offset")
    made = pd.to_datetime(pd.Series(values, dtype=object), format="ISO8601", errors="coerce")
    row = next((i for i, none in enumerate(made.isna()) if none and values[i] is not None), -1)
    if row >= 0:
        raise _refused(field, row, values[row], ", and there is no such time, or none between 1678 and 2261")
    return made.astype("datetime64[ns]").to_numpy()


def _objects(values: Values) -> np.ndarray:
    import numpy as np

    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def _first(values: Values, holds: Callable[[Any], bool]) -> int:
    return next((row for row, value in enumerate(values) if holds(value)), -1)


_REALS = (frozenset({int, float}), _floats)
_WHOLES = (frozenset({int, float}), _integers)
_TYPES: dict[str, tuple[frozenset[type], Callable[[Field, Values], np.ndarray]]] = {
    "double": _REALS,
    "float": _REALS,
    "long": _WHOLES,
    "integer": _WHOLES,
    "boolean": (frozenset({bool}), _booleans),
    "string": (frozenset({str}), _texts),
    "binary": (frozenset({str}), _binaries),
    "datetime": (frozenset({str}), _times),
    # As numpy calls them, in the signature of a tensor.
    **dict.fromkeys(("float64", "float32", "float16"), _REALS),
    **dict.fromkeys((f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), _WHOLES),
    "bool": (frozenset({bool}), _booleans),
}
