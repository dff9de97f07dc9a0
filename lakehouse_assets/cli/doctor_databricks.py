"""What `lakehouse doctor` tries of a Databricks workspace: what jobs need, as far as no cluster has to start for it."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.resources.databricks_jobs import patiently
from lakehouse_assets.settings import Settings

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

SECONDS = 5  # for which a workspace that doesn't answer is asked again


def attempts(settings: Settings) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is tried, by what it's called: signing in first."""
    from lakehouse_assets.resources.databricks import DatabricksResource

    @cache
    def client() -> WorkspaceClient:
        return DatabricksResource.from_settings(settings).client(SECONDS)

    def asked(ask: Callable[[WorkspaceClient], str]) -> str:
        return patiently(lambda: ask(client()), SECONDS)

    yield "Databricks", partial(asked, _signed_in)
    yield "Databricks volume", partial(asked, partial(_volume, settings.databricks_volume))
    for wheel in settings.databricks_wheels:
        yield "Databricks wheel", partial(asked, partial(_wheel, wheel))
    if settings.databricks_secrets:
        yield "Databricks secrets", partial(asked, partial(_secrets, settings.databricks_secrets))


def _signed_in(client: WorkspaceClient) -> str:
    name = client.current_user.me().user_name
    return f"{client.config.host}: {name} is signed in by {client.config.auth_type}"


def _volume(volume: str, client: WorkspaceClient) -> str:
    name, body = f"{volume}/_doctor-{uuid.uuid4().hex}", b"tried by `lakehouse doctor`"
    client.files.create_directory(volume)
    client.files.upload(name, io.BytesIO(body))
    try:
        contents = client.files.download(name).contents
        read = contents.read() if contents else b""
    finally:
        client.files.delete(name)
    if read != body:
        raise LakehouseError(f"{volume}: a file that was written is not found as it was; look at who else writes there")
    return f"{volume}: written, read and deleted"


def _wheel(wheel: str, client: WorkspaceClient) -> str:
    from databricks.sdk.errors import NotFound

    try:
        size = client.files.get_metadata(wheel).content_length or 0
    except NotFound:
        raise LakehouseError(
            f"{wheel} isn't there; build it by `make wheel` and copy it there, or set LAKEHOUSE_DATABRICKS_WHEELS"
        ) from None
    return f"{wheel}: {size / 1000:,.0f} kB"


def _secrets(scope: str, client: WorkspaceClient) -> str:
    names = sorted(it.key or "" for it in client.secrets.list_secrets(scope))
    return f"{scope}: has {', '.join(names) or 'no secret'}"
