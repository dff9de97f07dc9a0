"""One request, from its bytes to the bytes of the answer."""

from __future__ import annotations

import logging
import time
import traceback
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from lakehouse_assets.engine.printable import printable_lines
from lakehouse_assets.serve.models.answer import answer_of
from lakehouse_assets.serve.models.attempt import Failed, attempt
from lakehouse_assets.serve.models.input.frame import Lookup
from lakehouse_assets.serve.models.input.given import Given, read
from lakehouse_assets.serve.models.refused import Refused
from lakehouse_assets.serve.models.registry import Champion, Version

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scored:
    """An answer: its body, the version that gave it, and, for the record, what was given and said, and when."""

    body: bytes
    of: Version
    given: Given
    predictions: Any
    at: float


def score(champion: Champion | None, body: bytes, content_type: str, lookup: Lookup | None = None) -> Scored:
    """The answer to a request.

    Raises:
        Refused: no model is loaded, the input doesn't fit, or the model failed.
    """
    if champion is None:
        why = "No version of the model is loaded; GET /champion says why."
        raise Refused(why, HTTPStatus.SERVICE_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE")
    at = time.time()
    given = read(body, content_type, champion.signature, lookup)
    said = attempt(lambda: answer_of(champion.predict(given.data, given.params)))
    if isinstance(said, Failed):
        raise _blamed(champion, said)
    predictions, answer = said
    return Scored(answer, champion.of, given, predictions, at)


def _blamed(champion: Champion, failed: Failed) -> Refused:
    """A ValueError is a model's word for values that it doesn't take, as a category that it was never shown.

    The model has answered its input example, so what differs is the values. Without a signature nobody can tell.
    """
    if isinstance(failed.error, ValueError) or champion.signature.schema is None:
        log.warning("Version %s doesn't take what it was sent: %s", champion.of.version, failed.reason)
        return Refused(f"The model doesn't take these values. It says: {failed.reason}")
    trace = printable_lines("".join(traceback.format_exception(failed.error)))
    log.error("Version %s of %s failed:\n%s", champion.of.version, champion.of.name, "\n".join(trace))
    told = f"The model failed ({type(failed.error).__name__}); the server's log has the details."
    return Refused(told, HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL_ERROR")
