"""Nested lists as the arrays of a model whose signature has tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakehouse_assets.serve.models.input.json_body import Sent
from lakehouse_assets.serve.models.input.values import typed
from lakehouse_assets.serve.models.refused import Refused, cut, listed, shown
from lakehouse_assets.serve.models.signature import Field

if TYPE_CHECKING:
    import numpy as np


def arrays_of(sent: Sent, fields: Sequence[Field]) -> np.ndarray | dict[str, np.ndarray]:
    """The array of the one tensor without a name, or the arrays by name.

    Raises:
        Refused: a tensor is missing, ragged, of another shape, or has values of other types.
    """
    if len(fields) == 1 and not fields[0].name:
        return _array(fields[0], sent.value)
    told = _by_name(sent, fields)
    missing = [field.name for field in fields if field.name not in told]
    extra = [name for name in told if name not in {field.name for field in fields}]
    if missing or extra:
        problems = [f"lacks {listed(missing)}"] * bool(missing) + [f"has {listed(extra)}, unknown here"] * bool(extra)
        raise Refused(f"{sent.form} {' and '.join(problems)}.")
    return {field.name: _array(field, told[field.name]) for field in fields}


def _by_name(sent: Sent, fields: Sequence[Field]) -> dict[str, Any]:
    value = sent.value
    if sent.form == "inputs" and isinstance(value, dict):
        return value
    if len(fields) == 1 and isinstance(value, list) and not any(isinstance(row, dict) for row in value):
        return {fields[0].name: value}
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise Refused(f"{sent.form} has to name its tensors, {listed([f.name for f in fields])}: it's {shown(value)}.")
    names = list(dict.fromkeys(name for row in value for name in row))
    for number, row in enumerate(value, 1):
        if absent := [name for name in names if name not in row]:
            raise Refused(f"Row {number} of {sent.form} has no {cut(absent[0])!r}.")
    return {name: [row[name] for row in value] for name in names}


def _array(field: Field, value: Any) -> np.ndarray:
    shape, values = _flat(value)
    if len(shape) != len(field.shape) or any(w not in (-1, s) for s, w in zip(shape, field.shape, strict=True)):
        raise Refused(f"{_name(field)} has the shape {shape}; the model takes {field.shape}, where -1 is any number.")
    if not values:
        raise Refused(f"{_name(field)} is empty.")
    kind = "string" if field.type.startswith(("str", "object")) else field.type
    made = typed(Field(field.name, kind, True, field.shape), values).reshape(shape)
    return made.astype(str) if field.type.startswith("str") else made


def _flat(value: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of nested lists, and the values in them.

    Raises:
        Refused: lists beside one another differ in length, or lists stand beside values.
    """
    shape: tuple[int, ...] = ()
    level = [value]
    while any(isinstance(item, list) for item in level):
        lengths = {len(item) if isinstance(item, list) else -1 for item in level}
        if len(lengths) > 1:
            raise Refused(f"The lists are ragged at level {len(shape) + 1}: they differ in length.")
        shape = (*shape, lengths.pop())
        level = [inner for item in level for inner in item]
    return shape, level


def _name(field: Field) -> str:
    return f"The tensor {field.name!r}" if field.name else "The tensor"
