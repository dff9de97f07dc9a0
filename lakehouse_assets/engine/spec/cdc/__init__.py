"""Change feeds of databases, as events that `merge` and `history` take: Debezium, Canal and Maxwell.

Each function takes bronze rows of such messages, as JSON files or a topic give them, and returns a row a change:

| column | meaning |
|---|---|
| those asked for | the row after the change, before it for a deletion; exact text, to be cast |
| `_deleted` | whether the change deletes the row |
| `_changed_at` | when the database made it, UTC; MySQL and its connectors tell when the statement began |
| `_position` | its place in the database's log, as a list of numbers; null if it isn't known |
| `_problem` | why the event can't be taken; null if it can |
| `_unavailable` | the columns whose value the change leaves alone and doesn't tell, as a list; null if it tells all |
| system columns of bronze | as they were |

so that a table says `merge(on="id", newest=["_changed_at", "_position"], delete_when="_deleted")`. `_position` is
compared before all other columns of `newest`. An event without one is rejected by the expectation `position_known`, and
its `_problem` in the quarantine says why. So are a message that isn't understood, an event without an image or a key,
and a table that was emptied (TRUNCATE), which is told of no key.

A value that an event doesn't tell (`_unavailable`) is the one that was there: that of the newest event before it, in
the order of the log, that tells it, in whatever order they arrive. Expectations that read its column don't judge the
event. Where no event before it tells the value, it's null, `_unavailable` keeps its name, and the check
`values_available` counts such rows: have the connector read the table once more (an incremental snapshot). Keep the
names and the values of such columns as they are, up to a cast: compute other columns of them in a table downstream.

A read of a snapshot stands where the snapshot was taken, below the changes at that place; one without a place stands
below all changes. A change that gives a row another key is two events, a deletion of the old key and the new row.
Tombstones, heartbeats, transactions' borders and messages about definitions are no events, and make no row.

No order can be had across a log that was numbered anew: after the logs of a server were reset, or a connector was moved
to another server, begin a new table.
"""

from lakehouse_assets.engine.spec.cdc.canal import canal
from lakehouse_assets.engine.spec.cdc.debezium import debezium
from lakehouse_assets.engine.spec.cdc.maxwell import maxwell

__all__ = ["canal", "debezium", "maxwell"]
