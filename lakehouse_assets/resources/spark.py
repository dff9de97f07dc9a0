"""Spark, for every step that computes: the warm local engine, or any Spark Connect server."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, cast

import dagster as dg
from pydantic import PrivateAttr

from lakehouse_assets.resources import spark_server
from lakehouse_assets.resources.spark_server import ServerSettings
from lakehouse_assets.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.session import SparkSession as RemoteSession


SESSION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.connect.serverStacktrace.enabled": "false",
    "spark.sql.pyspark.jvmStacktrace.enabled": "false",
}


class SparkResource(dg.ConfigurableResource[None]):
    """A Spark session by Spark Connect, opened when a step first asks for it.

    `address` is `local` or an `sc://` URL; the rest describes the local engine.
    """

    address: str = "local"
    memory: str = "3g"
    cores: int = 2
    idle_minutes: float = 30
    cache: str

    _session: SparkSession | None = PrivateAttr(default=None)
    _url: str = PrivateAttr(default="")

    @classmethod
    def from_settings(cls, settings: Settings) -> SparkResource:
        return cls(
            address=settings.spark,
            memory=settings.spark_memory,
            cores=settings.spark_cores,
            idle_minutes=settings.spark_idle_minutes,
            cache=str(settings.cache),
        )

    @property
    def server_settings(self) -> ServerSettings:
        return ServerSettings(Path(self.cache), self.memory, self.cores, self.idle_minutes)

    def session(self) -> SparkSession:
        """A session on an engine that answers: the one from before, or a new one if that engine is gone.

        Raises:
            SparkUnavailable: no engine could be reached or started.
        """
        url = self.address if self.address != "local" else spark_server.attach(self.server_settings).url
        if self._session is None or url != self._url:
            if self._session is not None:
                _forget(self._session)
            self._session, self._url = _connect(url), url
            if self.address == "local":
                _give_up_soon(self._session)
        return self._session


def _connect(url: str) -> SparkSession:
    from pyspark.sql import SparkSession

    # Its errors come to us as exceptions; the client's JSON lines on stderr, and Java stack traces, add nothing.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    session: SparkSession = SparkSession.builder.remote(url).create()
    for name, value in SESSION.items():
        session.conf.set(name, value)
    return session


def _forget(session: SparkSession) -> None:
    """Leave a session whose engine is gone.

    It isn't stopped: PySpark's threads still try to release what they had there, and closing their channel under them
    hangs the process at its exit. It's only no longer the active session, whose settings PySpark's functions ask for.
    """
    from pyspark.sql.connect.session import SparkSession as RemoteSession

    _abandoned.append(session)
    RemoteSession._default_session = None
    RemoteSession._active_session.session = None


# Kept, because a session's finaliser closes the channel as well.
_abandoned: list[SparkSession] = []


def _give_up_soon(session: SparkSession) -> None:
    """On loopback a lost connection means that the engine is gone: retrying for ten minutes would only hide it."""
    from pyspark.sql.connect.client.retries import DefaultPolicy

    remote = cast("RemoteSession", session)  # what `remote(…).create()` makes, whatever its annotation says
    remote.client.set_retry_policies([DefaultPolicy(max_retries=3, max_backoff=1000)])
