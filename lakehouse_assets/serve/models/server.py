"""Serves the champion of a registered model on loopback until it's stopped, and lets running requests finish."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvicorn

from lakehouse_assets.engine.printable import printable, printable_lines
from lakehouse_assets.engine.registry.store import ModelStore
from lakehouse_assets.serve.listening import bound, user_ids
from lakehouse_assets.serve.models import registry
from lakehouse_assets.serve.models.app import BODY_BYTES, Serving, application
from lakehouse_assets.serve.models.champion import Champions
from lakehouse_assets.serve.models.input.frame import Lookup
from lakehouse_assets.serve.models.record import Recorder
from lakehouse_assets.serve.models.registry import opened, require_registered

HOST = "127.0.0.1"
DRAIN_SECONDS = 30  # for running requests when stopping


@dataclass(frozen=True)
class Options:
    """How a model is served: where, for whom, how often the alias is looked at, and what beside the answers."""

    port: int = 5000
    poll_seconds: float = 1.0
    body_bytes: int = BODY_BYTES
    trusted_users: Sequence[str] = ()
    record: Path | None = None
    lookup: Lookup | None = None


def serve_model(name: str, store: ModelStore, options: Options = Options()) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        NoModel: no such model is registered.
        ServeError: the port is taken, or a user isn't there.
        UnsafeFolder: the folder of the prediction log is another user's.
    """
    _log_plainly()
    users = user_ids(options.trusted_users)
    with bound(HOST, options.port) as listener, contextlib.ExitStack() as held:
        client = opened(store)
        require_registered(client, name)
        champions = Champions(name, partial(registry.champion_of, client, name), registry.load)
        champions.look()
        recorder = held.enter_context(_recording(options.record)) if options.record else None
        held.callback(champions.watch(options.poll_seconds))
        serving = Serving(champions, options.lookup, recorder, options.body_bytes, users)
        now = f"version {champions.current.of.version}" if champions.current else "no version yet"
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        print(printable(f"{name}, {now}, is served at {address} (Ctrl-C stops it)"), flush=True)
        with contextlib.suppress(KeyboardInterrupt):  # which uvicorn raises once it has ended
            uvicorn.Server(_config(serving)).run(sockets=[listener])
        print("Stopped.", flush=True)


@contextlib.contextmanager
def _recording(folder: Path) -> Iterator[Recorder]:
    recorder = Recorder(folder)
    try:
        yield recorder
    finally:
        recorder.close()


def _config(serving: Serving) -> uvicorn.Config:
    return uvicorn.Config(
        application(serving),
        http="h11",  # the other one takes a head without end
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        lifespan="off",
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(printable_lines(super().format(record)))


def _log_plainly() -> None:
    """What is told of the model goes to standard error, each line with its time."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Plain("%(asctime)s %(levelname)s %(message)s"))
    ours = logging.getLogger("lakehouse_assets.serve.models")
    ours.handlers = [handler]
    ours.setLevel(logging.INFO)
    ours.propagate = False
