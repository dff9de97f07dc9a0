"""Requests and reports as JSON, and back: what comes back is equal to what went."""

from __future__ import annotations

from typing import TypeVar

from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.run.report import Report
from lakehouse_assets.engine.run.request import Request

T = TypeVar("T", Request, Report)


def to_json(value: Request | Report) -> str:
    """A request or a report as one line of JSON."""
    from pydantic import TypeAdapter

    return TypeAdapter(type(value)).dump_json(value).decode()


def from_json(kind: type[T], text: str) -> T:
    """The request or the report that a text has.

    Raises:
        LakehouseError: it has none, or that of another version of this project.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

    try:
        return TypeAdapter(with_config(ConfigDict(extra="forbid"))(kind)).validate_json(text)
    except ValidationError as error:
        named = kind.__name__.lower()
        raise LakehouseError(
            f"Reading the {named} of a run: {error.errors()[0]['msg']} in {text[:200]!r}; use one version of this "
            f"project on both sides"
        ) from error
