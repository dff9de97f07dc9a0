"""Where a topic is, by a variable of the environment, as librdkafka is told of it.

LAKEHOUSE_KAFKA, or LAKEHOUSE_KAFKA_NAME for the connection `name`, is one of:

- `host:9092,other:9092`: brokers that take anyone;
- `Endpoint=sb://NAMESPACE.servicebus.windows.net/;SharedAccessKeyName=…;SharedAccessKey=…`: an Event Hubs namespace;
- `NAMESPACE.servicebus.windows.net`: the same by Entra ID (a service principal, a managed identity, `az login`);
- `{"bootstrap.servers": "…", "sasl.mechanism": "SCRAM-SHA-512", …}`: librdkafka's own properties, for all others.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from lakehouse_assets.engine.errors import SettingsError

VARIABLE = "LAKEHOUSE_KAFKA"
EVENT_HUBS_PORT = 9093
_NAMESPACE = re.compile(r"[\w-]+\.servicebus\.[\w.]+(:\d+)?")
_BROKERS = re.compile(r"[^\s,:/;={}]+:\d+(,[^\s,:/;={}]+:\d+)*")
# What decides that each message is read once: no person's word.
_OURS = {"group.id", "enable.auto.commit", "enable.auto.offset.store", "auto.offset.reset", "enable.partition.eof",
         "isolation.level", "transactional.id", "enable.idempotence"}  # fmt: skip


@dataclass(frozen=True)
class Connection:
    """A cluster, as the variable of this name tells of it; `properties` may hold a password."""

    variable: str
    properties: Mapping[str, Any] = field(repr=False)

    @property
    def brokers(self) -> str:
        return str(self.properties["bootstrap.servers"])


def variable_of(name: str, variable: str = VARIABLE) -> str:
    """The variable that says where the connection of a name is, or the one without."""
    return f"{variable}_{re.sub(r'[^A-Z0-9]', '_', name.upper())}" if name else variable


def unset(name: str) -> str:
    """The variable, if it isn't set: then the topic is read by nobody, and that's no error."""
    variable = variable_of(name)
    return "" if os.environ.get(variable, "").strip() else variable


def connection(name: str = "") -> Connection:
    """The connection of a name, or the one without.

    Raises:
        SettingsError: its variable isn't set, or can't be understood.
    """
    variable = variable_of(name)
    told = os.environ.get(variable, "").strip()
    if not told:
        raise SettingsError(f"Looking for Kafka: {variable} isn't set; it says where the topic is, as host:9092")
    return Connection(variable, _properties(variable, told))


def _properties(variable: str, told: str) -> Mapping[str, Any]:
    if told.startswith("{"):
        return _given(variable, told)
    if told.startswith("Endpoint="):
        return _by_key(variable, told)
    if _NAMESPACE.fullmatch(told):
        return _secure(told) | {"sasl.mechanism": "OAUTHBEARER", "oauth_cb": _token_of(told.partition(":")[0])}
    if _BROKERS.fullmatch(told):
        return {"bootstrap.servers": told}
    raise SettingsError(
        f"Reading {variable}: it's neither host:port, the connection string of an Event Hubs namespace, its host, nor "
        "JSON of librdkafka's properties"
    )


def _given(variable: str, told: str) -> Mapping[str, Any]:
    try:
        given = json.loads(told)
    except json.JSONDecodeError as error:
        raise SettingsError(f"Reading {variable}: it begins as JSON, and isn't any ({error.msg}); mend it") from None
    if not isinstance(given, dict) or "bootstrap.servers" not in given:
        raise SettingsError(f"Reading {variable}: it names no bootstrap.servers; add them")
    if ours := sorted(_OURS & given.keys()):
        raise SettingsError(f"Reading {variable}: {', '.join(ours)} would be told twice; leave it out")
    return given


def _by_key(variable: str, told: str) -> Mapping[str, Any]:
    parts = dict(part.partition("=")[::2] for part in told.rstrip(";").split(";"))
    host = urlsplit(parts["Endpoint"]).hostname
    if not host or not (parts.keys() >= {"SharedAccessKeyName", "SharedAccessKey"}):
        raise SettingsError(
            f"Reading {variable}: it lacks a part of an Event Hubs connection string, which has an Endpoint, a "
            "SharedAccessKeyName and a SharedAccessKey; copy it whole"
        )
    user = {"sasl.username": "$ConnectionString", "sasl.password": told}
    return _secure(host) | {"sasl.mechanism": "PLAIN"} | user


def _secure(host: str) -> dict[str, Any]:
    server = host if ":" in host else f"{host}:{EVENT_HUBS_PORT}"
    return {"bootstrap.servers": server, "security.protocol": "SASL_SSL"}


def _token_of(host: str) -> Callable[[str], tuple[str, float]]:
    """What librdkafka asks for a token: it's renewed while the client is polled."""

    def token(_config: str) -> tuple[str, float]:
        from azure.identity import DefaultAzureCredential

        found = DefaultAzureCredential().get_token(f"https://{host}/.default")
        return found.token, float(found.expires_on)

    return token
