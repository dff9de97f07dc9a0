"""Connections by name: a variable of the environment says where a store is, and nothing in a domain file does."""

from __future__ import annotations

import os
import re


def variable_of(store: str, name: str) -> str:
    """The variable that says where the connection of a name is, or the one without: `LAKEHOUSE_KAFKA_OPS`."""
    return f"LAKEHOUSE_{store}_{re.sub(r'[^A-Z0-9]', '_', name.upper())}" if name else f"LAKEHOUSE_{store}"


def value_of(variable: str) -> str:
    """What a variable says; empty if it isn't set."""
    return os.environ.get(variable, "").strip()
