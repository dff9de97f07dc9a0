"""What can go wrong, as one tree of classes; each message says what was being done, why it failed, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lakehouse_assets.engine.printable import printable


class LakehouseError(Exception):
    """Every error this project raises on purpose. `details` are lines that follow its message, indented.

    Its text is printable, as a message names files and values: one with a line end begins no line of its own.
    """

    def __init__(self, message: str = "", details: Sequence[str] = ()) -> None:
        self.details = tuple(details)
        super().__init__(message)

    def __str__(self) -> str:
        details = [f"  {printable(line.expandtabs(4))}" for line in self.details]
        return "\n".join([printable(super().__str__()), *details])


class DeclarationError(LakehouseError):
    """The declared tables don't fit together; `problems` lists everything found, not only the first."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        listed = [f"{i}. {p}" for i, p in enumerate(problems, 1)]
        super().__init__(f"{len(problems)} problem(s) in the declared tables:", listed)


class UnknownTable(LakehouseError):
    """A run was asked for of a table that isn't declared, or has a problem."""


class ContractError(LakehouseError):
    """What a table's function returned doesn't fit the columns it declares."""


class ExpectationFailed(LakehouseError):
    """A row broke an expectation declared with `fail`, so nothing was written.

    `row` has its values, or its text if that was cut.
    """

    def __init__(self, message: str, check: str, row: Mapping[str, Any] | str = "") -> None:
        self.check, self.row = check, row
        super().__init__(message)


class CheckFailed(LakehouseError):
    """A check of the whole table found violations in what was to take its place; nothing was written."""

    def __init__(self, message: str, check: str) -> None:
        self.check = check
        super().__init__(message)


class WriteFailed(LakehouseError):
    """Rows couldn't be computed or written; the message says why."""


class WouldLose(LakehouseError):
    """A rebuild would lose rows that can't be had again; nothing was written."""


class SourceError(LakehouseError):
    """Files could not be listed or read."""


class StreamUnavailable(LakehouseError):
    """A topic can't be read: no broker answers or lets us in, or what was to be read next isn't there.

    Or the registry that has the schemas of its messages can't be asked.
    """


class UnknownTopic(StreamUnavailable):
    """There is no topic of a name."""


class SinkError(LakehouseError):
    """The store of a sink can't be reached, or doesn't take what the table has."""


class MadeElsewhere(LakehouseError):
    """A run was asked for of a table that a task of Databricks makes, or a job of others, and no run of ours here."""


class UnreadableInput(LakehouseError):
    """What a run reads of another table, its changes or an older version, isn't there any more."""


class DamagedTable(LakehouseError):
    """The log of a Delta table can't be read, because it's damaged or has a feature that delta-rs doesn't know."""


class WriteConflict(LakehouseError):
    """Another run kept changing the same table."""


class FeatureError(LakehouseError):
    """Feature values can't be joined to rows, or looked up, as was asked."""


class SparkUnavailable(LakehouseError):
    """No Spark engine could be reached or started."""


class JobFailed(LakehouseError):
    """A job on Databricks ended otherwise than well, or without a report; the message has its page."""


class UnknownJob(LakehouseError):
    """A Databricks workspace has no job, or several, of the name that a declaration gives."""


class WorkspaceUnavailable(LakehouseError):
    """A Databricks workspace didn't answer for a long while, or refused what it was asked."""


class UnsafeFolder(LakehouseError):
    """A folder that the lakehouse trusts belongs to another user of the machine, or is open to all of them."""


class RegistryUnavailable(LakehouseError):
    """MLflow's tracking store or registry refused what it was asked, or didn't answer."""


class UnknownVersion(LakehouseError):
    """A version of a model was asked for that isn't there."""


class TrainingFailed(LakehouseError):
    """A model couldn't be trained, judged or kept; the champion is as it was."""


class TooFewRows(TrainingFailed):
    """There are too few rows to learn from or to judge by, or all of them have one label."""


class ScoringFailed(LakehouseError):
    """Rows couldn't be scored: a model can't be loaded, or lacks a column."""


class NotSent(LakehouseError):
    """A channel didn't take a message. `down` says that it takes no other either."""

    def __init__(self, message: str, *, down: bool = True) -> None:
        self.down = down
        super().__init__(message)


class SettingsError(LakehouseError):
    """A setting is missing or can't be understood."""


class Superseded(LakehouseError):
    """Another run committed to the table first; what was read for this one has to be planned anew."""
