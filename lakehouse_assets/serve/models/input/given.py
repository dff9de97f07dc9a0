"""A request's bytes, read by their content type and held to the signature of a model."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from lakehouse_assets.serve.models.input.as_mlflow import as_mlflow, csv_as_mlflow, require_params
from lakehouse_assets.serve.models.input.columns import Columns, columns_of
from lakehouse_assets.serve.models.input.csv_body import read_csv
from lakehouse_assets.serve.models.input.frame import Lookup, frame_of, looked_up
from lakehouse_assets.serve.models.input.json_body import Sent, read_json, require_utf8, text_of
from lakehouse_assets.serve.models.input.tensors import arrays_of
from lakehouse_assets.serve.models.refused import Refused, cut
from lakehouse_assets.serve.models.signature import Signature

JSON, CSV = "application/json", "text/csv"


@dataclass(frozen=True)
class Given:
    """What the model's `predict` is called with, and what was sent: columns, or else the one value of the form."""

    data: Any
    params: dict[str, Any] | None
    columns: Columns | None
    value: Any = None


def read(body: bytes, content_type: str, signature: Signature, lookup: Lookup | None = None) -> Given:
    """What the model is given.

    Raises:
        Refused: the body can't be read, or doesn't fit the signature.
    """
    media_type = require_utf8(content_type)
    if media_type == CSV:
        return _of_csv(text_of(body), signature, lookup)
    if media_type != JSON:
        told = f"it's {cut(content_type)!r}" if content_type else "there is none"
        said = f"The content type has to be {JSON} or {CSV}, but {told}."
        raise Refused(said, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    sent = read_json(body)
    require_params(sent.params, signature)
    return _of_json(sent, signature, lookup)


def _of_csv(text: str, signature: Signature, lookup: Lookup | None) -> Given:
    if not signature.columns:
        return Given(csv_as_mlflow(text, signature), None, None, text)
    return _of_columns(read_csv(text, signature.by_name), None, signature, lookup)


def _of_json(sent: Sent, signature: Signature, lookup: Lookup | None) -> Given:
    if signature.columns:
        # Which columns a row has to have is known after the look-up alone.
        fields = () if lookup else signature.columns
        return _of_columns(columns_of(sent, fields), sent.params, signature, lookup)
    if signature.tensors and sent.form in ("instances", "inputs"):
        return Given(arrays_of(sent, signature.tensors), sent.params, None, sent.value)
    return Given(as_mlflow(sent, signature), sent.params, None, sent.value)


def _of_columns(columns: Columns, params: dict[str, Any] | None, signature: Signature, lookup: Lookup | None) -> Given:
    whole = looked_up(columns, lookup) if lookup else columns
    return Given(frame_of(whole, signature.columns), params, whole)
