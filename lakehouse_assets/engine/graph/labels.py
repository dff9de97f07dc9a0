"""Names, owners, schedules and tags, which Dagster would refuse, and with one of them all that is declared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from lakehouse_assets.engine.spec.asset import Domain
from lakehouse_assets.engine.spec.models.model import Model
from lakehouse_assets.engine.spec.sinks.sink import Sink
from lakehouse_assets.engine.spec.table import Table

NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_OWNER = re.compile(r"team:[\w\-. ]+|[^@\s]+@[^@\s]+\.[^@\s]+")
_CRON = re.compile(r"@\w+|\s*[\d*/,\-]+(\s+[\w*/,\-#?]+){4}\s*")
_TAG = re.compile(r"([\w\-.]{1,63}/)?[\w\-.]{1,63}", re.ASCII)
_TAG_VALUE = re.compile(r"[\w\-.]{0,63}", re.ASCII)
_SHORTEST = timedelta(minutes=1)


def file_problems(asset: Model | Sink, folder: str, domain: Domain | None) -> Iterator[str]:
    """What is wrong with the file of an asset that has a folder of its own, and with its labels."""
    if domain is None:
        yield f"its domain has no Domain; add one to {asset.domain}/__init__.py"
    if asset.file.parent.name != folder:
        kind = type(asset).__name__.lower()
        yield f"is a {kind} in the folder {asset.file.parent.name!r}; move the file to {asset.domain}/{folder}"
    if not asset.doc:
        yield "has no docstring, which is its description in the UI; write one"
    yield from label_problems(asset, domain)


def label_problems(table: Table | Model | Sink, domain: Domain | None) -> Iterator[str]:
    """What is wrong with how a table, a model or a sink is named, owned, scheduled and tagged."""
    for name in [n for n in (table.domain, table.name) if not NAME.fullmatch(n)]:
        yield f"{name!r} can't be a name; use letters, digits and underscores"
    for key, value in table.tags.items():
        if not (_TAG.fullmatch(key) and _TAG_VALUE.fullmatch(value)):
            yield f"tag {key!r}: {value!r} has other signs than letters, digits, _ - and .; take them out"
    if domain is None:
        return
    if not _OWNER.fullmatch(table.owner or domain.owner):
        yield f"its owner is {table.owner or domain.owner!r}; use an e-mail address, or team:NAME"
    if not _CRON.fullmatch(domain.schedule):
        yield f"its domain's schedule is {domain.schedule!r}; use a cron line, as in '0 6 * * *'"
    if (table.freshness or domain.freshness) < _SHORTEST:
        yield f"its freshness is {table.freshness or domain.freshness}; a minute is the shortest that can be watched"
