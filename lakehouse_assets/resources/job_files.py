"""The files by which Dagster and its jobs speak: in a Unity Catalog volume, or in a container of Azure Storage.

A file is named by its whole path or URL. Whatever store it's in, one that is busy or out of reach is asked again.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lakehouse_assets.engine.errors import WorkspaceUnavailable
from lakehouse_assets.resources.azure import container_at, container_of, in_azure
from lakehouse_assets.resources.databricks_jobs import PATIENCE, asked_again, if_there, patiently

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient
    from databricks.sdk import WorkspaceClient

T = TypeVar("T")
BUSY = {408, 429, 500, 502, 503, 504}


class JobFiles(Protocol):
    """What is done with the files of jobs.

    Each method raises `WorkspaceUnavailable` where the store refuses, or doesn't answer for long.
    """

    def make_folder(self, folder: str) -> None:
        """Make a folder, with those above it."""

    def read(self, path: str) -> str | None:
        """The text of a file; None where there is none."""

    def write(self, path: str, text: str) -> None:
        """Write a file, in the place of one that is there."""

    def create(self, path: str, text: str) -> None:
        """Write a file, unless it's there."""

    def names(self, folder: str) -> list[str]:
        """The names of what is in a folder; none where there is no folder."""

    def delete(self, path: str) -> None:
        """Delete a file, if it's there."""

    def delete_folder(self, folder: str) -> None:
        """Delete an empty folder, if it's there."""


def files_of(folder: str, client: Callable[[], WorkspaceClient], patience: float = PATIENCE) -> JobFiles:
    """The files below a folder; those of a volume by the client of its workspace.

    Raises:
        SettingsError: the folder is in Azure, in an account that this process isn't told the way to.
    """
    return InContainer(folder, patience) if in_azure(folder) else InVolume(client(), patience)


@dataclass(frozen=True)
class InVolume:
    """Files of a volume, by the Files API."""

    client: WorkspaceClient
    patience: float = PATIENCE

    def make_folder(self, folder: str) -> None:
        patiently(lambda: self.client.files.create_directory(folder), self.patience)

    def read(self, path: str) -> str | None:
        def text() -> str:
            contents = self.client.files.download(path).contents
            return contents.read().decode() if contents else ""

        return if_there(text, self.patience)

    def write(self, path: str, text: str) -> None:
        patiently(lambda: self._upload(path, text, overwrite=True), self.patience)

    def create(self, path: str, text: str) -> None:
        from databricks.sdk.errors import ResourceConflict  # of which "already exists" is one

        def created() -> None:
            with suppress(ResourceConflict):
                self._upload(path, text, overwrite=False)

        patiently(created, self.patience)

    def names(self, folder: str) -> list[str]:
        listed = self.client.files.list_directory_contents
        return if_there(lambda: [it.name for it in listed(folder) if it.name], self.patience) or []

    def delete(self, path: str) -> None:
        if_there(lambda: self.client.files.delete(path), self.patience)

    def delete_folder(self, folder: str) -> None:
        if_there(lambda: self.client.files.delete_directory(folder), self.patience)

    def _upload(self, path: str, text: str, *, overwrite: bool) -> None:
        self.client.files.upload(path, io.BytesIO(text.encode()), overwrite=overwrite)


class InContainer:
    """Blobs of a container, by Azure's own client, which a Databricks runtime has too."""

    def __init__(self, url: str, patience: float = PATIENCE) -> None:
        self.container, self.patience = container_at(url), patience

    def make_folder(self, folder: str) -> None:
        """A blob needs no folder; where the account has them, they come with it."""

    def read(self, path: str) -> str | None:
        def text(blob: BlobClient) -> str | None:
            with suppress(_not_there()):
                return bytes(blob.download_blob().readall()).decode()
            return None

        return self._asked("Reading", path, text)

    def write(self, path: str, text: str) -> None:
        self._asked("Writing", path, lambda blob: blob.upload_blob(text.encode(), overwrite=True))

    def create(self, path: str, text: str) -> None:
        from azure.core.exceptions import ResourceExistsError

        def created(blob: BlobClient) -> None:
            with suppress(ResourceExistsError):
                blob.upload_blob(text.encode(), overwrite=False)  # which sends If-None-Match: *

        self._asked("Writing", path, created)

    def names(self, folder: str) -> list[str]:
        inside = f"{container_of(folder)[1]}/"

        def listed(_: BlobClient) -> list[str]:
            with suppress(_not_there()):
                found = self.container.walk_blobs(inside)
                return sorted({it.name.removeprefix(inside).rstrip("/") for it in found} - {""})
            return []

        return self._asked("Listing", folder, listed)

    def delete(self, path: str) -> None:
        def deleted(blob: BlobClient) -> None:
            with suppress(_not_there()):
                blob.delete_blob()

        self._asked("Deleting", path, deleted)

    def delete_folder(self, folder: str) -> None:
        """With a hierarchical namespace, a folder is deleted as a blob of its name; others have none."""
        self.delete(folder)

    def _asked(self, doing: str, url: str, ask: Callable[[BlobClient], T]) -> T:
        from azure.core.exceptions import AzureError

        blob = self.container.get_blob_client(container_of(url)[1])
        try:
            return asked_again(lambda: ask(blob), (AzureError,), _passes, self.patience)
        except AzureError as error:
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise WorkspaceUnavailable(
                f"{doing} {url}: {why}; see that the container is there, and that who runs this may read, write and "
                "delete in it (`lakehouse doctor` tries it)"
            ) from error


def _not_there() -> type[Exception]:
    from azure.core.exceptions import ResourceNotFoundError

    return ResourceNotFoundError


def _passes(error: Any) -> bool:
    """Whether a store may answer when it's asked again: it was out of reach, or said that it's busy or broken."""
    from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

    if isinstance(error, HttpResponseError):
        return error.status_code in BUSY
    return isinstance(error, ServiceRequestError | ServiceResponseError)
