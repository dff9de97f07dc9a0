"""What `lakehouse doctor` asks Unity Catalog: whether this user may have the tables of the lake in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING

from lakehouse_assets.cli.doctor.compute import Look
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Lakehouse
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.resources.trials import Untold

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.iam import User

IN_SCHEMA = ("USE_SCHEMA", "CREATE_TABLE", "SELECT", "MODIFY")
# A table is made at a path, which takes a right of its own; landing folders have files alone.
AT_LAKE = ("READ_FILES", "WRITE_FILES", "CREATE_EXTERNAL_TABLE")
AT_LANDING = ("READ_FILES", "WRITE_FILES")
EVERYBODY = "account users"


def looks_at_catalog(lakehouse: Lakehouse, lake: Lake) -> Iterator[tuple[str, Look]]:
    """What is asked: the catalog, each schema, and what leads Unity Catalog to the lake and the landing folders."""
    yield "Databricks catalog", partial(_catalog, lake.catalog)
    for schema in dict.fromkeys(it for table in lakehouse.runnable.values() for it in lake.schemas(table)):
        yield "Databricks schema", partial(_schema, schema)
    for url, needed in ((lake.root, AT_LAKE), (lake.landing, AT_LANDING)):
        if "://" in url:
            yield "Databricks location", partial(_location, url, needed)


def _catalog(name: str, client: WorkspaceClient) -> str:
    from databricks.sdk.errors import NotFound

    try:
        owner = client.catalogs.get(name).owner
    except NotFound:
        raise LakehouseError(
            f"there is no catalog {name} that this user sees; create it, or have its owner GRANT USE CATALOG ON "
            f"CATALOG `{name}` to this user, or name another one by LAKEHOUSE_CATALOG"
        ) from None
    _require(("USE_CATALOG",), "catalog", name, owner, client)
    return f"{name} may be used"


def _schema(name: str, client: WorkspaceClient) -> str:
    from databricks.sdk.errors import NotFound

    catalog = name.partition(".")[0]
    try:
        owner = client.schemas.get(name).owner
    except NotFound:
        _require(("CREATE_SCHEMA",), "catalog", catalog, _owner_of(catalog, client), client)
        return f"{name} isn't there; the first run makes it"
    _require(IN_SCHEMA, "schema", name, owner, client)
    return f"{name}: tables may be made and changed"


def _owner_of(catalog: str, client: WorkspaceClient) -> str | None:
    from databricks.sdk.errors import NotFound

    try:
        return client.catalogs.get(catalog).owner
    except NotFound:
        raise Untold(f"there is no catalog {catalog} to look into") from None


def _location(url: str, needed: Collection[str], client: WorkspaceClient) -> str:
    for location in client.external_locations.list():
        if location.url and f"{url.rstrip('/')}/".startswith(f"{location.url.rstrip('/')}/"):
            break
    else:
        raise LakehouseError(
            f"no external location that this user sees covers {url}; create one, as the SQL of `lakehouse generate "
            "unity-catalog` does, or have its owner grant it to this user"
        )
    name = location.name or ""
    if location.read_only:
        raise LakehouseError(f"{url}: the external location {name} is read-only; take that mark off it")
    _require(needed, "external_location", name, location.owner, client)
    return f"{url}: covered by {name}"


def _require(needed: Collection[str], kind: str, name: str, owner: str | None, client: WorkspaceClient) -> None:
    """
    Raises:
        LakehouseError: this user lacks a privilege.
    """
    me = client.current_user.me()
    if owner in _principals(me):
        return
    lacking = set(needed)
    for principal in _principals(me):
        lacking -= _privileges(kind, name, principal, client)
        if not lacking:
            return
    told = ", ".join(it.replace("_", " ") for it in needed if it in lacking)
    what = kind.replace("_", " ").upper()
    quoted = ".".join(f"`{part}`" for part in name.split(".")) if kind == "schema" else f"`{name}`"
    raise LakehouseError(
        f"{me.user_name} lacks {told} on {name}; have its owner GRANT {told} ON {what} {quoted} TO `{me.user_name}`"
    )


def _principals(me: User) -> list[str]:
    return [*dict.fromkeys(filter(None, [me.user_name, *(group.display for group in me.groups or []), EVERYBODY]))]


def _privileges(kind: str, name: str, principal: str, client: WorkspaceClient) -> set[str]:
    """What a principal may do, also by what is granted on the catalog above; of one that isn't known there, nothing."""
    from databricks.sdk.errors import NotFound

    try:
        found = client.grants.get_effective(kind, name, principal=principal).privilege_assignments or []
    except NotFound:
        return set()
    held = {it.privilege.value for one in found for it in one.privileges or [] if it.privilege}
    return {*IN_SCHEMA, *AT_LAKE, "USE_CATALOG", "CREATE_SCHEMA"} if "ALL_PRIVILEGES" in held else held
