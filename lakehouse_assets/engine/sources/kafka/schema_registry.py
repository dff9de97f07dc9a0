"""The schemas that a registry has of messages: one that speaks Confluent's REST API.

LAKEHOUSE_SCHEMA_REGISTRY, or LAKEHOUSE_SCHEMA_REGISTRY_NAME for the connection `name`, is its address, with a user and
a password in it where it wants them: `https://USER:PASSWORD@HOST:8081`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from lakehouse_assets.engine.errors import SettingsError, StreamUnavailable
from lakehouse_assets.engine.spec.connections import value_of, variable_of

if TYPE_CHECKING:
    import requests

ANSWER_SECONDS = 10.0  # a registry that is there answers within 0.1


@dataclass(frozen=True)
class Schemas:
    """The versions of a subject, by the numbers that messages have before them, and the newest, as JSON."""

    by_number: Mapping[int, str]
    newest: str


# By address, subject and version: a version never changes. Which there are is asked each time, as a message may be of
# one that was made a moment before.
_known: dict[tuple[str, str, int], tuple[int, str]] = {}


def schemas_of(subject: str, connection: str = "") -> Schemas:
    """The schemas of a subject, those that were deleted softly too, as messages of them may be there still.

    Raises:
        SettingsError: the variable of the connection isn't set, or is no address.
        StreamUnavailable: the registry doesn't answer, doesn't let us in, or has no such subject in Avro.
    """
    variable = variable_of("SCHEMA_REGISTRY", connection)
    url = value_of(variable).rstrip("/")
    if urlsplit(url).scheme not in ("http", "https"):
        raise SettingsError(
            f"Looking for the schemas of {subject}: {variable} isn't set to the address of a registry, as "
            "https://USER:PASSWORD@HOST:8081"
        )
    at = f"{url}/subjects/{quote(subject, safe='')}/versions"
    versions, current = _asked(f"{at}?deleted=true", subject, variable), _asked(at, subject, variable)
    told = {version: _version(at, subject, variable, version) for version in versions}
    return Schemas(dict(told.values()), told[max(current)][1])


def _version(at: str, subject: str, variable: str, version: int) -> tuple[int, str]:
    key = (at, subject, version)
    if key not in _known:
        told = _asked(f"{at}/{version}?deleted=true", subject, variable)
        kind = told.get("schemaType", "AVRO")
        if kind != "AVRO" or told.get("references"):
            raise StreamUnavailable(
                f"Reading version {version} of {subject}: it's "
                + ("in parts that refer to other subjects" if kind == "AVRO" else f"{kind} and not Avro")
                + ", which isn't read here; register it whole, in Avro"
            )
        _known[key] = told["id"], told["schema"]
    return _known[key]


def _asked(url: str, subject: str, variable: str) -> Any:
    """The registry's answer as JSON.

    Raises:
        StreamUnavailable: it gives none.
    """
    import requests
    from urllib3.exceptions import HTTPError

    from lakehouse_assets.engine.sources.arrivals.http_session import Patience, session_with

    try:
        with session_with(Patience(ANSWER_SECONDS)) as session:
            answer = session.get(url, timeout=ANSWER_SECONDS)
            if answer.ok:
                return answer.json()
            why = _refusal(answer)
    except (requests.RequestException, HTTPError, TimeoutError) as error:
        why = f"it gives no answer ({type(error).__name__})"
    parts = urlsplit(url)
    raise StreamUnavailable(
        f"Asking the registry {parts.hostname}:{parts.port or parts.scheme} for the schemas of {subject}: {why}; see "
        f"that it's there, and that {variable} has its address and who may ask"
    )


def _refusal(answer: requests.Response) -> str:
    try:
        told = answer.json()["message"]
    except (ValueError, LookupError, TypeError):
        told = answer.reason
    return f"it answers {answer.status_code}, {told}"
