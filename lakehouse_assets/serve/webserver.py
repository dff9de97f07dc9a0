"""The Dagster web server behind the guard, on a socket that the supervisor has bound.

A program of its own, `python -m lakehouse_assets.serve.webserver`, because it takes seconds to import Dagster and the
supervisor must not. The bound socket means that nobody can take the port in between, and port 0 works.
"""

import argparse
import contextlib
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from starlette.middleware import Middleware

from lakehouse_assets.private.dagster_webserver import (
    DagsterWebserver,
    WorkspaceFileTarget,
    WorkspaceProcessContext,
    WorkspaceRequestContext,
    __version__,
    get_instance_for_cli,
)
from lakehouse_assets.serve.guard import guard

LIVE_DATA_MILLISECONDS = 2000  # how often an open page asks for news; the default of `dagster dev`
DRAIN_SECONDS = 2  # for open requests when stopping; an open page keeps its websocket for ever
MESSAGE_BYTES = 1_000_000  # of a websocket: subscriptions are a thousandth of it, and uvicorn keeps 32 that wait
CODE_SERVER_SECONDS = 180  # as code_servers.local_startup_timeout in dagster.yaml


class GuardedWebserver(DagsterWebserver[WorkspaceProcessContext, WorkspaceRequestContext]):
    """Dagster's web server, answering its own pages only."""

    def __init__(
        self, context: WorkspaceProcessContext, trusted_hosts: Sequence[str] = (), users: Sequence[int] | None = None
    ) -> None:
        self._trusted_hosts, self._users = tuple(trusted_hosts), users
        super().__init__(context, live_data_poll_rate=LIVE_DATA_MILLISECONDS)

    def build_middleware(self) -> list[Middleware]:
        """The guard first, then what Dagster has."""
        return [*guard(self._trusted_hosts, self._users), *super().build_middleware()]


def uvicorn_server(
    context: WorkspaceProcessContext, trusted_hosts: Sequence[str] = (), users: Sequence[int] | None = None
) -> uvicorn.Server:
    """A server ready to run on a bound socket. Forwarded headers stay unread: anyone could have written them."""
    app = GuardedWebserver(context, trusted_hosts, users).create_asgi_app()
    config = uvicorn.Config(
        app,
        http="h11",  # the other one takes a head without end
        log_level="warning",
        proxy_headers=False,
        lifespan="off",
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ws_max_size=MESSAGE_BYTES,
    )
    return uvicorn.Server(config)


def wait_for_code_server(path: Path, seconds: float = CODE_SERVER_SECONDS) -> None:
    """Return once the code server takes connections, which it does when it has tried to load the definitions.

    Raises TimeoutError. Without the wait the UI would begin with an error in place of the assets.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            probe.connect(str(path))
            return
        time.sleep(0.1)
    raise TimeoutError(f"the code server did not answer within {seconds:.0f} s")


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--listener", type=int, required=True, help="descriptor of the bound socket")
    parser.add_argument("--workspace", required=True, help="workspace file that names the code server")
    parser.add_argument("--code-server", type=Path, required=True, help="unix socket of the code server")
    parser.add_argument("--trusted-host", action="append", default=[])
    parser.add_argument("--user", action="append", type=int, help="id of a user whose programs may connect; else all")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the blocks below are left in order
    with contextlib.suppress(KeyboardInterrupt), socket.socket(fileno=given.listener) as listener:
        # It opens the instance first: two processes that make its SQLite files at once spoil them for good.
        wait_for_code_server(given.code_server)
        target = WorkspaceFileTarget([given.workspace])
        with get_instance_for_cli() as instance, WorkspaceProcessContext(instance, target, __version__) as context:
            uvicorn_server(context, given.trusted_host, given.user).run(sockets=[listener])


if __name__ == "__main__":
    main()
