"""The channels that people are told by, each by a variable of the environment.

LAKEHOUSE_NOTIFY_NAME, for the channel `name`, is one of:

- `https://hooks.slack.com/…`: an incoming webhook of Slack;
- `https://….webhook.office.com/…`, `https://….logic.azure.com/…` or `https://….powerplatform.com/…`: one of Teams;
- `smtp://USER:PASSWORD@HOST:587?from=A&to=B,C`: mail, encrypted by STARTTLS; by `smtps://` from the beginning;
- any other address of http or https, which gets JSON; `slack+https://…` or `teams+https://…` where it's a proxy.

Without the variable, the run's log is told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from lakehouse_assets.engine.errors import SettingsError
from lakehouse_assets.engine.spec import connections

Kind = Literal["slack", "teams", "webhook", "mail", "log"]
_TEAMS = (".webhook.office.com", ".logic.azure.com", ".powerplatform.com")
_ADDRESS = re.compile(r"[^\s<>,;@\"]+@[^\s<>,;@\"]+", re.ASCII)
_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class Mail:
    """How mail is sent: by which server, as whom, from which address to which others."""

    host: str
    port: int
    encrypted: bool
    user: str
    password: str = field(repr=False)
    sender: str
    to: tuple[str, ...]


@dataclass(frozen=True)
class Channel:
    """Where messages of a kind go; the address of a webhook lets whoever has it send, so it's shown nowhere."""

    name: str
    kind: Kind
    url: str = field(default="", repr=False)
    mail: Mail | None = None

    @property
    def where(self) -> str:
        """What may be shown of it: the variable, and the host."""
        host = self.mail.host if self.mail else urlsplit(self.url).hostname or ""
        return f"{self.name} ({variable_of(self.name)}, {host})" if self.kind != "log" else f"{self.name} (the log)"


def variable_of(name: str) -> str:
    """The variable that says what the channel of a name is."""
    return connections.variable_of("NOTIFY", name)


def channel(name: str) -> Channel:
    """The channel of a name.

    Raises:
        SettingsError: its variable can't be understood; it's named, and not shown.
    """
    told = connections.value_of(variable_of(name))
    if not told:
        return Channel(name, "log")
    try:
        found = _channel(name, told)
    except ValueError:  # of a port, or a bracket
        found = None
    if found is None:
        raise SettingsError(
            f"Reading {variable_of(name)}: it's neither the address of a webhook (https://…) nor that of a mail server "
            "(smtp://USER:PASSWORD@HOST:587?from=A&to=B); mend it"
        )
    return found


def _channel(name: str, told: str) -> Channel | None:
    parts = urlsplit(told)
    kind, plus, scheme = parts.scheme.rpartition("+")
    if not parts.hostname or not told.isprintable() or " " in told or parts.port == 0:
        return None
    if scheme in _PORTS and not plus:
        mail = _mail(told)
        return Channel(name, "mail", mail=mail) if mail else None
    if scheme not in ("http", "https") or kind not in ("", "slack", "teams"):
        return None
    return Channel(name, _kind(kind, parts.hostname), told[len(kind + plus) :])


def _kind(given: str, host: str) -> Kind:
    if given == "slack" or (not given and host == "hooks.slack.com"):
        return "slack"
    return "teams" if given == "teams" or (not given and host.endswith(_TEAMS)) else "webhook"


def _mail(told: str) -> Mail | None:
    parts = urlsplit(told)
    given = parse_qs(parts.query)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    sender = given.get("from", [user])[0]
    to = tuple(it for listed in given.get("to", []) for it in listed.split(","))
    if not to or not all(_ADDRESS.fullmatch(it) for it in (sender, *to)) or not f"{user}{password}".isprintable():
        return None
    port = parts.port or _PORTS[parts.scheme]
    return Mail(parts.hostname or "", port, parts.scheme == "smtps", user, password, sender, to)
