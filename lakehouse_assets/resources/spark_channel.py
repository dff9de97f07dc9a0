"""The way of PySpark's client to the engine on loopback: to the engine's own process, looked at before every call.

PySpark's own way asks for `localhost`, which may be another address with another listener, and after a lost connection
it gives the token to whoever listens by then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from lakehouse_assets.loopback import Listener, can_tell
from lakehouse_assets.private.pyspark import channel_to
from lakehouse_assets.resources.engine_state import Server, listener_of

if TYPE_CHECKING:
    from lakehouse_assets.private.pyspark import ChannelBuilder


class EngineGone(grpc.RpcError):  # type: ignore[misc]  # grpc has no types
    """The engine doesn't listen any more, so nothing is sent; PySpark takes it for the lost connection that it is."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "the engine's process has ended"

    def trailing_metadata(self) -> tuple[()]:
        return ()

    def __str__(self) -> str:
        return f"{self.code()}: {self.details()}"


def engine_channel(server: Server) -> ChannelBuilder:
    """A channel to 127.0.0.1 with the engine's token."""
    loopback = grpc.local_channel_credentials(grpc.LocalConnectionType.LOCAL_TCP)
    token = grpc.access_token_call_credentials(server.token)
    told = grpc.composite_channel_credentials(loopback, token)
    return channel_to(f"127.0.0.1:{server.port}", told, _OnlyToTheEngine(listener_of(server)))


@dataclass(frozen=True)
class _OnlyToTheEngine(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc]
    grpc.UnaryStreamClientInterceptor,  # type: ignore[misc]
    grpc.StreamUnaryClientInterceptor,  # type: ignore[misc]
):
    """Sends a call only while the engine holds the socket on which it was found."""

    found: Listener | None

    def _sent(self, send: Callable[[Any, Any], Any], call: Any, request: Any) -> Any:
        if can_tell() and not (self.found and self.found.holds()):
            raise EngineGone
        return send(call, request)

    intercept_unary_unary = _sent
    intercept_unary_stream = _sent
    intercept_stream_unary = _sent
