"""A broker that can't start says why, as Kafka tells it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lakehouse_assets.engine.errors import StreamUnavailable
from lakehouse_assets.serve.broker import Broker
from lakehouse_assets.settings import read_settings


def test_a_broker_whose_port_is_taken_says_so_soon(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        broker = Broker(tmp_path / "broker", read_settings().cache, port=taken.getsockname()[1])
        with pytest.raises(
            StreamUnavailable, match=rf"(?s)doesn't answer; see .*{broker.port}.*Address already in use"
        ):
            broker.start()
