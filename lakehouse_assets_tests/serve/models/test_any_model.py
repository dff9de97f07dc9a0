"""Any pyfunc model is served: other outputs, tensors, parameters, no signature, and failures of its own."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mlflow.models import ModelSignature, infer_signature
from mlflow.pyfunc import PythonModel
from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

from lakehouse_assets_tests.serve.models.echo import Alone, Failing, Labels, Named, Pairs, Scaled, Sums
from lakehouse_assets_tests.serve.models.in_process import Ask, asking
from lakehouse_assets_tests.serve.models.shelf import Shelf, columns

KM = columns(km="double")
BOTH = columns(km="double", minutes="double")


def body(*km: float) -> str:
    return json.dumps({"inputs": {"km": km}})


@pytest.mark.parametrize(
    ("model", "row", "said"),
    [
        (Labels(), {"km": 5, "minutes": 1}, "long"),
        (Pairs(), {"km": 5, "minutes": 0.1}, [5.0, 0.1]),
        (Pairs(), {"km": 13, "minutes": 1}, [None, 1.0]),
        (Named(), {"km": 5, "minutes": 1}, {"label": "far", "score": 2.5, "at": "2024-01-01T00:00:00"}),
    ],
    ids=["labels", "two numbers", "not a number", "a named frame"],
)
def test_other_outputs_are_answered(shelf: Shelf, model: PythonModel, row: object, said: object) -> None:
    ask = asking(shelf.serve(model, f"shop.models.{type(model).__name__}", signature=BOTH))
    answer = ask(json.dumps({"dataframe_records": [row]}))
    assert json.loads(answer.body, parse_constant=pytest.fail) == {"predictions": [said]}


def test_a_parameter_is_handed_on_and_held_to_its_type(shelf: Shelf) -> None:
    params = ParamSchema([ParamSpec("factor", "double", 10.0)])
    ask = asking(shelf.serve(Scaled(), "shop.models.scaled", signature=ModelSignature(KM.inputs, params=params)))
    assert ask(body(2.0)).told == {"predictions": [{"km": 20.0}]}
    assert ask(json.dumps({"inputs": {"km": 2}, "params": {"factor": 3.0}})).told == {"predictions": [{"km": 6.0}]}
    for given, reason in (({"factr": 1.0}, "takes 'factor'"), ({"factor": "x"}, "The parameter 'factor' doesn't fit")):
        answer = ask(json.dumps({"inputs": {"km": 2}, "params": given}))
        assert answer.status == 400
        assert reason in answer.message


@pytest.fixture(scope="module")
def tensors(shelf: Shelf) -> Ask:
    signature = ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 2, 2))]))
    return asking(shelf.serve(Sums(), "shop.models.sums", signature=signature))


def test_a_tensor_is_scored(tensors: Ask) -> None:
    for form in ("inputs", "instances"):
        assert tensors(json.dumps({form: [[[1, 2], [3, 4.5]], [[0, 0], [0, 1]]]})).told == {"predictions": [10.5, 1.0]}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([[1, 2], [3, 4]], "The tensor has the shape (2, 2); the model takes (-1, 2, 2)"),
        ([[[1, 2], [3]]], "The lists are ragged at level 3"),
        ([[[1, 2], 3]], "The lists are ragged at level 3"),
        ([[[1, 2], [3, "4"]]], "The tensor takes a float32, but value 4 has the text '4'."),
        ([[[1, 2], [3, None]]], "but value 4 has null."),
        ([[[1, 2], [3, True]]], "but value 4 has true."),
        ([[[1, 2], [3, 1e39]]], "which is too large for it"),
        ([], "The tensor has the shape (0,)"),
        ({"a": 1}, "The tensor has the shape ()"),
        (None, "The tensor has the shape ()"),
    ],
)
def test_what_is_no_such_tensor_is_refused(tensors: Ask, value: object, reason: str) -> None:
    answer = tensors(json.dumps({"inputs": value}))
    assert answer.status == 400
    assert reason in answer.message


def test_tensors_with_names_are_named_when_they_are_missing(shelf: Shelf) -> None:
    class Dot(PythonModel):
        def predict(self, model_input):
            return (model_input["a"] * model_input["b"]).sum(axis=1)

    specs = [TensorSpec(np.dtype("float64"), (-1, 2), "a"), TensorSpec(np.dtype("int64"), (-1, 2), "b")]
    ask = asking(shelf.serve(Dot(), "shop.models.dot", signature=ModelSignature(Schema(specs))))
    assert ask('{"inputs": {"a": [[1, 2.5]], "b": [[3, 4]]}}').told == {"predictions": [13.0]}
    assert ask('{"instances": [{"a": [1, 2.5], "b": [3, 4]}]}').told == {"predictions": [13.0]}
    assert "lacks 'b' and has 'c'" in ask('{"inputs": {"a": [[1, 2.5]], "c": [[3, 4]]}}').message
    assert "takes a int64, but value 1 has 3.5" in ask('{"inputs": {"a": [[1, 2]], "b": [[3.5, 4]]}}').message


def test_lists_in_columns_are_read_as_mlflow_reads_them(shelf: Shelf) -> None:
    class Length(PythonModel):
        def predict(self, model_input):
            return [len(row) for row in model_input["words"]]

    signature = infer_signature([{"words": ["a", "b"]}])
    ask = asking(shelf.serve(Length(), "shop.models.length", signature=signature))
    assert ask('{"inputs": [{"words": ["x", "y", "z"]}]}').told == {"predictions": [3]}
    for bad in ('{"inputs": [{"words": [1]}]}', '{"inputs": [{"word": ["x"]}]}', '{"inputs": 3}', '{"instances": {}}'):
        answer = ask(bad)
        assert answer.status == 400, bad
        assert "doesn't fit the model's signature" in answer.message


def test_a_model_without_a_signature_is_asked_as_it_is(shelf: Shelf) -> None:
    ask = asking(shelf.serve(Labels(), "shop.models.unsigned"))
    assert ask(json.dumps({"dataframe_records": [{"km": 9}]})).told == {"predictions": ["long"]}
    answer = ask(json.dumps({"dataframe_records": [{"miles": 9}]}))
    assert answer.status == 400
    assert answer.message == "The model doesn't take these values. It says: KeyError: 'km'"


@pytest.fixture(scope="module")
def failing(shelf: Shelf) -> Ask:
    return asking(shelf.serve(Failing(), "shop.models.failing", signature=KM))


@pytest.mark.parametrize(("km", "kind"), [(1.0, "RuntimeError"), (3.0, "SystemExit"), (4.0, "TypeError")])
def test_a_failure_of_the_model_is_a_500_and_logged(
    failing: Ask, km: float, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = failing(body(km))
    assert answer.status == 500
    told = f"The model failed ({kind}); the server's log has the details."
    assert answer.told == {"error_code": "INTERNAL_ERROR", "message": told}
    assert kind in caplog.text
    assert failing(body(5.0)).told == {"predictions": [5.0]}


def test_values_that_the_model_refuses_are_the_callers_fault(failing: Ask) -> None:
    answer = failing(body(2.0))
    assert answer.status == 400
    assert answer.message.endswith("It says: ValueError: unknown category 'two'")


def test_a_model_is_asked_by_one_thread_at_a_time(shelf: Shelf) -> None:
    ask = asking(shelf.serve(Alone(), "shop.models.alone", signature=KM))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: (n, ask(body(n)).told), range(60)))
    assert answers == [(n, {"predictions": [float(n)]}) for n in range(60)]
