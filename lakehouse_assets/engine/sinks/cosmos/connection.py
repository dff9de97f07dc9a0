"""Connections to Cosmos DB, by a variable of the environment: a connection string, or an endpoint for Entra ID."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import SettingsError, SinkError
from lakehouse_assets.engine.spec.connections import value_of
from lakehouse_assets.engine.spec.sinks.sink import Cosmos

if TYPE_CHECKING:
    from azure.cosmos import ContainerProxy, CosmosClient

CONNECT_SECONDS = 5
_ENDPOINT = re.compile(r"https://[\w.-]+(:\d+)?/?")
_WHY = {
    401: "the account doesn't take the key",
    403: "the account doesn't allow that (its firewall, or a role that is missing)",
    413: "it's larger than the 2 MB that an item may have; leave a column out by columns=[…]",
    429: "the account is throttled for longer than its client waits; give it more request units",
}


def account_of(store: Cosmos) -> tuple[str, str]:
    """The endpoint of the account and its key; an empty key where Entra ID says who we are.

    Raises:
        SettingsError: its variable isn't set, or is neither.
    """
    told = value_of(store.variable)
    parts = dict(part.partition("=")[::2] for part in told.split(";") if part.strip())
    endpoint, key = parts.get("AccountEndpoint", told), parts.get("AccountKey", "")
    if not _ENDPOINT.fullmatch(endpoint) or ("AccountEndpoint" in parts and not _is_key(key)):
        what = "is neither a connection string of Cosmos DB nor an endpoint" if told else "isn't set"
        raise SettingsError(
            f"Looking for Cosmos DB: {store.variable} {what}; set it to AccountEndpoint=https://HOST/;AccountKey=KEY;, "
            "or to https://HOST/ for Entra ID"
        )
    return endpoint, key


def _is_key(told: str) -> bool:
    try:
        return bool(b64decode(told, validate=True))
    except ValueError:
        return False


@contextmanager
def connected(store: Cosmos) -> Iterator[CosmosClient]:
    """A client of the account, which waits by itself where it's throttled.

    Raises:
        SettingsError: its variable isn't set, or is neither a connection string nor an endpoint.
        SinkError: the account can't be reached, or refuses what it's asked.
    """
    from azure.core.exceptions import AzureError
    from azure.cosmos import CosmosClient

    endpoint, key = account_of(store)
    try:
        with (
            nullcontext(key) if key else _by_entra() as credential,
            CosmosClient(endpoint, credential, connection_timeout=CONNECT_SECONDS) as client,
        ):
            yield client
    except AzureError as error:
        raise refused(store, error) from error


def _by_entra() -> Any:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def put_if(container: ContainerProxy, item: dict[str, Any], etag: str | None) -> dict[str, Any]:
    """Put an item there if it's as it was, with this ETag, or none where that is None; the item as it is then.

    Raises:
        CosmosHttpResponseError: it's other than that (409, 412, or 404 where it's gone), or isn't taken.
    """
    from azure.core import MatchConditions

    if etag is None:
        return container.create_item(item)
    return container.replace_item(item["id"], item, etag=etag, match_condition=MatchConditions.IfNotModified)


def refused(store: Cosmos, error: Exception, what: str = "") -> SinkError:
    """Why the account didn't do what it was asked, of which item if that is known, and what to do."""
    status = getattr(error, "status_code", None)
    why = _WHY.get(status or 0) or (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return SinkError(
        f"Writing {what or 'items'} to {store.target!r} in Cosmos DB: {why}; see the account, and {store.variable}. "
        "Nothing is lost: the next run makes up for it"
    )
