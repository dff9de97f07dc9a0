"""A JSON body of MLflow's protocol: an object with one of four forms of input, and perhaps `params`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn

from lakehouse_assets.serve.models.refused import Refused, cut, listed, shown

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
ONE_OF = f"exactly one of {', '.join(FORMS)}"


@dataclass(frozen=True)
class Sent:
    """The form of an input, what was sent in that form, and the parameters of the prediction."""

    form: str
    value: Any
    params: dict[str, Any] | None = None


def read_json(body: bytes) -> Sent:
    """The input in a body.

    Raises:
        Refused: it's no JSON, or not of the protocol's form.
    """
    told = _parsed(text_of(body))
    if not isinstance(told, dict):
        raise Refused(f"The body has to be a JSON object with {ONE_OF}, but it's {shown(told)}.")
    forms = [name for name in FORMS if name in told]
    if len(forms) != 1:
        found = f"it has {listed(list(told))}" if told else "it's empty"
        raise Refused(f"The body has to have {ONE_OF}, but {found}.")
    if others := [name for name in told if name not in (*FORMS, "params")]:
        raise Refused(f"The body has {listed(others)}, which nothing takes; beside {forms[0]} only params may stand.")
    params = told.get("params")
    if params is not None and not isinstance(params, dict):
        raise Refused(f"params has to be an object, but it's {shown(params)}.")
    return Sent(forms[0], told[forms[0]], params)


def text_of(body: bytes) -> str:
    """The text of a body, without the mark that some programs put before UTF-8.

    Raises:
        Refused: it isn't UTF-8.
    """
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"The body isn't UTF-8: byte {error.start + 1} fits no character.") from None


def require_utf8(content_type: str) -> str:
    """The media type alone, in small letters.

    Raises:
        Refused: another encoding than UTF-8 is announced, or another parameter.
    """
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    for parameter in filter(None, parameters):
        name, _, value = parameter.partition("=")
        if name.strip() != "charset" or value.strip(' "') not in ("utf-8", "utf8"):
            said = f"The content type has {cut(parameter)!r}; only charset=utf-8 is known."
            raise Refused(said, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return media_type


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise Refused(f"The body is no JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise Refused("The body is nested too deeply.") from None
    except ValueError:  # Python makes no integers of more than 4,300 digits
        raise Refused("The body has a number of more than 4,300 digits.") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise Refused(f"The name {cut(next(n for n in names if names.count(n) > 1))!r} stands twice in one object.")
    return made


def _no_number(literal: str) -> NoReturn:
    raise Refused(f"The body has {literal}, which is no JSON; send null for a value that isn't known.")
