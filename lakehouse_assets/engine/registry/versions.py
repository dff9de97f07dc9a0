"""The versions of a model in the registry, and its aliases `champion` and `challenger`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.registry.store import ModelStore, answering, locked, open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
# Tags of versions. What a version was judged against, and whether it passed, are there from its first moment on.
WAITING = "lakehouse.waiting"  # of an experiment
READ, CODE, AGAINST, PASSED, DECIDED, REPLACED, WHY = (
    f"lakehouse.{name}" for name in ("read", "code", "judged_against", "passed", "decided", "replaced", "gate")
)


@dataclass(frozen=True)
class Version:
    """A version of a model: its number in the registry, the run that trained it, and what it was tagged with."""

    name: str
    number: int
    run_id: str
    source: str
    created: float  # seconds since 1970
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def read(self) -> dict[str, Any]:
        """The versions of the tables that it was trained on, by their keys."""
        found: dict[str, Any] = json.loads(self.tags.get(READ, "{}"))
        return found


def champion(store: ModelStore, key: str) -> Version | None:
    """The version that scores; None if no version has come that far."""
    return by_alias(store, key, CHAMPION)


def position_of(it: Version) -> dict[str, Any]:
    """A version as a run writes it down among what it has read."""
    return {"id": it.name, "to": it.number, "after": None}


def by_alias(store: ModelStore, key: str, alias: str) -> Version | None:
    """The version that has an alias; None if none has."""
    number = aliases(store, key).get(alias)
    return version(store, key, number) if number is not None else None


def aliases(store: ModelStore, key: str) -> dict[str, int]:
    """The versions by their aliases; none for a model that isn't registered."""
    client, name = open_store(store), store.name(key)
    with answering(store, f"Looking up the aliases of {name}"):
        # Searching for versions tells no aliases.
        found = client.get_registered_model(name).aliases if _is_registered(client, name) else {}
    return {alias: int(number) for alias, number in found.items()}


def version(store: ModelStore, key: str, number: int) -> Version:
    """
    Raises:
        RegistryUnavailable: there is no such version.
    """
    client = open_store(store)
    with answering(store, f"Looking up version {number} of {store.name(key)}"):
        return _version(client.get_model_version(store.name(key), str(number)))


def versions(store: ModelStore, key: str) -> list[Version]:
    """All versions, the newest first."""
    client, name = open_store(store), store.name(key)
    with answering(store, f"Listing the versions of {name}"):
        found = client.search_model_versions(f"name = '{name}'")
    return sorted((_version(it) for it in found), key=lambda it: -it.number)


def waiting(store: ModelStore, key: str) -> str:
    """What a model had read when it was found that there are too few rows to train it; empty where it wasn't."""
    client, name = open_store(store), store.name(key)
    with answering(store, f"Looking up the experiment {name}"):
        found = client.get_experiment_by_name(name)
        return str(found.tags.get(WAITING, "")) if found else ""


def register(store: ModelStore, key: str, source: str, run_id: str, tags: Mapping[str, str]) -> Version:
    """A new version, with its tags, in one step of the registry's."""
    client, name = open_store(store), store.name(key)
    with answering(store, f"Registering a version of {name}"), locked(store, f"register-{name}"):
        if not _is_registered(client, name):
            client.create_registered_model(name)
        return _version(client.create_model_version(name, source, run_id, dict(tags), model_id=source.split("/")[-1]))


def tag(store: ModelStore, it: Version, name: str, value: str) -> None:
    """Note something with a version."""
    with answering(store, f"Tagging version {it.number} of {it.name}"):
        open_store(store).set_model_version_tag(it.name, str(it.number), name, value)


def set_alias(store: ModelStore, it: Version, alias: str) -> None:
    """Give a version an alias, which no other version has from then on."""
    with answering(store, f"Making version {it.number} of {it.name} the {alias}"):
        open_store(store).set_registered_model_alias(it.name, alias, str(it.number))


def drop_alias(store: ModelStore, key: str, alias: str) -> None:
    """Take an alias from whichever version has it."""
    with answering(store, f"Taking the alias {alias} from {store.name(key)}"):
        open_store(store).delete_registered_model_alias(store.name(key), alias)


def _is_registered(client: MlflowClient, name: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    return True


def _version(found: ModelVersion) -> Version:
    return Version(
        found.name, int(found.version), found.run_id or "", found.source or "",
        (found.creation_timestamp or 0) / 1000, dict(found.tags or {}),
    )  # fmt: skip
