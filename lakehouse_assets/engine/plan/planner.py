"""Decides, from the logs alone, what a run would do to a table, how, and why. Nothing here starts a JVM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lakehouse_assets.engine.errors import LakehouseError
from lakehouse_assets.engine.graph.discover import Asset, Lakehouse
from lakehouse_assets.engine.lake import state
from lakehouse_assets.engine.lake.by_hand import changed_by_hand
from lakehouse_assets.engine.lake.delta_commits import Commit
from lakehouse_assets.engine.lake.delta_log import TableLog
from lakehouse_assets.engine.lake.places import Lake
from lakehouse_assets.engine.plan.models import ModelPlan, foreseen, plan_model
from lakehouse_assets.engine.plan.plan import Logs, Plan, Read, Strategy
from lakehouse_assets.engine.plan.sinks import SinkPlan, plan_sink, sink_foreseen
from lakehouse_assets.engine.registry.versions import champion as champion_of
from lakehouse_assets.engine.registry.versions import position_of
from lakehouse_assets.engine.scoring.batch import bound
from lakehouse_assets.engine.sources.arrivals.downloads import downloaded, unset
from lakehouse_assets.engine.spec.inputs import Files, Http, Topic
from lakehouse_assets.engine.spec.models.model import Model
from lakehouse_assets.engine.spec.models.score import Score
from lakehouse_assets.engine.spec.modes import Append, History, Merge, Refresh, Replace
from lakehouse_assets.engine.spec.sinks.sink import Sink
from lakehouse_assets.engine.spec.table import Table

AnyPlan = Plan | ModelPlan | SinkPlan


def plan_all(lakehouse: Lakehouse, lake: Lake, keys: Iterable[str], full: bool = False) -> list[AnyPlan]:
    """A plan for each of some assets, as one run over all of them would find it: changes upstream are foreseen."""
    logs, chosen = Logs(lake), set(keys)
    plans: dict[str, AnyPlan] = {}
    for key, asset in lakehouse.assets.items():
        if key not in chosen:
            continue
        plan = _plan_or_tell(asset, lakehouse, logs, full)
        moving = [plans[k] for k in lakehouse.reads(key) if k in plans]
        moving = [p for p in moving if p.strategy not in ("nothing", "refused")]
        plans[key] = _foresee(plan, moving, logs) if moving else plan
    return list(plans.values())


def _plan_or_tell(asset: Asset, lakehouse: Lakehouse, logs: Logs, full: bool) -> AnyPlan:
    """The plan; where the asset, or one that it reads, can't be looked at, it says so, and the others go on."""
    try:
        if isinstance(asset, Model):
            return plan_model(asset, lakehouse, logs, logs.lake.registry, full)
        if isinstance(asset, Sink):
            return plan_sink(asset, lakehouse, logs.lake, full)
        return plan_table(asset, lakehouse, logs, full)
    except LakehouseError as error:
        if isinstance(asset, Sink):
            return SinkPlan(asset, "refused", str(error))
        refused = ModelPlan if isinstance(asset, Model) else Plan
        return refused(asset, "refused", str(error))  # type: ignore[arg-type]


def _foresee(plan: AnyPlan, moving: Sequence[AnyPlan], logs: Logs) -> AnyPlan:
    """The plan once the upstreams in this run, of which these are moving, have done their part."""
    if isinstance(plan, ModelPlan):
        return foreseen(plan, ", ".join(_short(p) for p in moving))
    if isinstance(plan, SinkPlan):
        return sink_foreseen(plan, ", ".join(_short(p) for p in moving))
    if plan.table.external or plan.strategy in ("full", "refused"):
        return plan
    names = ", ".join(map(_short, moving))
    if plan.table.task:
        return Plan(plan.table, "task", f"{plan.table.made_by} is run after {names}")
    if logs.table(plan.table.key) is None:
        return Plan(plan.table, "full", f"first build, after {names}")
    if trained := [p for p in moving if isinstance(p, ModelPlan)]:
        return replace(plan, reason=f"{_short(trained[0])} is trained; another champion scores all rows anew")
    rebuilt = [p for p in moving if p.strategy == "full"]
    if isinstance(plan.table.write, Replace) or rebuilt:
        return Plan(plan.table, "full", f"{names} will change")
    if isinstance(plan.table.write, Refresh):
        return Plan(plan.table, "refresh", f"{names} will have new rows, which say what groups")
    return Plan(plan.table, _strategy(plan.table), f"{names} will have new rows")


def _short(plan: AnyPlan) -> str:
    return plan.key.partition(".")[2]


def plan_table(table: Table, lakehouse: Lakehouse, logs: Logs, full: bool = False) -> Plan:
    """A plan for one table against its upstreams as they stand."""
    if table.source is not None:
        return _plan_source(table, table.source, logs, full)
    if table.topic is not None:
        return _plan_topic(table, table.topic, logs)
    if table.external:
        return Plan(table, "nothing", f"{table.made_by} makes it, which others own and start")
    missing = [key for key in lakehouse.upstreams(table).values() if logs.table(key) is None]
    if missing:
        return Plan(table, "nothing", f"{', '.join(missing)} not built yet")
    if table.task:
        return Plan(table, "task", f"{table.made_by} knows what is new")
    if table.score:
        return _plan_scores(table, table.score, lakehouse, logs, full)
    return _plan_reads(table, lakehouse, logs, full)


def _plan_scores(table: Table, score: Score, lakehouse: Lakehouse, logs: Logs, full: bool) -> Plan:
    """A version of the model is a position like any other: another champion than before scores all rows anew."""
    champion = champion_of(logs.lake.registry, score.key)
    if champion is None:
        return Plan(table, "nothing", f"{score.key} has no champion yet")
    plan = _plan_reads(table, lakehouse, logs, full)
    before = _last_run(table, logs).get("read", {}).get(score.key)
    if plan.strategy != "full" and before != position_of(champion):
        past = f", not {before['to']}" if before else ""
        why = f"version {champion.number} of {score.key} is the champion now{past}"
        run = _next_run(table, logs.table(table.key), logs)
        plan = Plan(table, "full", why, run, _whole_reads(table, lakehouse, logs))
    return replace(plan, champion=champion, table=bound(table, champion, logs.lake.registry, plan.run))


def _plan_source(table: Table, source: Files, logs: Logs, full: bool) -> Plan:
    from lakehouse_assets.engine.plan.undone import find_undone
    from lakehouse_assets.engine.sources.arrivals.ledger import Ledger
    from lakehouse_assets.engine.sources.arrivals.listing import list_arrivals

    state = Ledger(logs.lake.arrivals(table.key), logs.lake.storage).state()
    unfinished = state.open_batch()
    if unfinished:
        number, files = unfinished
        return Plan(table, "append", f"batch {number} was planned and not finished", files=len(files))
    landing, known = logs.lake.landing_folder(table.domain), frozenset() if full else state.settled()
    found = len(list_arrivals(source, landing, known))
    if full:
        return Plan(table, "full", f"a full refresh was asked for; {found} files", files=found)
    undone = find_undone(table, logs.lake)
    if undone.refused or undone.again or undone.back:
        strategy: Strategy = "refused" if undone.refused else "append"
        return Plan(table, strategy, undone.refused or undone.reason or "forgotten rows are back", files=found)
    by = downloaded(source, logs.lake)
    if by and not unset(by):
        return Plan(table, "append", f"{found} new files, and its addresses are asked for more", files=found)
    if not found:
        return Plan(table, "nothing", _nothing_new(by))
    return Plan(table, "append", f"{found} new files", files=found)


def _plan_topic(table: Table, topic: Topic, logs: Logs) -> Plan:
    from lakehouse_assets.engine.sources.kafka.connection import unset
    from lakehouse_assets.engine.sources.kafka.position import lag, require_there
    from lakehouse_assets.engine.sources.kafka.topic import standing, total

    if off := unset(topic.connection):
        return Plan(table, "nothing", f"{off} isn't set, so nothing is read")
    log, now = logs.table(table.key), standing(topic)
    require_there(table, log, now)
    waiting = total(lag(table, log, now).values())
    if not waiting and log is not None:
        return Plan(table, "nothing", "no new messages")
    return Plan(table, "append", f"{waiting:,} new messages")


def _nothing_new(by: Http | None) -> str:
    off = unset(by) if by else []
    return f"no new files; {', '.join(off)} isn't set, so nothing is downloaded" if off else "no new files"


def _plan_reads(table: Table, lakehouse: Lakehouse, logs: Logs, full: bool) -> Plan:
    own = logs.table(table.key)
    run = _next_run(table, own, logs)
    whole = _whole_reads(table, lakehouse, logs)
    why_full = "a full refresh was asked for" if full else _why_full(table, own, whole, logs)
    if why_full:
        return Plan(table, "full", why_full, run, whole, forgot=_forgotten(own, whole, logs))
    consumed = _last_run(table, logs)["read"]
    if isinstance(table.write, Replace | Refresh):
        return _plan_replace(table, whole, consumed, logs, run)
    return _plan_changes(table, whole, consumed, logs, run)


def _whole_reads(table: Table, lakehouse: Lakehouse, logs: Logs) -> dict[str, Read]:
    reads = {}
    for parameter, key in lakehouse.upstreams(table).items():
        log = logs.table(key)
        assert log is not None  # noqa: S101  (plan_table looked)
        reads[parameter] = Read(key, logs.lake.table(key), log.id, log.version, table.upstreams[parameter])
    return reads


def _next_run(table: Table, own: TableLog | None, logs: Logs) -> int:
    """The next of the table's run numbers. One that was dropped goes on where its quarantine and state have come to:
    under a number that they have seen, Delta would skip what is written to them.
    """
    kept = [own] if own else [logs.quarantine(table.key), logs.state(table.key)]
    return 1 + max((log.transaction(table.key) for log in kept if log), default=0)


def _why_full(table: Table, own: TableLog | None, whole: Mapping[str, Read], logs: Logs) -> str | None:
    """Why nothing less than the whole table will do; None if less will."""
    if own is None:
        return "first build"
    kept, known = logs.quarantine(table.key), logs.state(table.key)
    if hand := changed_by_hand(table, own, kept, known) if logs.by_hand else None:
        return hand
    if own.last_run is None or own.last_run.run is None:
        return "the log no longer says what was read"
    if own.last_run.run.get("mode") != table.mode:
        before = own.last_run.run.get("mode")
        return f"it was written as {before} before, and is {table.mode} now" if before else "an older version wrote it"
    if state.lost(own, logs.state(table.key)):
        return "what it remembered of events and deletions is gone"
    consumed = own.last_run.run["read"]
    for read in whole.values():
        seen = consumed.get(read.key)
        if seen is None or seen["id"] != read.id or seen["to"] > read.to:
            return f"{read.key} is not the table that was read before"
        if isinstance(table.write, Refresh) or not (isinstance(table.write, Replace) or read.lookup):
            why = _why_not_changes(table, read, seen["to"], logs)
            if why:
                return why
    return None


def _why_not_changes(table: Table, read: Read, after: int, logs: Logs) -> str | None:
    key, log = read.key, logs.table(read.key)
    commits = log.since(after) if log else None
    if commits is None:
        return f"the log of {key} no longer reaches back to version {after}"
    if isinstance(table.write, Refresh):
        anew = next((c for c in commits if c.replaces_all), None)
        return f"{key} was {'restored' if anew.restores else 'rebuilt'} at version {anew.version}" if anew else None
    allowed = "only_adds" if isinstance(table.write, Append) or read.upstream.snapshot_on else "keeps_rows"
    bad = [c for c in commits if not getattr(c, allowed)]
    forgot = next((c for c in bad if c.forgot), None)
    if forgot:
        return f"{key} has forgotten {forgot.forgot[0]}{_and_more(forgot.forgot)}, at version {forgot.version}"
    if bad:
        what = f"{bad[0].operation} {bad[0].mode}".strip().lower()
        return f"{key} was changed by more than new rows ({what} at version {bad[0].version})"
    return None


def _and_more(files: tuple[str, ...]) -> str:
    return f" and {len(files) - 1} more" if files[1:] else ""


def _forgotten(own: TableLog | None, whole: Mapping[str, Read], logs: Logs) -> tuple[str, ...]:
    """The files that were forgotten upstream since the last run; none if rows were removed in any other way as well.

    A rebuild upstream has proven by itself that it loses nothing.
    """
    consumed = own.last_run.run["read"] if own and own.last_run and own.last_run.run else {}
    since = list[Commit]()
    for read in whole.values():
        log = logs.table(read.key)
        since += (log.since(consumed[read.key]["to"]) or []) if log and read.key in consumed else []
    removing = [c for c in since if not (c.keeps_rows or c.forgot or c.rebuilds)]
    return () if removing else tuple(dict.fromkeys(name for c in since for name in c.forgot))


def _plan_replace(
    table: Table, whole: Mapping[str, Read], consumed: Mapping[str, Mapping[str, int]], logs: Logs, run: int
) -> Plan:
    moved = list(dict.fromkeys(r.key for r in whole.values() if _changed(logs, r.key, consumed[r.key]["to"])))
    last = _last_run(table, logs)
    if last.get("code") != table.code_version:
        return Plan(table, "full", "the declaration changed", run, whole)
    if not moved:
        return Plan(table, "nothing", "no upstream changed")
    if not isinstance(table.write, Refresh):
        return Plan(table, "full", f"{', '.join(moved)} changed", run, whole)
    lost = {key: why for key in moved if isinstance(why := last.get("routes", {}).get(key), str)}
    if lost:
        return Plan(table, "full", "; ".join(f"{key} changed, and {why}" for key, why in lost.items()), run, whole)
    # Where no row changed, nothing is left to read: a version more was upkeep.
    reads = {p: replace(r, after=consumed[r.key]["to"] if r.key in moved else r.to) for p, r in whole.items()}
    return Plan(table, "refresh", "; ".join(_versions(r) for r in reads.values() if r.key in moved), run, reads)


def _plan_changes(
    table: Table, whole: Mapping[str, Read], consumed: Mapping[str, Mapping[str, int]], logs: Logs, run: int
) -> Plan:
    reads, news = {}, []
    for parameter, read in whole.items():
        after = None if read.lookup else consumed[read.key]["to"]
        reads[parameter] = replace(read, after=after)
        if after is not None and _changed(logs, read.key, after):
            news.append(_versions(reads[parameter]))
    if not news:
        return Plan(table, "nothing", "no new rows upstream" + _stale(table, logs))
    return Plan(table, _strategy(table), "; ".join(news) + _stale(table, logs), run, reads)


def _versions(read: Read) -> str:
    return f"{read.key} has versions {(read.after or 0) + 1} to {read.to}"


def _stale(table: Table, logs: Logs) -> str:
    same = _last_run(table, logs).get("code") == table.code_version
    return "" if same else "; the declaration changed, older rows keep what they have until --full"


def _last_run(table: Table, logs: Logs) -> Mapping[str, Any]:
    """What the table's last run wrote about itself."""
    own = logs.table(table.key)
    return (own.last_run.run if own and own.last_run else None) or {}


def _changed(logs: Logs, key: str, after: int) -> bool:
    log = logs.table(key)
    return log is not None and log.last_change > after


def _strategy(table: Table) -> Strategy:
    return "merge" if isinstance(table.write, Merge | History) else "append"
