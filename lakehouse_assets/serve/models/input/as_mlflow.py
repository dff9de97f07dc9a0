"""Inputs of models whose signatures have lists, objects or no names, or that have none: read as MLflow reads them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import StringIO
from typing import Any

from lakehouse_assets.serve.models.attempt import Failed, attempt
from lakehouse_assets.serve.models.input.json_body import Sent
from lakehouse_assets.serve.models.refused import Refused, cut, listed
from lakehouse_assets.serve.models.signature import Signature


def as_mlflow(sent: Sent, signature: Signature) -> Any:
    """What MLflow's own server would give the model.

    Raises:
        Refused: MLflow can't make it of what was sent, or it doesn't fit the signature.
    """
    from mlflow.pyfunc.scoring_server import infer_and_parse_data

    def parsed() -> Any:
        return infer_and_parse_data({sent.form: sent.value}, signature.schema)  # type: ignore[arg-type]  # or None

    return _fitting(parsed, sent.form, signature)


def csv_as_mlflow(text: str, signature: Signature) -> Any:
    """What MLflow's own server would make of CSV.

    Raises:
        Refused: as `as_mlflow`.
    """
    from mlflow.pyfunc.scoring_server import parse_csv_input

    def parsed() -> Any:
        return parse_csv_input(StringIO(text), signature.schema)  # type: ignore[arg-type]  # or None

    return _fitting(parsed, "The CSV", signature)


def require_params(params: dict[str, Any] | None, signature: Signature) -> None:
    """Look whether the model takes these parameters of a prediction.

    Raises:
        Refused: it doesn't know one, or takes it with another type.
    """
    specs = {spec.name: spec for spec in signature.params.params} if signature.params else {}
    if unknown := [name for name in params or {} if name not in specs]:
        takes = f"takes {listed(list(specs))}" if specs else "takes none"
        raise Refused(f"params has {listed(unknown)}, but the model {takes}.")
    for name, value in (params or {}).items():
        fits = attempt(partial(specs[name].validate_param_spec, value, specs[name]))
        if isinstance(fits, Failed):
            raise Refused(f"The parameter {cut(name)!r} doesn't fit. MLflow says: {fits.reason}")


def _fitting(parse: Callable[[], Any], what: str, signature: Signature) -> Any:
    from mlflow.models import validate_schema

    def checked() -> Any:
        made = parse()
        if signature.schema is not None:
            validate_schema(made, signature.schema)
        return made

    found = attempt(checked)
    if isinstance(found, Failed):
        raise Refused(f"{what} doesn't fit the model's signature. MLflow says: {found.reason}")
    if getattr(found, "size", 1) == 0 or (isinstance(found, list | dict) and not found):
        raise Refused(f"{what} has no rows; send one at least.")
    return found
