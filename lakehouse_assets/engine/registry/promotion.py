"""Which version becomes the champion: by the gate, or by a person's word. One decides at a time."""

from __future__ import annotations

from collections.abc import Callable

from lakehouse_assets.engine.errors import UnknownVersion
from lakehouse_assets.engine.registry.store import ModelStore, locked
from lakehouse_assets.engine.registry.versions import (
    AGAINST,
    CHALLENGER,
    CHAMPION,
    DECIDED,
    PASSED,
    REPLACED,
    WHY,
    Version,
    aliases,
    drop_alias,
    set_alias,
    tag,
    version,
    versions,
)

Judge = Callable[[Version | None], tuple[bool, str]]


def decide(store: ModelStore, key: str, it: Version, judge: Judge | None = None) -> str:
    """Make a version the champion if it passed the gate, else the challenger; which of the two it's now.

    If another has become the champion since it was judged, `judge` holds it against that one. Without `judge` it's the
    challenger then, as nothing says which of them is better.
    """
    with locked(store, f"decide-{store.name(key)}"):
        now = aliases(store, key).get(CHAMPION)
        passed = it.tags.get(PASSED) == "true"
        if now != it.number and it.tags.get(AGAINST) != str(now or ""):
            passed, why = judge(version(store, key, now) if now else None) if judge else (False, _overtaken(now))
            tag(store, it, WHY, why)
            tag(store, it, AGAINST, str(now or ""))
            tag(store, it, PASSED, str(passed).lower())
        _appoint(store, key, it, now, passed)
        return CHAMPION if passed else CHALLENGER


def _overtaken(now: int | None) -> str:
    return f"version {now} became the champion before this one was judged against it; its training was killed"


def _appoint(store: ModelStore, key: str, it: Version, now: int | None, passed: bool) -> None:
    """The order matters where this is killed: a version is decided once all that follows from it is done."""
    if not passed:
        set_alias(store, it, CHALLENGER)
    elif now != it.number:
        tag(store, it, REPLACED, str(now or ""))
        set_alias(store, it, CHAMPION)
    if passed and aliases(store, key).get(CHALLENGER, it.number + 1) <= it.number:
        drop_alias(store, key, CHALLENGER)
    tag(store, it, DECIDED, CHAMPION if passed else CHALLENGER)


def undecided(store: ModelStore, key: str) -> list[Version]:
    """The versions whose training was killed before it was decided what becomes of them, the oldest first."""
    return [it for it in reversed(versions(store, key)) if PASSED in it.tags and DECIDED not in it.tags]


def promote(store: ModelStore, key: str, number: int, by: str) -> Version:
    """Make a version the champion by a person's word, whatever the gate said.

    Raises:
        RegistryUnavailable: there is no such version.
    """
    with locked(store, f"decide-{store.name(key)}"):
        it, now = version(store, key, number), aliases(store, key).get(CHAMPION)
        if now != number:
            tag(store, it, REPLACED, str(now or ""))
            tag(store, it, WHY, f"promoted by {by}, in place of version {now}" if now else f"promoted by {by}")
            set_alias(store, it, CHAMPION)
        if aliases(store, key).get(CHALLENGER) == number:
            drop_alias(store, key, CHALLENGER)
        tag(store, it, DECIDED, CHAMPION)
        return it


def rollback(store: ModelStore, key: str) -> tuple[Version, Version]:
    """Make the version the champion that the present one had replaced; the one from before, and the one of now.

    Raises:
        UnknownVersion: there is no champion, or it replaced none.
    """
    with locked(store, f"decide-{store.name(key)}"):
        now = aliases(store, key).get(CHAMPION)
        if now is None:
            raise UnknownVersion(f"Rolling back {key}: it has no champion; `lakehouse model list {key}` shows versions")
        before = version(store, key, now)
        replaced = before.tags.get(REPLACED)
        if not replaced:
            raise UnknownVersion(
                f"Rolling back {key}: version {now} replaced no other; `lakehouse model promote` takes any version"
            )
        to = version(store, key, int(replaced))
        set_alias(store, to, CHAMPION)
        return before, to
