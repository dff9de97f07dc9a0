"""What is used of PySpark beyond its public interface, mostly of its client of Connect. Read from PySpark 4.0.5.

When the version is raised, look at `pyspark/sql/connect`: `client/core.py` for the channel and its builder,
`client/retries.py` for the policies, `client/reattach.py` for the threads that release results, `session.py` for the
sessions of a process, `dataframe.py` for `_explain_string`, `logging.py` and `pyspark/logger` for who writes to stderr;
and at `connect.py` and `captured.py` in `pyspark/errors/exceptions`.
"""

from __future__ import annotations

import logging
import os
from contextlib import redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from concurrent.futures import Future

    import grpc
    from pyspark.errors import PySparkException
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.connect.client import DefaultChannelBuilder
    from pyspark.sql.connect.client.core import ChannelBuilder as ChannelBuilder  # which others name as a type
    from pyspark.sql.connect.session import SparkSession as RemoteSession


def explained(df: DataFrame) -> str:
    """The plans of a query as a text; `explain` only prints it, and classic PySpark has nothing else."""
    if hasattr(df, "_explain_string"):
        text: str = df._explain_string(extended=True)  # type: ignore[operator]  # typed as an attribute
        return text
    with redirect_stdout(StringIO()) as printed:
        df.explain(extended=True)
    return printed.getvalue()


def channel_to(address: str, credentials: grpc.ChannelCredentials, interceptor: Any) -> ChannelBuilder:
    """A channel past any proxy of the environment; the public builder knows no credentials but those of TLS."""
    from pyspark.sql.connect.client.core import ChannelBuilder

    class Channel(ChannelBuilder):
        @property
        def host(self) -> str:
            return address.rpartition(":")[0]

        def toChannel(self) -> grpc.Channel:
            return self._secure_channel(address, credentials)

    made = Channel([("grpc.enable_http_proxy", 0)])
    made.add_interceptor(interceptor)
    return made


def opened_by(channel: ChannelBuilder) -> SparkSession:
    """A session by a channel of one's own; `SparkSession.builder` takes none."""
    from pyspark.sql.connect.session import SparkSession as RemoteSession

    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"  # as `remote` does, for PySpark's functions to make columns for it
    builder = cast("DefaultChannelBuilder", channel)  # any builder will do, whatever its annotation says
    return cast("SparkSession", RemoteSession.builder.channelBuilder(builder).create())


def ready(session: SparkSession) -> Future[None]:
    """Done once the engine has answered; the client itself tells of no answer only after its retries."""
    import grpc

    found: Future[None] = grpc.channel_ready_future(_remote(session).client._channel)
    return found


def retry(session: SparkSession, **limits: int) -> None:
    """How often, and how far apart, a lost connection is tried again: nothing public says so for one session."""
    from pyspark.sql.connect.client.retries import DefaultPolicy

    _remote(session).client.set_retry_policies([DefaultPolicy(**limits)])


def activate(session: SparkSession) -> None:
    """Make it the session whose settings PySpark's functions ask for; else that stays the first one of the process,
    which may be on an engine that is long gone.
    """
    from pyspark.sql.connect.session import SparkSession as RemoteSession

    RemoteSession._default_session = _remote(session)
    RemoteSession._active_session.session = session


def let_go(session: SparkSession) -> None:
    """Close a session that never had an answer, without what its finaliser does beside.

    It would end the threads that release the results of every session of the process, and wait for them: ten minutes
    where one of them speaks to an engine that is gone.
    """
    client = _remote(session).client
    client._channel.close()
    client._closed = True
    client.close = lambda: None  # type: ignore[method-assign]


def hush_logs() -> None:
    """Let the client's JSON lines on stderr be: Spark switches off one of the two, which Dagster turns on again."""
    for name in ("SQLQueryContextLogger", "pyspark.sql.connect.logging"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def errors_of_connect() -> tuple[type[PySparkException], type[PySparkException]]:
    """What the client raises of all that goes wrong with a server, and of it what the transport raises.

    `pyspark.errors` has no class that tells them from errors of a query.
    """
    from pyspark.errors.exceptions.connect import SparkConnectException, SparkConnectGrpcException

    return SparkConnectException, SparkConnectGrpcException


def stack_of(error: Exception) -> str:
    """What Spark tells beside an error, such as its causes; errors of other kinds have none."""
    told = getattr(error, "getStackTrace", None)  # of Spark Connect
    return (told() if told else getattr(error, "_stackTrace", "")) or ""


# By these py4j itself finds the end of a collection.
_OF_PY4J = ("java.util.NoSuchElementException", "java.lang.IndexOutOfBoundsException")


def capture_all_errors() -> None:
    """Have classic PySpark, which clusters of one user have, raise whatever Java throws as an error of PySpark's.

    By itself it does so for a dozen classes. A failed job and a conflict in Delta are not among them.
    """
    from pyspark.errors.exceptions import captured

    convert, unknown = captured.convert_exception, captured.UnknownException
    if convert.__module__ == __name__:
        return

    class OtherError(captured.CapturedException):
        """Any error of Java's."""

    def converted(e: Any) -> captured.CapturedException:
        found = convert(e)
        of_py4j = e.getClass().getName() in _OF_PY4J
        return OtherError(origin=e) if type(found) is unknown and not of_py4j else found

    captured.convert_exception = converted


def _remote(session: SparkSession) -> RemoteSession:
    return cast("RemoteSession", session)  # what `remote(…).create()` makes, whatever its annotation says
