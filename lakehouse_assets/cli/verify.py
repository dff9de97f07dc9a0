"""Holding a table against what it is made of: `lakehouse verify`, which tells what it compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_assets.cli.app import app, count, find
from lakehouse_assets.cli.look import Name
from lakehouse_assets.cli.terminal import tell
from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.spec.modes import Append, Replace
from lakehouse_assets.environment import open_context

if TYPE_CHECKING:
    from lakehouse_assets.engine.context import Context
    from lakehouse_assets.engine.run.verify import Arrived, Balance, Verified, Whole
    from lakehouse_assets.engine.spec.table import Table

RIGHT, WRONG = ("✓", "green"), ("✗", "red")


@app.command()
def verify(
    name: Name, groups: Annotated[int, typer.Option("--groups", "-n", min=1, help="how many to compare")] = 20
) -> None:
    """Hold a table against computing it from all it reads: its rows, or some of its groups or keys, and its sums."""
    from pyspark.errors import PySparkException

    context = open_context()
    table = find(context.lakehouse, name)
    try:
        right = _told(table, context, groups)
    except PySparkException as error:
        raise LakehouseError(f"Verifying {table.key}: {str(error).splitlines()[0]}") from error
    if not right:
        tell(f"`lakehouse run {table.key} --full` computes all of it anew.")
        raise typer.Exit(1)


def _told(table: Table, context: Context, groups: int) -> bool:
    """Whether the table is as it should be; tells what was compared."""
    from lakehouse_assets.engine.run.verify import count_arrivals, reconcile, verify, verify_whole

    if table.made_by:
        raise LakehouseError(
            f"Verifying {table.key}: {table.made_by} makes it, so it can't be computed here; its checks judge it"
        )
    if table.source:
        return _told_of_arrivals(table, count_arrivals(table, context))
    if isinstance(table.write, Replace):
        return _told_of_rows(table, verify_whole(table, context))
    right = isinstance(table.write, Append) or _told_of_groups(table, verify(table, context, groups))
    return right & (not table.takes_new_rows or _told_of_balance(table, reconcile(table, context)))


def _told_of_arrivals(table: Table, found: Arrived) -> bool:
    sign, mark = ("=", RIGHT) if found.adds_up else ("≠", WRONG)
    parts = f"{count(found.stored)} stored + {count(found.waiting)} in quarantine"
    tell(mark, f" {table.key}: {count(found.read)} rows of {count(found.files)} files {sign} {parts}")
    return found.adds_up


def _told_of_rows(table: Table, found: Whole) -> bool:
    right = not found.missing and not found.surplus
    said = "come out as they are stored" if right else "are stored otherwise than they come out"
    apart = "" if right else f": {found.missing} missing, {found.surplus} too many"
    tell(RIGHT if right else WRONG, f" all {count(found.rows)} rows of {table.key} {said}{apart}.")
    return right


def _told_of_groups(table: Table, found: Verified) -> bool:
    for group in found.differing:
        tell(WRONG, f" {dict(group)}")
    if found.differing:
        tell(f"{len(found.differing)} of {found.groups} in {table.key} are stored otherwise than they come out.")
    else:
        tell(RIGHT, f" {found.groups} groups or keys of {table.key} come out as they are stored.")
    return not found.differing


def _told_of_balance(table: Table, found: Balance) -> bool:
    parts = (
        f"{count(found.stored)} stored + {count(found.waiting)} in quarantine + {count(found.superseded)} superseded"
    )
    sign, mark = ("=", RIGHT) if found.adds_up else ("≠", WRONG)
    tell(mark, f" {table.key}: {count(found.made)} rows {sign} {parts}")
    return found.adds_up
