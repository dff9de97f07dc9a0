"""What `lakehouse doctor` tries of a Databricks workspace: what jobs need, as far as no cluster has to start for it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING

from lakehouse_assets.cli.doctor.catalog import looks_at_catalog
from lakehouse_assets.cli.doctor.compute import Look, looks_at_compute
from lakehouse_assets.engine.deploy.databricks_job import SECRETS
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.spec.inputs import VARIABLE
from lakehouse_assets.resources.azure import in_azure
from lakehouse_assets.resources.databricks_jobs import patiently
from lakehouse_assets.resources.job_files import files_of
from lakehouse_assets.resources.trials import Untold
from lakehouse_assets.settings import Settings

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

SECONDS = 5  # for which a workspace that doesn't answer is asked again
# Those by which delta-rs reaches an account; each set is enough (resources/azure.py).
WAYS = (
    {"azure-tenant-id", "azure-client-id", "azure-client-secret"},
    {"azure-storage-account-key"},
    {"azure-storage-sas-token"},
    {"azure-storage-connection-string"},
)


def attempts(settings: Settings, lakehouse: Lakehouse) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is tried, by what it's called: signing in first."""
    from lakehouse_assets.resources.databricks import DatabricksResource

    @cache
    def client() -> WorkspaceClient:
        return DatabricksResource.from_settings(settings).client(SECONDS)

    def asked(ask: Look) -> str:
        return patiently(lambda: ask(client()), SECONDS)

    yield "Databricks", partial(asked, _signed_in)
    yield "Databricks volume", partial(_volume, settings.databricks_volume, client)
    for wheel in settings.databricks_wheels:
        yield "Databricks wheel", partial(asked, partial(_wheel, wheel))
    for what, look in _looks(settings, lakehouse):
        yield what, partial(asked, partial(_as_far_as_seen, look))


def _looks(settings: Settings, lakehouse: Lakehouse) -> Iterator[tuple[str, Look]]:
    """What the workspace is asked, and not each user may ask."""
    yield from looks_at_compute(lakehouse)
    if settings.catalog:
        # Without the way to the account, which isn't needed to ask.
        yield from looks_at_catalog(lakehouse, Lake(settings.lake, settings.landing, catalog=settings.catalog))
    if settings.databricks_secrets or in_azure(*settings.stores):
        yield "Databricks secrets", partial(_secrets, settings, lakehouse)


def _as_far_as_seen(look: Look, client: WorkspaceClient) -> str:
    from databricks.sdk.errors import PermissionDenied

    try:
        return look(client)
    except PermissionDenied as error:
        raise Untold(f"can't be seen by this user: {error}; ask an admin of the workspace") from error


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


def _secrets(settings: Settings, lakehouse: Lakehouse, client: WorkspaceClient) -> str:
    from databricks.sdk.errors import NotFound

    scope = settings.databricks_secrets
    if not scope:
        raise Untold(
            "no scope is set, and jobs reach the account by delta-rs; unless the clusters have its AZURE_… variables, "
            "put them into a scope, as docs/databricks.md has it, and name that in LAKEHOUSE_DATABRICKS_SECRETS"
        )
    try:
        names = sorted(it.key or "" for it in client.secrets.list_secrets(scope))
    except NotFound:
        raise LakehouseError(
            f"there is no scope {scope}; make it, or name one in LAKEHOUSE_DATABRICKS_SECRETS"
        ) from None
    lacking = [*_lacking_for_azure(settings, names), *_lacking_for_downloads(settings, lakehouse, names)]
    if lacking:
        raise LakehouseError(
            f"{scope}: lacks {'; '.join(lacking)}; put it into the scope by `databricks secrets put-secret`"
        )
    return f"{scope}: has {', '.join(names) or 'no secret'}"


def _lacking_for_azure(settings: Settings, names: Collection[str]) -> Iterator[str]:
    if in_azure(*settings.stores) and not any(way <= {*names} for way in WAYS):
        ways = " or ".join(" with ".join(sorted(way)) for way in WAYS)
        yield f"what leads delta-rs to the account of the lake: {ways}"


def _lacking_for_downloads(settings: Settings, lakehouse: Lakehouse, names: Collection[str]) -> Iterator[str]:
    """The variables that jobs download by, as far as a scope can have them."""
    if settings.data_factory:
        return
    for table, source in lakehouse.source_tables():
        secrets = dict.fromkeys(name.lower().replace("_", "-") for name in VARIABLE.findall(repr(source)))
        for secret in secrets:
            if secret.startswith(SECRETS) and secret not in names:
                yield f"{secret}, which {table.key} downloads by"
