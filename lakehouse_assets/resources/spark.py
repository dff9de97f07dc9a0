"""Spark, for every step that computes: the warm local engine, or any Spark Connect server."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Self, cast

import dagster as dg
from pydantic import Field, PrivateAttr

from lakehouse_assets.engine.errors import SparkUnavailable
from lakehouse_assets.private.pyspark import activate, errors_of_connect, hush_logs, let_go, opened_by, ready, retry
from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.azure import in_azure
from lakehouse_assets.resources.engine_state import Server
from lakehouse_assets.resources.spark_server import ServerSettings
from lakehouse_assets.resources.spark_session import meaning, tell
from lakehouse_assets.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


ANSWER_SECONDS = 5  # an engine in another region answers within one
# After so long, a session may be closed: ours are after 20 minutes (engine_conf.py), others after an hour.
IDLE_SECONDS = 600

ERRORS = {
    "spark.sql.connect.serverStacktrace.enabled": "false",
    "spark.sql.pyspark.jvmStacktrace.enabled": "false",
}


class SparkResource(dg.ConfigurableResource[None]):
    """A Spark session by Spark Connect, opened when a step first asks for it.

    `address` is `local` or an `sc://` URL, whose token is taken from LAKEHOUSE_SPARK; `stores` are the paths and URLs
    of the lake, landing folders and external tables, whose credentials the session is told. The rest describes the
    local engine.
    """

    address: str = "local"
    memory: str = "3g"
    cores: int = 2
    idle_minutes: float = 30
    cache: str
    stores: list[str] = Field(default_factory=list)

    # By thread: the engine's address, the session there, and when it was last asked for.
    _opened: dict[int, tuple[str, SparkSession, float]] = PrivateAttr(default_factory=dict)

    @classmethod
    def from_settings(cls, settings: Settings, elsewhere: Mapping[str, str] | None = None) -> Self:
        """`elsewhere` are the paths and URLs of tables that others make."""
        stores = dict.fromkeys([*settings.stores, *(elsewhere or {}).values()])
        return cls(
            address=_shown(settings.spark),
            memory=settings.spark_memory,
            cores=settings.spark_cores,
            idle_minutes=settings.spark_idle_minutes,
            cache=str(settings.cache),
            stores=[url for url in stores if in_azure(url)],
        )

    @property
    def server_settings(self) -> ServerSettings:
        # Dagster hands over 30.0 as 30; they should be one engine's.
        azure = in_azure(*self.stores)
        return ServerSettings(Path(self.cache), self.memory, self.cores, float(self.idle_minutes), azure)

    def session(self) -> SparkSession:
        """This thread's session on an engine that answers: the one from before, or a new one if that engine is gone.

        Raises:
            SparkUnavailable: no engine could be reached or started.
        """
        engine = spark_server.attach(self.server_settings) if self.address == "local" else None
        url = engine.url if engine else _with_token(self.address)
        at, session, asked = self._opened.get(get_ident(), ("", None, 0.0))
        if session is None or url != at or time.monotonic() - asked > IDLE_SECONDS:
            session = _connected(url, self.stores, engine)
        self._opened[get_ident()] = url, session, time.monotonic()
        activate(session)
        return session

    def interrupt(self) -> None:
        """End what the engine is computing for its sessions."""
        for _, session, _ in [*self._opened.values()]:
            session.interruptAll()


def _shown(address: str) -> str:
    """An address without its token: Dagster shows the configuration of resources to everyone."""
    return address.split(";")[0].rstrip("/")


def _with_token(address: str) -> str:
    """The address as the environment has it, if it's that one; it's read when it's needed, and kept nowhere."""
    told = os.environ.get("LAKEHOUSE_SPARK", "")
    return told if _shown(told) == address else address


# One for all resources that a thread uses, by engine and what it's told, and never let go. The finaliser of any session
# ends the threads that release the results of all of them: a query of another session fails then, or waits for good
# (where the collector runs in a thread of gRPC's that one of them waits for). Of an engine that's gone, closing the
# channel hangs the process at its exit, as the threads still try to release what they had there. Two threads have one
# each, as a session's settings say which transaction is under way.
_sessions: dict[tuple[int, str, tuple[tuple[str, str], ...]], list[SparkSession]] = {}


def _connected(url: str, stores: Sequence[str], engine: Server | None) -> SparkSession:
    hush_logs()  # its errors come to us as exceptions; lines on stderr repeat values just as they are
    told = {**meaning(stores), **ERRORS}
    made = _sessions.setdefault((get_ident(), url, tuple(sorted(told.items()))), [])
    if not made or not _is_open(made[-1]):
        session = _opened(url, engine)
        try:
            _greet(session, url, told)
        except SparkUnavailable:
            let_go(session)
            raise
        made.append(session)
        if engine is None:
            retry(session)  # one that is elsewhere and has answered once may be away for a moment
    return made[-1]


def _opened(url: str, engine: Server | None) -> SparkSession:
    from pyspark.sql import SparkSession

    from lakehouse_assets.resources.spark_channel import engine_channel

    if engine is None:
        return cast("SparkSession", SparkSession.builder.remote(url).create())
    return opened_by(engine_channel(engine))


def _greet(session: SparkSession, url: str, told: Mapping[str, str]) -> None:
    """Tell a new session its settings: the first words to the engine, which has to answer soon.

    Raises:
        SparkUnavailable: it doesn't, or it doesn't let us in.
    """
    import grpc

    of_server, _ = errors_of_connect()
    # On loopback a lost connection means that the engine is gone: retrying for ten minutes would only hide it.
    retry(session, max_retries=3, max_backoff=1000)
    try:
        ready(session).result(timeout=ANSWER_SECONDS)
        tell(session, told)
    except grpc.FutureTimeoutError:
        raise _unavailable(url, f"no answer within {ANSWER_SECONDS} s") from None
    except grpc.RpcError as error:
        raise _unavailable(url, str(error.details())) from error
    except of_server as error:
        raise _unavailable(url, str(error).splitlines()[0]) from error


def _unavailable(url: str, why: str) -> SparkUnavailable:
    address = url.split("/;")[0].split(";")[0]  # without the token
    return SparkUnavailable(
        f"Connecting to Spark at {address}: {why}; see that it runs there and takes our token, or set LAKEHOUSE_SPARK"
    )


def _is_open(session: SparkSession) -> bool:
    """Whether the server still has it; one that isn't used for 20 minutes, or an hour, is closed there."""
    _, of_transport = errors_of_connect()
    try:
        session.conf.get("spark.sql.session.timeZone")
    except of_transport as error:
        if "INVALID_HANDLE.SESSION" not in str(error):
            raise
        return False
    return True
