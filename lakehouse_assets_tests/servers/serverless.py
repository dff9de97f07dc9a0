"""Serverless compute on loopback: a Spark Connect server before the suite's engine that refuses what Databricks' does.

It takes six settings and keeps no rows in memory, by the documentation and by what users report:
https://docs.databricks.com/aws/en/compute/serverless/limitations and https://github.com/capitalone/datacompy/issues/407.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyProto
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from pyspark.sql.connect.proto import AnalyzePlanRequest, ConfigRequest, ExecutePlanRequest

SETTINGS = {
    "spark.databricks.execution.timeout", "spark.sql.ansi.enabled", "spark.sql.files.maxPartitionBytes",
    "spark.sql.legacy.timeParserPolicy", "spark.sql.session.timeZone", "spark.sql.shuffle.partitions",
}  # fmt: skip
_ASKED = ("spark.sql.", "spark.python.")
_STREAMS_ANSWERS = {"ExecutePlan", "ReattachExecute"}


@dataclass
class Serverless:
    """The address of the server, with its token, and how often it has refused what."""

    url: str
    refused: Counter[str] = field(default_factory=Counter)


@contextmanager
def serverless(engine: str) -> Iterator[Serverless]:
    """A server until the end of the block; `engine` is the address of the one behind it, `sc://HOST:PORT/;token=…`."""
    host, _, told = engine.removeprefix("sc://").partition("/")
    server = grpc.server(ThreadPoolExecutor(32))
    made = Serverless("")
    with grpc.insecure_channel(host, [("grpc.max_receive_message_length", -1)]) as channel:
        server.add_generic_rpc_handlers([_Handler(channel, made)])
        made.url = f"sc://localhost:{server.add_insecure_port('127.0.0.1:0')}/{told}"
        server.start()
        try:
            yield made
        finally:
            server.stop(0)  # and the channel behind it closes, which ends the calls that still wait for an answer


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Sends each call on as it is, unless it's refused."""

    def __init__(self, channel: grpc.Channel, made: Serverless) -> None:
        self.channel, self.made = channel, made

    def service(self, details: Any) -> Any:
        method, told = details.method, details.invocation_metadata
        name = method.rpartition("/")[2]
        if name == "AddArtifacts":
            return grpc.stream_unary_rpc_method_handler(self._sent(self.channel.stream_unary(method), told))
        if name in _STREAMS_ANSWERS:
            return grpc.unary_stream_rpc_method_handler(self._asked(name, self.channel.unary_stream(method), told))
        return grpc.unary_unary_rpc_method_handler(self._asked(name, self.channel.unary_unary(method), told))

    def _asked(self, name: str, send: Any, told: Any) -> Callable[[bytes, Any], Any]:
        sent = self._sent(send, told)

        def answer(request: bytes, context: Any) -> Any:
            if why := _refusal(name, request):
                self.made.refused[why[0]] += 1
                context.abort_with_status(rpc_status.to_status(_status(*why)))
            return sent(request, context)

        return answer

    @staticmethod
    def _sent(send: Any, told: Any) -> Callable[[Any, Any], Any]:
        mine = [(key, value) for key, value in told if not key.startswith(("user-agent", "grpc-"))]

        def answer(request: Any, context: Any) -> Any:
            try:
                found = send(request, metadata=mine)
                return found if isinstance(found, bytes) else _each(found, context)
            except grpc.RpcError as error:
                _passed_on(error, context)

        return answer


def _each(answers: Any, context: Any) -> Iterator[bytes]:
    try:
        yield from answers
    except grpc.RpcError as error:
        _passed_on(error, context)


def _passed_on(error: Any, context: Any) -> None:
    context.set_trailing_metadata(error.trailing_metadata() or ())
    context.abort(error.code(), error.details())


def _refusal(name: str, request: bytes) -> tuple[str, str] | None:
    """The condition and the message by which serverless compute refuses a request; None if it takes it."""
    if name == "Config":
        return _of_settings(ConfigRequest.FromString(request).operation)
    if name == "AnalyzePlan" and AnalyzePlanRequest.FromString(request).WhichOneof("analyze") in (
        "persist",
        "unpersist",
    ):
        return "NOT_SUPPORTED_WITH_SERVERLESS", "PERSIST TABLE is not supported on serverless compute. SQLSTATE: 0A000"
    if name == "ExecutePlan":
        command = ExecutePlanRequest.FromString(request).plan.command
        if command.WhichOneof("command_type") == "checkpoint_command":
            return "NOT_SUPPORTED_WITH_SERVERLESS", "CHECKPOINT is not supported on serverless compute. SQLSTATE: 0A000"
    return None


def _of_settings(operation: ConfigRequest.Operation) -> tuple[str, str] | None:
    kind = operation.WhichOneof("op_type")
    asked = getattr(operation, kind)
    names = [pair.key for pair in asked.pairs] if hasattr(asked, "pairs") else list(getattr(asked, "keys", ()))
    # PySpark's client itself asks for some of Spark SQL's and Python's.
    known = _ASKED if kind.startswith("get") else ()
    other = next((name for name in names if name not in SETTINGS and not name.startswith(known)), None)
    if other is None or kind == "is_modifiable":
        return None
    return "CONFIG_NOT_AVAILABLE", f"Configuration {other} is not available. SQLSTATE: 42K0I"


def _status(condition: str, message: str) -> Status:
    info = ErrorInfo(
        reason="org.apache.spark.sql.AnalysisException",
        domain="org.apache.spark",
        metadata={"errorClass": condition, "classes": '["org.apache.spark.sql.AnalysisException"]'},
    )
    packed = AnyProto()
    packed.Pack(info)
    return Status(code=grpc.StatusCode.INTERNAL.value[0], message=f"[{condition}] {message}", details=[packed])
