"""What becomes of files whose rows are in their table: they're left, archived, or deleted.

Only the version that was read is put away, never one that took its place meanwhile, nor a link. On a disk the file is
moved first and looked at then; in Azure Storage the copy and the deletion are made on condition of its etag.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.errors import SourceError
from lakehouse_assets.engine.lake.stores import errors_of_stores, opened, unreachable
from lakehouse_assets.engine.sources.arrivals.listing import Arrival, is_remote, local_etag, root_and_pattern
from lakehouse_assets.private.adlfs import ask, is_azure

if TYPE_CHECKING:
    from lakehouse_assets.engine.spec.inputs import Files

ARCHIVE = "_archive"


def put_away(source: Files, landing: str, read: Sequence[tuple[Arrival, int]]) -> int:
    """Archive or delete files, given with the batch they were read in, as the source says; how many that were.

    The archive is `_archive/<batch>/` beside what the source's path begins with.

    Raises:
        SourceError: the store refused, or is one that can't do it on condition.
    """
    root, _ = root_and_pattern(source.path, landing)
    done = 0
    for file, batch in read:
        name = file.path.removeprefix(f"{root}/")
        to = f"{root}/{ARCHIVE}/{batch:06}/{name}" if source.intake.afterwards == "archive" else ""
        try:
            done += _in_azure(file, to) if is_remote(root) else _on_disk(file, to, root)
        except errors_of_stores() as e:
            raise unreachable("Its rows are in the table; now putting away", file.path, e) from e
    return done


def _on_disk(file: Arrival, to: str, root: str) -> bool:
    path = Path(file.path)
    if path.is_symlink():  # what it leads to is read under its own name too, or was put aside by someone
        return False
    target = Path(to) if to else path.with_name(f"_{file.etag}")
    for folder in (path.parent, target.parent):
        if not folder.resolve().is_relative_to(Path(root).resolve()):
            raise SourceError(f"Putting away {file.path}: {folder} leads out of {root} by a link; make it a folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.rename(target)
    except FileNotFoundError:
        return False
    if local_etag(target.lstat()) != file.etag:
        return _back(target, path)
    if not to:
        target.unlink()
    return True


def _back(moved: Path, path: Path) -> bool:
    """Give a newer version its name again; if one that is newer still has it by now, that's the one to be read."""
    with suppress(FileExistsError):
        os.link(moved, path)
    moved.unlink()
    return False


def _in_azure(file: Arrival, to: str) -> bool:
    store, name = opened(file.path)
    if not is_azure(store):
        raise SourceError(f"Putting away {file.path}: only on a disk and in Azure Storage; remove afterwards=… here")
    target = opened(to)[1] if to else ""
    moved = ask(store, _moved, name, f'"{file.etag}"', target)
    store.invalidate_cache()
    return moved


async def _moved(service: Any, name: str, etag: str, to: str) -> bool:
    from azure.core import MatchConditions
    from azure.core.exceptions import HttpResponseError

    container, _, blob = name.partition("/")
    source = service.get_blob_client(container, blob)
    try:
        if to:
            target = service.get_blob_client(container, to.partition("/")[2])
            same: Mapping[str, Any] = {"source_etag": etag, "source_match_condition": MatchConditions.IfNotModified}
            await target.start_copy_from_url(source.url, **same)
            while (copied := (await target.get_blob_properties()).copy).status == "pending":
                await asyncio.sleep(1)
            if copied.status != "success":
                raise OSError(f"the copy is {copied.status}: {copied.status_description}")
        await source.delete_blob(etag=etag, match_condition=MatchConditions.IfNotModified)
    except HttpResponseError as error:
        if error.status_code in (404, 412):  # gone, another version by now, or leased by someone
            return False
        raise
    return True
