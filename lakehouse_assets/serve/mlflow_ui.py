"""MLflow's own UI over the lakehouse's models, behind the guard, on a socket that the supervisor has bound.

A program of its own, `python -m lakehouse_assets.serve.mlflow_ui`, because it takes seconds to import MLflow.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp

from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.registry.quiet import quiet
from lakehouse_assets.engine.registry.store import ModelStore, open_store
from lakehouse_assets.serve.guard import guard
from lakehouse_assets.settings import read_settings

DRAIN_SECONDS = 2  # for open requests when stopping


def guarded(store: ModelStore, users: Sequence[int]) -> ASGIApp:
    """MLflow's application for these users of the machine, and for no page of another site.

    Raises:
        RegistryUnavailable: the store can't be opened.
    """
    open_store(store)  # which makes or migrates its database, while other processes wait
    with quiet():
        from lakehouse_assets.private.mlflow_server import server_application

        app: ASGIApp = server_application(store.tracking, store.registry, str(store.artifacts))
    for middleware in reversed(guard((), users)):
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)
    return app


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--listener", type=int, required=True, help="descriptor of the bound socket")
    parser.add_argument("--user", action="append", type=int, required=True, help="id of a user who may connect")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), socket.socket(fileno=given.listener) as listener:
        try:
            app = guarded(read_settings().models, given.user)
        except LakehouseError as error:
            sys.exit(str(error))
        config = uvicorn.Config(
            app, http="h11", log_level="warning", proxy_headers=False, timeout_graceful_shutdown=DRAIN_SECONDS
        )
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
