"""What is used of MLflow's server, which has no interface for programs. Read from mlflow 3.17.2.

When the version is raised, look at `mlflow/server/__init__.py`: its `_run_server` gives the application these variables
and starts it by a command of uvicorn, which takes neither a middleware nor a socket that is bound.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI


def server_application(tracking: str, registry: str, artifacts: str) -> FastAPI:
    """MLflow's API and UI over a tracking store and a registry; the files of new experiments go to `artifacts`."""
    from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR, REGISTRY_STORE_URI_ENV_VAR

    os.environ[BACKEND_STORE_URI_ENV_VAR] = tracking
    os.environ[REGISTRY_STORE_URI_ENV_VAR] = registry
    os.environ[ARTIFACT_ROOT_ENV_VAR] = artifacts
    from mlflow.server import fastapi_app  # whose `app` is made when it's imported, from these variables

    app: FastAPI = fastapi_app.app
    return app
