"""Why Spark failed, in one line, whatever it hides the cause behind.

Spark Connect tells of a failed write no more than that it failed. The causes come with the error all the same, as the
messages in its stack trace.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lakehouse_assets.engine.lake.stores import remedy_of
from lakehouse_assets.private.pyspark import stack_of

if TYPE_CHECKING:
    from pyspark.errors import PySparkException

_CAUSE = re.compile(r"^Caused by: [\w.$]+: (.*?)(?=^\tat |^Caused by: |\Z)", re.S | re.M)
# What says that something failed, and not why.
_WRAPPERS = re.compile(
    r"(\([\w.$]+\) )?(\[(TASK_WRITE_FAILED|FAILED_EXECUTE_UDF)|Job aborted|Unable to close resource"
    r"|Exception thrown in awaitResult)"
)
_TARGET = re.compile(r"writing rows to (\S+)\. ")
_CONTEXT = re.compile(r"\s*== (?:SQL|DataFrame)[^\n]*==\n([^\n]*)(?: was called from\n([^\n]*))?.*", re.S)
# Spark's own advice, such as to switch its checks off for everybody.
_ADVICE = re.compile(r" (?:Correct the value|Use [`']try_|If necessary set|You can explicitly).*")
_TRACE = "Traceback (most recent call last):\n"
_LONGEST = 1500
# What an error is about → what to do.
_REMEDIES = {
    r"\[CAST_|\[CANNOT_PARSE": "use typed(…) for the column, which quarantines such rows with their text, or try_cast",
    r"\[DIVIDE_BY_ZERO": "use try_divide, or leave such rows out",
    r"OVERFLOW|OUT_OF_RANGE": "declare a wider type, or use a try_… function",
    r"DELTA_VIOLATE|DELTA_NOT_NULL": "add an expectation that drops such rows, or remove the constraint from the table",
    r"OutOfMemoryError|Java heap space": "give the engine more memory (LAKEHOUSE_SPARK_MEMORY), or make rows smaller",
    r"\[FAILED_READ_FILE|Checksum error|\.parquet does not exist": "if the file can't be brought back, rebuild the "
    "table that it's part of with `lakehouse run TABLE --full`",
}


def all_told(error: PySparkException) -> str:
    """The messages of an error and of its causes."""
    return "\n".join(_messages(error))


def cause_of(error: PySparkException) -> str:
    """Why a job failed, in one line: the value, the row, the file or the disk."""
    text = str(error)
    if _TRACE in text:
        return _of_python(text)
    messages = _messages(error)
    telling = [m for m in messages if not _WRAPPERS.match(m)] or messages[:1]
    first, last = _line(telling[0]), _line(telling[-1])
    cause = first if last in first else f"{first}: {last}"
    at = _TARGET.search(messages[0]) if remedy_of(cause) else None
    return f"{cause[:_LONGEST]} ({at[1]})" if at else cause[:_LONGEST]


def remedy_for(cause: str) -> str:
    """What to do about a cause."""
    known = next((remedy for pattern, remedy in _REMEDIES.items() if re.search(pattern, cause)), None)
    return known or remedy_of(cause) or "mend what it says, and run again"


def hides_its_cause(error: PySparkException) -> bool:
    """Whether an error says only that a write failed, as it does where the server tells of no causes."""
    return all(_WRAPPERS.match(message) for message in _messages(error))


def is_about_values(error: PySparkException) -> bool:
    """Whether an expression couldn't be computed for a row, which SQL calls a data exception."""
    return bool(re.search(r"SQLSTATE: (22|P0)", all_told(error)))


def _messages(error: PySparkException) -> list[str]:
    return [str(error).strip(), *(message.strip() for message in _CAUSE.findall(stack_of(error)))]


def _of_python(text: str) -> str:
    """The exception that a Python function raised: what follows the frames of its traceback."""
    lines = text.rsplit(_TRACE, 1)[1].splitlines()
    raised = next((i for i, line in enumerate(lines) if line and not line.startswith(" ")), 0)
    return f"a Python function raised {' '.join(' '.join(lines[raised:]).split())}"[:_LONGEST]


def _line(message: str) -> str:
    where = _CONTEXT.search(message)
    text = _ADVICE.sub("", " ".join(_CONTEXT.sub("", message).split()))
    plain = re.sub(r"^\([\w.$]+\) | SQLSTATE: \w+", "", text).rstrip(".")
    if where is None:
        return plain
    called = f" at {where[2].strip()}" if where[2] else ""
    return f"{plain} (in `{where[1].strip()}`{called})"
