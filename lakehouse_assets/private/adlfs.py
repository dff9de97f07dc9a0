"""What is used of Azure's client behind fsspec's `adlfs`. Read from adlfs 2026.8.0, fsspec 2026.9.0, azure-core 1.41.0.

When a version is raised, look at `AzureBlobFileSystem.do_connect` in `adlfs/spec.py`, which makes the client, and at
`ExponentialRetry` in `azure/storage/blob/_shared/policies_async.py`, which reads these waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def is_azure(store: Any) -> bool:
    """Whether a file system is adlfs's, which need not be installed."""
    return hasattr(store, "service_client")


def set_waits(store: Any, waits: Mapping[str, Any]) -> None:
    """How long Azure's client waits before it asks again: adlfs hands no settings on to it."""
    vars(store.service_client._config.retry_policy).update(waits)


def ask(store: Any, question: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Have Azure's client answer what adlfs has no method for, in adlfs's own loop: the client is bound to it."""
    from fsspec.asyn import sync

    answer: T = sync(store.loop, question, store.service_client, *arguments)
    return answer
