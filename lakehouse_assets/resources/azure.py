"""Azure Storage: one account's credentials, told to delta-rs and to Spark, each in its own words.

They come from the variables that Azure's own tools use, by which fsspec's `adlfs` finds them by itself:
`AZURE_STORAGE_CONNECTION_STRING`; or `AZURE_STORAGE_ACCOUNT_KEY` or `AZURE_STORAGE_SAS_TOKEN`; or `AZURE_TENANT_ID`,
`AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` of a service principal; or none of these, for the managed identity of the
machine. They are read when they're needed and kept nowhere: Dagster shows the configuration of resources to everyone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lakehouse_assets.engine.errors import SettingsError
from lakehouse_assets.engine.lake.places import Lake, TableRef
from lakehouse_assets.engine.lake.stores import WAITS
from lakehouse_assets.folders import refuse_unsafe

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

    from lakehouse_assets.engine.sources.arrivals.notifications import Queues

_URL = re.compile(r"abfss?://(?P<container>[^@/]+)@(?P<account>[^./]+)\.dfs\.(?P<suffix>[^/]+)(/|$)")
_OAUTH = "org.apache.hadoop.fs.azurebfs.oauth2"


@dataclass(frozen=True)
class AzureStorage:
    """How an account is reached.

    `endpoint` is that of an emulator, as `http://127.0.0.1:10000/devstoreaccount1`. Where it has another port, delta-rs
    has to find that in the variable `AZURITE_BLOB_STORAGE_URL` (`http://127.0.0.1:20000`).
    """

    account: str
    suffix: str = "core.windows.net"
    key: str = field(default="", repr=False)
    sas: str = field(default="", repr=False)
    tenant: str = ""
    client: str = ""
    secret: str = field(default="", repr=False)
    endpoint: str = ""

    def for_delta_rs(self) -> dict[str, str]:
        """The options of `deltalake`."""
        told = {
            "azure_storage_account_name": self.account,
            "azure_storage_account_key": self.key,
            "azure_storage_sas_token": self.sas,
            "azure_tenant_id": self.tenant,
            "azure_client_id": self.client,
            "azure_client_secret": self.secret,
            "azure_storage_use_emulator": "true" if self.endpoint else "",
            # By itself it asks a busy account ten times within four seconds, and one that is silent for three minutes.
            "backoff_config.init_backoff": "1s",
            "retry_timeout": "20s",
        }
        return {name: value for name, value in told.items() if value}

    def for_spark(self) -> dict[str, str]:
        """The settings of a session, by which Hadoop's `abfs` and `abfss` file systems reach the account."""
        host = f"{self.account}.dfs.{self.suffix}"
        if self.key:
            told = {f"fs.azure.account.key.{host}": self.key}
        elif self.sas:
            told = {f"fs.azure.account.auth.type.{host}": "SAS", f"fs.azure.sas.fixed.token.{host}": self.sas}
        else:
            told = self._identity()
        # 0.5, 1, 2 … 16 s apart: half a minute. By itself it asks thirty times, and waits for a quarter of an hour.
        told |= {"fs.azure.io.retry.max.retries": "6"}
        return told | (_emulator(self.endpoint) if self.endpoint else {})

    def _identity(self) -> dict[str, str]:
        told = {"fs.azure.account.auth.type": "OAuth", "fs.azure.account.oauth2.client.id": self.client}
        if not self.secret:
            told |= {"fs.azure.account.oauth.provider.type": f"{_OAUTH}.MsiTokenProvider"}
            return {name: value for name, value in told.items() if value}
        return told | {
            "fs.azure.account.oauth.provider.type": f"{_OAUTH}.ClientCredsTokenProvider",
            "fs.azure.account.oauth2.client.endpoint": f"https://login.microsoftonline.com/{self.tenant}/oauth2/token",
            "fs.azure.account.oauth2.client.secret": self.secret,
        }


def in_azure(*urls: str) -> bool:
    """Whether one of the paths is in Azure Storage."""
    return any(url.startswith(("abfs://", "abfss://")) for url in urls)


def container_of(url: str) -> tuple[str, str]:
    """The container of a URL, and the path in it.

    Raises:
        SettingsError: the URL isn't one of a container.
    """
    found = _parsed(url)
    return found["container"], url[found.end() :].strip("/")


def _parsed(url: str) -> re.Match[str]:
    found = _URL.match(url)
    if not found:
        raise SettingsError(f"{url!r} names no container; write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER")
    return found


def azure_storage(url: str, env: Mapping[str, str] | None = None) -> AzureStorage:
    """How this process reaches the account of a URL.

    Raises:
        SettingsError: the URL isn't one of a container, or the connection string is that of another account.
    """
    env, found = os.environ if env is None else env, _parsed(url)
    account, suffix, text = found["account"], found["suffix"], env.get("AZURE_STORAGE_CONNECTION_STRING", "")
    if text:
        return _of_connection_string(text, account, suffix)
    key, sas = env.get("AZURE_STORAGE_ACCOUNT_KEY", ""), env.get("AZURE_STORAGE_SAS_TOKEN", "").lstrip("?")
    if key or sas:
        return AzureStorage(account, suffix, key=key, sas="" if key else sas)
    tenant, client, secret = (env.get(f"AZURE_{name}", "") for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"))
    return AzureStorage(account, suffix, tenant=tenant, client=client, secret=secret)


def queues_at(name: str, landing: str, env: Mapping[str, str] | None = None) -> Queues:
    """The queue of that name in the account of the landing folders, and the one with `-poison` behind its name.

    Raises:
        SettingsError: as `azure_storage`, or the connection string doesn't lead to queues.
    """
    from azure.identity import DefaultAzureCredential
    from azure.storage.queue import QueueClient

    from lakehouse_assets.engine.sources.arrivals.notifications import Queues

    env = os.environ if env is None else env
    at, names = azure_storage(landing, env), (name, f"{name}-poison")
    if text := env.get("AZURE_STORAGE_CONNECTION_STRING"):
        try:
            return Queues(*(QueueClient.from_connection_string(text, it, **WAITS) for it in names))
        except ValueError as error:
            raise SettingsError(
                f"Reaching the queue {name!r}: {error} AZURE_STORAGE_CONNECTION_STRING needs a QueueEndpoint, or an "
                "AccountName and an AccountKey"
            ) from None
    credential = at.key or at.sas or DefaultAzureCredential()
    url = f"https://{at.account}.queue.{at.suffix}"
    return Queues(*(QueueClient(url, it, credential=credential, **WAITS) for it in names))


def container_at(url: str) -> ContainerClient:
    """The container of a URL, by a client that asks once: whoever has it asks again.

    Raises:
        SettingsError: as `azure_storage`.
    """
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import ContainerClient

    at, name = azure_storage(url), container_of(url)[0]
    credential = at.key or at.sas or DefaultAzureCredential()
    if not (text := os.environ.get("AZURE_STORAGE_CONNECTION_STRING")):
        return ContainerClient(f"https://{at.account}.blob.{at.suffix}", name, credential=credential, retry_total=0)
    try:
        given = None if at.key or at.sas else credential  # the text's own goes before
        return ContainerClient.from_connection_string(text, name, given, retry_total=0)
    except ValueError as error:
        raise SettingsError(f"Reaching {url} by AZURE_STORAGE_CONNECTION_STRING: {error}; copy it anew") from None


def lake_at(
    root: str, landing: str, downloads: bool = True, catalog: str = "", elsewhere: Mapping[str, str] | None = None
) -> Lake:
    """The lake at a path or URL, with what delta-rs needs to reach it; `elsewhere` are tables at places of their own.

    Raises:
        SettingsError: as `azure_storage`, for either.
        UnsafeFolder: a folder of this machine belongs to another user, or is open to all.
    """
    for url, what in ((root, "the lake"), (landing, "the landing folder")):
        if "://" not in url:
            refuse_unsafe(Path(url), what)
    places = elsewhere or {}
    reached = {url: azure_storage(url).for_delta_rs() for url in (root, landing, *places.values()) if in_azure(url)}
    tables = {key: TableRef(url, storage=reached.get(url, {})) for key, url in places.items()}
    return Lake(root, landing, reached.get(root, {}), downloads, catalog, tables)


def _of_connection_string(text: str, account: str, suffix: str) -> AzureStorage:
    parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    blobs = parts.get("BlobEndpoint", "").rstrip("/")
    named = parts.get("AccountName") or (urlsplit(blobs).hostname or "").split(".")[0]
    if named != account:
        raise SettingsError(
            f"AZURE_STORAGE_CONNECTION_STRING is that of the account {named!r}, but the lake, the landing folder, the "
            f"folder of jobs or an external table is in {account!r}; set that of {account!r}, or use an identity that "
            "reaches both"
        )
    key, sas = parts.get("AccountKey", ""), parts.get("SharedAccessSignature", "").lstrip("?")
    return AzureStorage(account, suffix, key=key, sas=sas, endpoint=blobs if blobs.startswith("http://") else "")


def _emulator(endpoint: str) -> dict[str, str]:
    """An emulator has the account in the path, no TLS (so URLs begin with `abfs:`), and the Blob service alone."""
    return {
        "fs.azure.abfs.endpoint": urlsplit(endpoint).netloc,
        "fs.azure.always.use.https": "false",
        "fs.azure.account.hns.enabled": "false",
        "fs.azure.fns.account.service.type": "BLOB",
        "fs.azure.ssl.channel.mode": "Default_JSSE",
        "fs.azure.io.retry.max.retries": "3",
    }
