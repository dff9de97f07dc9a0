"""The champion of a registered model, served by REST: MLflow's scoring protocol, strictly typed, on loopback.

`serve_model` is what `lakehouse serve` calls. `Options` has two seams: a `lookup` that fills in features by key, and a
folder in which all that was asked and answered is recorded.
"""

from lakehouse_assets.serve.models.refused import Refused
from lakehouse_assets.serve.models.server import Options, serve_model

__all__ = ["Options", "Refused", "serve_model"]
