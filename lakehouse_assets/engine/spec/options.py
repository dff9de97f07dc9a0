"""The options of sources by keyword, so that an editor completes them; what each means is told where it's kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from lakehouse_assets.engine.spec.inputs import Afterwards, Evolution


class IntakeOptions(TypedDict, total=False):
    """See `Intake`."""

    evolve: Evolution
    files_per_batch: int
    bytes_per_batch: int
    afterwards: Afterwards


class FileOptions(IntakeOptions, total=False):
    """See the formats: `Csv` has all of them, `Json` and `JsonLines` have `encoding`, others have none."""

    encoding: str
    delimiter: str
    quote: str
    escape: str
    header: bool
    multiline: bool
    nulls: tuple[str, ...]
    infer_types: bool


class HttpOptions(FileOptions, total=False):
    """See `Http`."""

    headers: Mapping[str, str]
    sha256: Mapping[str, str]
    pages: bool
    hosts: tuple[str, ...]
    pause: float
    timeout: float
    retries: int
    backoff: float
    limit: int
    patience: float
