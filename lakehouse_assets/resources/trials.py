"""What `doctor` tries, on this machine and on a cluster alike: whether a thing works, and what was found of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.folders import own_folder

# Whether a thing is well (None: that can't be told), what it is, and what was found of it.
Found = tuple[bool | None, str, str]
MARKS = {True: "✓", False: "✗", None: "?"}


class Untold(LakehouseError):
    """Whether a thing is well can't be seen from here."""


def tried(what: str, attempt: Callable[[], str]) -> Found:
    """What an attempt found, or why it failed; the packages in use have errors of their own."""
    from deltalake.exceptions import DeltaError
    from pyspark.errors import PySparkException

    from lakehouse_assets.engine.lake.stores import errors_of_stores

    failures: tuple[type[Exception], ...] = (LakehouseError, DeltaError, PySparkException, *errors_of_stores())
    try:
        return True, what, attempt()
    except failures as error:
        lines = str(error).strip().splitlines()
        return None if isinstance(error, Untold) else False, what, lines[0] if lines else type(error).__name__


def kept_and_found(url: str) -> str:
    """Write, list, read and delete a small file, by the library that lists and moves arrivals."""
    from lakehouse_assets.engine.lake.stores import errors_of_stores, opened

    if "://" not in url:
        own_folder(Path(url), "the folder")
    store, folder = opened(url)
    name, body = f"{folder.rstrip('/')}/_doctor-{uuid.uuid4().hex}", b"tried by `lakehouse doctor`"
    store.makedirs(folder, exist_ok=True)
    try:
        store.pipe_file(name, body)
        store.invalidate_cache()
        listed = [path.rpartition("/")[2] for path in store.ls(folder, detail=False)]
        found = store.cat_file(name) == body and name.rpartition("/")[2] in listed
    except errors_of_stores():
        with suppress(*errors_of_stores()):
            store.rm_file(name)
        raise
    store.rm_file(name)
    if not found:
        raise LakehouseError(f"{url}: a file that was written is not found as it was; look at who else writes there")
    return f"{url}: written, listed, read and deleted"
