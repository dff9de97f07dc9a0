"""Commands that do something: run, sql, verify, replay, retry, forget, land, dev."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_assets.cli.app import (
    NotFound,
    app,
    complain,
    count,
    find,
    module_of,
    select_assets,
)
from lakehouse_assets.cli.home import enter_home
from lakehouse_assets.cli.look import Full, Name, Names, Rows, print_rows
from lakehouse_assets.cli.ready import (
    NotApplicable,
    landing_folder,
    refuse_external,
    refuse_left_out,
    refuse_loss_without_rebuild,
    require_engine,
    require_rejected_rows,
    require_writable,
)
from lakehouse_assets.cli.terminal import tell
from lakehouse_assets.environment import open_lake, open_lakehouse
from lakehouse_assets.settings import Settings, read_settings

if TYPE_CHECKING:
    from lakehouse_assets.engine.graph.discover import Lakehouse


@app.command()
def run(
    names: Names = None,
    full: Full = False,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="though rows or versions go, or a dump was held back")
    ] = False,
    downstream: Annotated[bool, typer.Option("--downstream", help="and everything that reads them")] = False,
) -> None:
    """Bring tables, models and sinks up to date, through Dagster: the run is in the UI like any other."""
    lakehouse = open_lakehouse()
    complain(lakehouse)
    refuse_external(names or [], lakehouse)
    keys = [key for key in select_assets(lakehouse, names or [], downstream) if key in lakehouse.worked_on]
    tables = [lakehouse.tables[key] for key in keys if key in lakehouse.tables]
    refuse_loss_without_rebuild(tables, full, accept_loss)
    _bring_up_to_date(keys, lakehouse, full, accept_loss)
    refuse_left_out(names or [], lakehouse)


def _bring_up_to_date(keys: Sequence[str], lakehouse: Lakehouse, full: bool, accept_loss: bool) -> None:
    """Run what there is to do for the tables, and the others of their domains. Exit code 1 if it didn't go well."""
    from lakehouse_assets.cli.alerts import tell_of_alerts
    from lakehouse_assets.engine.feature_store.bring_online import bring_online
    from lakehouse_assets.engine.lake.delta_log import read_log
    from lakehouse_assets.engine.plan.planner import plan_all

    start, settings, lake = time.monotonic(), read_settings(), open_lake(lakehouse)
    moving = [p for p in plan_all(lakehouse, lake, keys, full) if p.strategy != "nothing"]
    if not moving:
        for table in [lakehouse.tables[key] for key in keys if key in lakehouse.tables]:
            bring_online(table, lake)  # of a run that was killed before it came to that
            tell_of_alerts(table, lakehouse, lake)  # likewise
        keys = [key for key in keys if key in lakehouse.tables] or keys
        waiting = [key for key in keys if key in lakehouse.tables and read_log(lake.table(key)) is None]
        _tell_nothing_new(len(keys) - len(waiting), len(waiting), time.monotonic() - start)
        return
    domains = {p.key.split(".")[0] for p in moving}
    keys = [key for key in keys if key.split(".")[0] in domains]
    kinds = {"tables": lakehouse.tables, "models": lakehouse.models, "sinks": lakehouse.sinks}
    what = " and ".join(kind for kind, there in kinds.items() if there.keys() & {*keys})
    tell(f"{len(moving)} of {len(keys)} {what} have something to do.")
    launch_run(keys, lakehouse, settings, full_refresh=full, accept_loss=accept_loss)
    tell()
    tell(f"The lake is at {settings.lake}. `make dev` opens the UI; `lakehouse tables` lists the tables.")


def launch_run(keys: Sequence[str], lakehouse: Lakehouse, settings: Settings, **options: bool | str | int) -> None:
    require_writable("the lake", settings.lake)
    require_engine(settings)
    from lakehouse_assets.cli.launch import launch  # which loads Dagster

    if not launch(keys, lakehouse, **options):
        raise typer.Exit(1)


def _tell_nothing_new(built: int, waiting: int, seconds: float) -> None:
    """Tell how the tables are of which none has anything to do. Exit code 1 if none of them is even built."""
    if built or not waiting:
        tell(f"Nothing new: {built} tables are up to date ({seconds:.1f} s).")
    if waiting:
        tell((f"{waiting} were never built", "yellow"), "; `lakehouse plan` says what they wait for.")
    if waiting and not built:
        tell(("Nothing could run", "yellow"), ": what they read isn't there yet.")
        raise typer.Exit(1)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="a SELECT; tables as layer.name or domain.layer.name")], rows: Rows = 50
) -> None:
    """Run a query on the warm engine and print its first rows."""
    from lakehouse_assets.engine.query.sql_names import answer, located
    from lakehouse_assets.resources.spark import SparkResource

    lakehouse = open_lakehouse()
    read = located(query, lakehouse, open_lake(lakehouse))
    found = answer(read, SparkResource.from_settings(read_settings(), lakehouse.elsewhere).session(), rows + 1)
    print_rows(found.slice(0, rows))
    if found.num_rows > rows:
        tell((f"the first {rows}; more with --rows", "dim"))


@app.command()
def replay(name: Name) -> None:
    """Judge the rows in a table's quarantine again, by its expectations of now; those that pass go into the table."""
    lakehouse = open_lakehouse()
    table = find(lakehouse, name)
    if not require_rejected_rows(table, open_lake(lakehouse)):
        tell(f"No row of {table.key} is in quarantine, so there is none to judge again.")
        return
    launch_run([table.key], lakehouse, read_settings(), replay=True)
    tell(f"`lakehouse quarantine {name}` shows what is left; `lakehouse run` brings the rest downstream.")


@app.command()
def retry(name: Name, file: Annotated[str, typer.Argument(help="as `lakehouse files TABLE` has it")]) -> None:
    """Let a file that failed, or was forgotten, be read again by the next run."""
    from lakehouse_assets.engine.sources.arrivals.ledger import Ledger

    lakehouse = open_lakehouse()
    lake, table = open_lake(lakehouse), find(lakehouse, name)
    if table.source is None:
        raise NotFound(f"{table.key} reads tables, not files")
    versions = Ledger(lake.arrivals(table.key), lake.storage).retry(file)
    tell(f"{file}: {count(versions)} version(s) will be read again by the next run of {table.key}.")


@app.command()
def forget(
    name: Name,
    file: Annotated[str, typer.Argument(help="as `lakehouse files TABLE` has it")],
    reason: Annotated[str, typer.Option("--reason", help="why, kept in the ledger and the table's history")] = "",
) -> None:
    """Take the rows of a file out of the table that read it; `lakehouse run` brings that downstream."""
    lakehouse = open_lakehouse()
    refuse_external([name], lakehouse)
    launch_run([find(lakehouse, name).key], lakehouse, read_settings(), forget=file, reason=reason)
    tell(
        "`lakehouse plan` says what follows from that, and `lakehouse run` does it. A file of that name that lands now "
        f"is read; `lakehouse retry {name} FILE` brings this one back.",
    )


@app.command()
def land(
    domain: Annotated[str, typer.Argument(help="airlines, ecommerce, finance, iot, or one of yours with a feed.py")] = (
        "airlines"
    ),
    given: Annotated[
        Path | None, typer.Option("--from", help="a folder with the domain's files, if it may bring none itself")
    ] = None,
) -> None:
    """Put the sample feed of a domain into its landing folder, as a feed would deliver it."""
    settings = read_settings()
    feed = module_of(domain, "feed", settings.domains, open_lakehouse())
    folder = landing_folder(domain, settings)
    if given and not hasattr(feed, "land_from"):
        raise NotApplicable(f"The domain {domain} brings its own files; leave out --from")
    written = feed.land_from(folder, given) if hasattr(feed, "land_from") else feed.land(folder)
    tell(f"{count(written)} new files landed in {folder}.")


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="port of the web UI, on loopback")] = 3000,
    mlflow: Annotated[int | None, typer.Option(metavar="PORT", help="serve MLflow's UI there too")] = None,
) -> None:
    """Dagster's web UI behind a guard, with its daemon and code server; Ctrl-C stops them all."""
    from lakehouse_assets.engine.registry.store import where_mlflow_is
    from lakehouse_assets.serve import serve

    models = read_settings().models
    if mlflow is None:
        tell(where_mlflow_is(models))
    elif not models.is_database:
        raise NotApplicable(f"Serving MLflow's UI: {where_mlflow_is(models)}; leave --mlflow out")
    enter_home()
    raise typer.Exit(serve(port, mlflow=mlflow))
