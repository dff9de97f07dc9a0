"""The version that is served: the champion, looked for again and again and taken up beside the old one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lakehouse_assets.engine.registry.versions import CHAMPION
from lakehouse_assets.serve.models.attempt import Failed, attempt
from lakehouse_assets.serve.models.registry import Champion, Version

RETRY_SECONDS = 30.0  # until a version that couldn't be loaded is tried again: a disk or a network may be mended
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spoiled:
    """A version that couldn't be loaded, why, and when that was."""

    of: Version
    reason: str
    at: float


class Champions:
    """The champion of a model. `current` is replaced in one step: a request is answered by one version, whole."""

    def __init__(self, name: str, newest: Callable[[], Version | None], load: Callable[[Version], Champion]) -> None:
        self.name, self._newest, self._load = name, newest, load
        self.current: Champion | None = None
        self.spoiled: Spoiled | None = None
        self.warning = ""
        self._stopped = threading.Event()

    def look(self) -> None:
        """Ask the registry, and take up a version that is new; whatever goes wrong, the old one keeps serving."""
        found = attempt(self._newest)
        if isinstance(found, Failed):
            self._warn(f"the registry can't be asked: {found.reason}")
        elif found is None:
            self._warn(f"no version has the alias {CHAMPION!r}")
        elif self.current and found == self.current.of:
            self.spoiled = None
            self._warn("")
        elif self._may_try(found):
            self._take_up(found)

    def watch(self, seconds: float) -> Callable[[], None]:
        """Look every so many seconds, in a thread of its own, until the returned function is called."""

        def looking() -> None:
            while not self._stopped.wait(seconds):
                self.look()

        thread = threading.Thread(target=looking, name="champion", daemon=True)
        thread.start()
        return self._stopped.set

    def status(self) -> dict[str, Any]:
        """What is served, and what isn't and why."""
        now, spoiled = self.current, self.spoiled
        told: dict[str, Any] = {"name": self.name, "alias": CHAMPION, "refused": None, "warning": self.warning or None}
        if now:
            told |= {"version": now.of.version, "run_id": now.of.run_id, "loaded_at": _time(now.loaded_at)}
        if spoiled:
            told |= {"refused": {"version": spoiled.of.version, "reason": spoiled.reason, "at": _time(spoiled.at)}}
        return told

    def _may_try(self, found: Version) -> bool:
        last = self.spoiled
        return last is None or last.of != found or time.time() > last.at + RETRY_SECONDS

    def _take_up(self, found: Version) -> None:
        loaded = attempt(lambda: self._load(found))
        if isinstance(loaded, Failed):
            last, reason = self.spoiled, loaded.reason
            if last is None or (last.of, last.reason) != (found, reason):
                log.error("Version %s of %s isn't served: %s. %s", found.version, self.name, reason, self._kept())
            self.spoiled = Spoiled(found, reason, time.time())
            return
        self.current, self.spoiled, self.warning = loaded, None, ""
        log.info("Version %s of %s is served (run %s).", found.version, self.name, found.run_id)

    def _warn(self, text: str) -> None:
        if text and text != self.warning:
            log.warning("%s: %s. %s", self.name, text, self._kept())
        self.warning = text

    def _kept(self) -> str:
        return f"Version {self.current.of.version} is served." if self.current else "No version is served."


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
