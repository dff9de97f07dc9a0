"""Lock files pin what they name by its digest, and say nothing of where it comes from."""

from __future__ import annotations

import json
import re

import pytest

from lakehouse_assets.settings import PROJECT

LOCKS = (
    "requirements.lock", "lakehouse_assets_tests/servers/azurite_packages/package-lock.json",
    *(f"lakehouse_assets/resources/{name}" for name in ("jars.lock", "jars_azure.lock", "jars_kafka.lock")),
)  # fmt: skip


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_has_no_address(lock: str) -> None:
    assert re.findall("https?://.*", (PROJECT / lock).read_text()) == []


def test_every_package_of_every_lock_has_its_digest() -> None:
    packages = json.loads((PROJECT / LOCKS[1]).read_text())["packages"]
    assert [name for name, told in packages.items() if name and "integrity" not in told] == []
    pins = re.findall(r"^[\w.\[\]-]+==.*(?:\n .*)*", (PROJECT / LOCKS[0]).read_text(), re.MULTILINE)
    assert pins
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []
    jars = [line for lock in LOCKS[2:] for line in (PROJECT / lock).read_text().splitlines()]
    assert [j for j in jars if j.strip() and not j.startswith("#") and not re.search("sha256:[0-9a-f]{64}$", j)] == []
