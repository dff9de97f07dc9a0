"""Spark, for every step that computes: the warm local engine, or any Spark Connect server."""

from __future__ import annotations

import logging
from collections.abc import Mapping
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


# What a table's rows depend on, so it's the same wherever they are computed.
MEANING = {
    "spark.sql.session.timeZone": "UTC",
    # Spark's default, INT96, is read by Arrow, and so by delta-rs, as nanoseconds: the year 12024 comes out as 2086.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
ERRORS = {
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
        # Dagster hands over 30.0 as 30; they should be one engine's.
        return ServerSettings(Path(self.cache), self.memory, self.cores, float(self.idle_minutes))

    def session(self) -> SparkSession:
        """A session on an engine that answers: the one from before, or a new one if that engine is gone.

        Raises:
            SparkUnavailable: no engine could be reached or started.
        """
        url = self.address if self.address != "local" else spark_server.attach(self.server_settings).url
        if self._session is None or url != self._url:
            if self._session is not None:
                _abandoned.append(self._session)
            self._session, self._url = _connect(url), url
            if self.address == "local":
                _give_up_soon(self._session)
        _activate(self._session)
        return self._session


def _connect(url: str) -> SparkSession:
    from pyspark.sql import SparkSession

    # Its errors come to us as exceptions; the client's JSON lines on stderr, and Java stack traces, add nothing.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    return configured(SparkSession.builder.remote(url).create(), ERRORS)


def configured(session: SparkSession, more: Mapping[str, str] | None = None) -> SparkSession:
    """The session, set so that tables come out as they do anywhere else."""
    for name, value in {**MEANING, **(more or {})}.items():
        session.conf.set(name, value)
    return session


def _activate(session: SparkSession) -> None:
    """Make it the session whose settings PySpark's functions ask for; else that stays the first one of the process,
    which may be on an engine that is long gone.
    """
    from pyspark.sql.connect.session import SparkSession as RemoteSession

    RemoteSession._default_session = cast("RemoteSession", session)
    RemoteSession._active_session.session = session


# Sessions whose engine is gone. They're neither stopped nor let go: PySpark's threads still try to release what they
# had there, and closing their channel under them, as the finaliser does too, hangs the process at its exit.
_abandoned: list[SparkSession] = []


def _give_up_soon(session: SparkSession) -> None:
    """On loopback a lost connection means that the engine is gone: retrying for ten minutes would only hide it."""
    from pyspark.sql.connect.client.retries import DefaultPolicy

    remote = cast("RemoteSession", session)  # what `remote(…).create()` makes, whatever its annotation says
    remote.client.set_retry_policies([DefaultPolicy(max_retries=3, max_backoff=1000)])
