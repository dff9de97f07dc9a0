"""The files by which a job and Dagster speak, as the job has them: a volume's are plain files, others are blobs."""

from __future__ import annotations

from pathlib import Path

from lakehouse_assets.resources.azure import in_azure
from lakehouse_assets.resources.job_files import InContainer


def read(path: str) -> str:
    """The text of a file.

    Raises:
        FileNotFoundError: there is none.
        WorkspaceUnavailable: the container of a URL refuses, or doesn't answer for long.
    """
    if not in_azure(path):
        return Path(path).read_text()
    text = InContainer(path).read(path)
    if text is None:
        raise FileNotFoundError(path)
    return text


def write(path: str, text: str) -> None:
    """Write a file, and the folder that it's in.

    Raises:
        WorkspaceUnavailable: as `read`.
    """
    if in_azure(path):
        InContainer(path).write(path, text)
        return
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(text)
