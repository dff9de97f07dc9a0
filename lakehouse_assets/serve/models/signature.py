"""What a model takes, by its signature in MLflow: named columns of plain types, tensors, or something else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.models import Model
    from mlflow.types import ParamSchema, Schema


@dataclass(frozen=True)
class Field:
    """A column or a tensor: its name, its type as MLflow or numpy calls it, and the shape of a tensor."""

    name: str
    type: str
    required: bool = True
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Signature:
    """The inputs of a model. Either of `columns` and `tensors` is empty, or both: then MLflow itself has to look."""

    schema: Schema | None
    columns: tuple[Field, ...] = ()
    tensors: tuple[Field, ...] = ()
    params: ParamSchema | None = None

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """The columns by their names."""
        return {field.name: field for field in self.columns}


def signature_of(model: Model) -> Signature:
    """The inputs of a model, from what was saved with it."""
    from mlflow.types.schema import ColSpec, DataType, TensorSpec

    schema, params = model.get_input_schema(), model.get_params_schema()
    if schema is None:
        return Signature(None, params=params)
    inputs = list(schema.inputs)
    if all(isinstance(i, TensorSpec) for i in inputs):
        tensors = tuple(Field(i.name or "", i.type.name, True, tuple(i.shape)) for i in inputs)
        return Signature(schema, tensors=tensors, params=params)
    if all(isinstance(i, ColSpec) and isinstance(i.type, DataType) and isinstance(i.name, str) for i in inputs):
        columns = tuple(Field(i.name, i.type.name, i.required) for i in inputs)
        return Signature(schema, columns, params=params)
    return Signature(schema, params=params)
