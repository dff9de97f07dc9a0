"""What can be wrong with the alerts of a table, and with the channel that a domain tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from lakehouse_assets.engine.graph.labels import NAME
from lakehouse_assets.engine.graph.table_problems import where
from lakehouse_assets.engine.spec.alerts import Alert
from lakehouse_assets.engine.spec.asset import Domain
from lakehouse_assets.engine.spec.modes import VALIDITY, History
from lakehouse_assets.engine.spec.table import Table


def alert_problems(table: Table, domains: Mapping[str, Domain], _tables: Mapping[str, Table]) -> Iterator[str]:
    """Each problem with its file and line, and with what to do."""
    domain = domains.get(table.domain)
    if domain and domain.notify and not NAME.fullmatch(domain.notify):
        yield f"{where(table)}: its domain notifies {domain.notify!r}; name a channel by letters, digits and _"
    yield from (f"{where(table)}: {problem}" for problem in _problems(table))


def _problems(table: Table) -> Iterator[str]:
    if table.alerts and not table.keys:
        yield "has alerts, and no key that tells whose they are; declare one by Column(…, key=True)"
    for name in [name for name, times in Counter(it.name for it in table.alerts).items() if times > 1]:
        yield f"two alerts are called {name!r}; give one of them name=…"
    for alert in table.alerts:
        for name in [n for n in (alert.name, alert.to) if not NAME.fullmatch(n)]:
            yield f"an alert is called, or told to, {name!r}; use letters, digits and _"
        yield from _column_problems(table, alert)


def _column_problems(table: Table, alert: Alert) -> Iterator[str]:
    own = [*(c.name for c in table.columns), *(VALIDITY if isinstance(table.write, History) else ())]
    read = _columns_of(alert.condition)
    if read is None:
        yield f"the condition of its alert {alert.name!r} is no SQL condition: {alert.condition!r}; mend it"
    lower = {name.lower() for name in own}
    unknown = [n for n in read or () if n.lower() not in lower] + [n for n in alert.columns if n not in own]
    for name in [name for name in dict.fromkeys(unknown) if not name.startswith("_")]:
        near = get_close_matches(name, own, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "; declare it"
        yield f"its alert {alert.name!r} is about {name!r}, which isn't among its columns{hint}"


def _columns_of(condition: str) -> list[str] | None:
    """The columns that a condition reads; None if it can't be understood."""
    import sqlglot  # which takes a tenth of a second, and is for those that have alerts
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        trees = sqlglot.parse(condition, dialect="spark")
    except (SqlglotError, RecursionError):
        return None
    if len(trees) != 1 or trees[0] is None or not isinstance(trees[0], exp.Condition):
        return None
    return [column.parts[0].name for column in trees[0].find_all(exp.Column)]
