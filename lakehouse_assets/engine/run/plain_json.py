"""Requests, reports and failures as JSON, and back: what comes back is equal to what went."""

from __future__ import annotations

from typing import TypeVar

from lakehouse_assets.engine import errors
from lakehouse_assets.engine.errors import CheckFailed, ExpectationFailed, LakehouseError
from lakehouse_assets.engine.run.maintain import Maintained
from lakehouse_assets.engine.run.report import Failure, Report
from lakehouse_assets.engine.run.request import Request

T = TypeVar("T", Request, Report, Failure, Maintained)


def to_json(value: Request | Report | Failure | Maintained) -> str:
    """A request, or what is told of a run or of upkeep, as one line of JSON."""
    from pydantic import ConfigDict, TypeAdapter, with_config

    # By itself it makes null of a metric that is infinite or no number.
    told = TypeAdapter(with_config(ConfigDict(ser_json_inf_nan="constants"))(type(value)))
    return told.dump_json(value).decode()


def from_json(kind: type[T], text: str) -> T:
    """The request, report or failure that a text has.

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


def failure_of(error: LakehouseError) -> Failure:
    """What is told of an error."""
    check = error.check if isinstance(error, ExpectationFailed | CheckFailed) else ""
    return Failure(type(error).__name__, Exception.__str__(error), error.details, check)


def error_of(failure: Failure) -> LakehouseError:
    """The error that was told of, of its own class where `errors.py` has that and it's made of a message or a check."""
    kind = getattr(errors, failure.error, LakehouseError)
    if kind in (ExpectationFailed, CheckFailed):
        made: LakehouseError = kind(failure.message, failure.check)
    elif isinstance(kind, type) and issubclass(kind, LakehouseError) and kind.__init__ is LakehouseError.__init__:
        made = kind(failure.message)
    else:
        made = LakehouseError(failure.message)
    made.details = failure.details
    return made
