"""Messages in Avro: each read by the schema that it was written with, and null where it isn't what that says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

from lakehouse_assets.engine.sources.kafka.schema_registry import schemas_of

if TYPE_CHECKING:
    from pyspark.sql import Column

# What is put behind each message, and read behind it again: one that was cut, or goes on, has something else there.
_END = b"lakehouse_end\x00\x01\x02"


def avro(
    column: str | Column, schema: str | Mapping[str, Any] = "", *, subject: str = "", connection: str = ""
) -> Column:
    """What the bytes of messages in Avro say, by a `schema` or by those that a registry has under a `subject`.

    With a schema, the bytes are the message alone. With a subject, the number of its schema stands before it, as
    Confluent's serialisers write it. It's read by that version, and told as the newest version would have it.
    LAKEHOUSE_SCHEMA_REGISTRY says where the registry is, or LAKEHOUSE_SCHEMA_REGISTRY_NAME for the connection `name`.

    A message that isn't what its schema says, whose schema isn't one of the subject's, or that is followed by more
    bytes, is null.

    Raises:
        ValueError: there's neither a schema nor a subject, or both, or the schema is no JSON.
        SettingsError, StreamUnavailable: the registry can't be asked.
    """
    from pyspark.sql import functions as F

    if bool(schema) == bool(subject):
        raise ValueError("Avro is read by a schema, or by the schemas of a subject; name one of the two")
    message = F.col(column) if isinstance(column, str) else column
    if schema:
        told = schema if isinstance(schema, str) else json.dumps(schema)
        return _read(message, told, told)
    found = schemas_of(subject, connection)
    body, head = F.substr(message, F.lit(6)), F.substring(message, 1, 5)
    written = [(head == F.lit(b"\x00" + number.to_bytes(4, "big")), _read(body, by, found.newest))
               for number, by in found.by_number.items()]  # fmt: skip
    first, *others = written
    return reduce(lambda cases, case: cases.when(*case), others, F.when(*first))


def _read(body: Column, writer: str, reader: str) -> Column:
    from pyspark.sql import functions as F
    from pyspark.sql.avro.functions import from_avro

    options = {"mode": "PERMISSIVE", "avroSchema": _ended(reader)}
    read = from_avro(F.concat(body, F.lit(_END)), _ended(writer), options)
    # In a list of one, as its bytes would be read once for each use of it.
    whole = F.filter(F.array(read), lambda message: message["end"] == F.lit(_END))
    return F.get(whole, F.lit(0))["told"]


def _ended(schema: str) -> str:
    """The schema of a message and of what stands behind it.

    Raises:
        ValueError: it's no JSON.
    """
    end = {"type": "fixed", "name": "lakehouse_end", "size": len(_END)}
    fields = [{"name": "told", "type": json.loads(schema)}, {"name": "end", "type": end}]
    return json.dumps({"type": "record", "name": "lakehouse_message", "fields": fields})
