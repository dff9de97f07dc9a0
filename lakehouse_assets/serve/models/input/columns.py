"""The columns of an input, whichever of the protocol's forms it was sent in; their values are as they were sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lakehouse_assets.serve.models.input.json_body import Sent
from lakehouse_assets.serve.models.refused import Refused, cut, listed, shown
from lakehouse_assets.serve.models.signature import Field

Columns = dict[str, list[Any]]


def columns_of(sent: Sent, fields: Sequence[Field]) -> Columns:
    """The values by column, all of one length.

    Raises:
        Refused: rows or columns are missing, ragged, doubled, or no lists at all.
    """
    match sent.form:
        case "dataframe_split":
            columns = _from_split(sent.value)
        case "dataframe_records":
            columns = _from_records(sent.value, sent.form, fields)
        case "instances":
            columns = _from_rows(sent, fields)
        case _:
            columns = _from_columns(sent.value) if isinstance(sent.value, dict) else _from_rows(sent, fields)
    if not columns or not next(iter(columns.values())):
        raise Refused(f"{sent.form} has no rows; send one at least.")
    return columns


def _from_split(value: Any) -> Columns:
    if not isinstance(value, dict):
        raise Refused(f"dataframe_split has to be an object with columns and data, but it's {shown(value)}.")
    if others := [name for name in value if name not in ("columns", "data", "index")]:
        raise Refused(f"dataframe_split has {listed(others)}; it takes columns, data and index.")
    names, rows = (_list(value, name) for name in ("columns", "data"))
    if wrong := next((name for name in names if not isinstance(name, str)), None):
        raise Refused(f"columns has {shown(wrong)}; the name of a column is a text.")
    if len(set(names)) < len(names):
        raise Refused(f"The column {cut(next(n for n in names if names.count(n) > 1))!r} stands twice in columns.")
    if value.get("index") is not None and len(_list(value, "index")) != len(rows):
        raise Refused(f"index has {len(value['index'])} values, but data has {len(rows)} rows.")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list):
            raise Refused(f"data has {shown(row)} as row {number}; a row is a list with a value for each column.")
        if len(row) != len(names):
            raise Refused(f"Row {number} of data has {len(row)} values, but there are {len(names)} columns.")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}


def _list(value: dict[str, Any], name: str) -> list[Any]:
    if name not in value:
        raise Refused(f"dataframe_split has no {name}.")
    if not isinstance(value[name], list):
        raise Refused(f"{name} of dataframe_split has to be a list, but it's {shown(value[name])}.")
    return list(value[name])


def _from_records(rows: Any, form: str, fields: Sequence[Field]) -> Columns:
    if not isinstance(rows, list):
        raise Refused(f"{form} has to be a list of objects, one a row, but it's {shown(rows)}.")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise Refused(f"{form} has {shown(row)} as row {number}; a row is an object with a value for each column.")
    names = list(dict.fromkeys(name for row in rows for name in row))
    for field in fields:
        absent = [number for number, row in enumerate(rows, 1) if field.name not in row] if field.required else []
        if absent and len(absent) < len(rows):  # a column that no row has is told of with all the others
            raise Refused(f"Row {absent[0]} has no column {field.name!r}.")
    return {name: [row.get(name) for row in rows] for name in names}


def _from_rows(sent: Sent, fields: Sequence[Field]) -> Columns:
    """A list of objects; for a model with one column, of its bare values too."""
    rows = sent.value
    bare = isinstance(rows, list) and rows and not any(isinstance(row, dict | list) for row in rows)
    if bare and len(fields) == 1:
        return {fields[0].name: rows}
    return _from_records(rows, sent.form, fields)


def _from_columns(value: dict[str, Any]) -> Columns:
    if not any(isinstance(values, list) for values in value.values()):
        return {name: [one] for name, one in value.items()}
    for name, values in value.items():
        if not isinstance(values, list):
            raise Refused(f"inputs has {shown(values)} for {cut(name)!r}; it has to be a list, as for other columns.")
    lengths = {name: len(values) for name, values in value.items()}
    first = next(iter(lengths))
    if odd := next((name for name in lengths if lengths[name] != lengths[first]), None):
        told = f"{cut(odd)!r} has {lengths[odd]} values, but {cut(first)!r} has {lengths[first]}"
        raise Refused(f"inputs is ragged: {told}.")
    return value
