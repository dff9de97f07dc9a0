"""The Kafka broker that a lakehouse has on this machine while `lakehouse simulate` runs, and how it's reached.

What was published is believed only while that very process listens there, as with the engine (engine_state.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from lakehouse_assets.resources.engine_state import is_engine, published


def state_file(home: Path) -> Path:
    """Where it's published, by who started it."""
    return home / "kafka" / "state.json"


def local_kafka(home: Path) -> str:
    """How it's reached, as LAKEHOUSE_KAFKA would tell; empty where none is up."""
    server = published(state_file(home))
    return json.dumps(login(server.port, server.token)) if server and is_engine(server) else ""


def login(port: int, password: str) -> Mapping[str, str]:
    """librdkafka's properties for a broker on loopback that asks for a password."""
    return {
        "bootstrap.servers": f"127.0.0.1:{port}", "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
        "sasl.username": "lakehouse", "sasl.password": password,
    }  # fmt: skip
