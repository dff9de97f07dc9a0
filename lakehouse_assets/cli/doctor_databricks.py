"""What `lakehouse doctor` tries of a Databricks workspace: what jobs need, as far as no cluster has to start for it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING

from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.resources.azure import in_azure
from lakehouse_assets.resources.databricks_jobs import patiently
from lakehouse_assets.resources.job_files import files_of
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
    yield "Databricks volume", partial(_volume, settings.databricks_volume, client)
    for wheel in settings.databricks_wheels:
        yield "Databricks wheel", partial(asked, partial(_wheel, wheel))
    if settings.databricks_secrets:
        yield "Databricks secrets", partial(asked, partial(_secrets, settings.databricks_secrets))


def _signed_in(client: WorkspaceClient) -> str:
    name = client.current_user.me().user_name
    return f"{client.config.host}: {name} is signed in by {client.config.auth_type}"


def _volume(folder: str, client: Callable[[], WorkspaceClient]) -> str:
    files = files_of(folder, client, SECONDS)
    name, text = f"{folder}/_doctor-{uuid.uuid4().hex}", "tried by `lakehouse doctor`"
    files.make_folder(folder)
    files.write(name, text)
    try:
        read = files.read(name)
    finally:
        files.delete(name)
    if read != text:
        raise LakehouseError(f"{folder}: a file that was written is not found as it was; look at who else writes there")
    return f"{folder}: written, read and deleted"


def _wheel(wheel: str, client: WorkspaceClient) -> str:
    from databricks.sdk.errors import NotFound

    if in_azure(wheel):
        return f"{wheel}: not looked for, as clusters have their own way there"
    try:
        if wheel.startswith("/Workspace/"):
            size = client.workspace.get_status(wheel.removeprefix("/Workspace")).size or 0
        else:
            size = client.files.get_metadata(wheel).content_length or 0
    except NotFound:
        raise LakehouseError(
            f"{wheel} isn't there; build it by `make wheel` and copy it there, or set LAKEHOUSE_DATABRICKS_WHEELS"
        ) from None
    return f"{wheel}: {size / 1000:,.0f} kB"


def _secrets(scope: str, client: WorkspaceClient) -> str:
    names = sorted(it.key or "" for it in client.secrets.list_secrets(scope))
    return f"{scope}: has {', '.join(names) or 'no secret'}"
