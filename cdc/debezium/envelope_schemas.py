"""The Connect schemas beside the payloads, for consumers that want them (schemas.enable=true). Pure."""

from __future__ import annotations

from typing import Any

import orjson

from cdc.debezium.envelope_rows import TableFacts
from cdc.debezium.envelope_types import Kind, ValueType
from cdc.messages import Relation

_TYPES = {
    Kind.INT16: "int16", Kind.INT32: "int32", Kind.INT64: "int64", Kind.FLOAT32: "float", Kind.FLOAT64: "double",
    Kind.BOOL: "boolean", Kind.BIT: "boolean", Kind.BYTES: "bytes", Kind.BITS: "bytes", Kind.OPAQUE: "bytes",
    Kind.DATE: "int32", Kind.TIME_US: "int64", Kind.TIMESTAMP_US: "int64",
}  # fmt: skip
"""All others are strings."""


def _field(type_: str, name: str, optional: bool, logical: str = "", **more: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"type": type_, "optional": optional}
    if logical:
        described |= {"name": logical, "version": 1}
    return {**described, **more, "field": name}


def _struct(name: str, fields: list[dict[str, Any]], optional: bool = False, **more: Any) -> dict[str, Any]:
    return {"type": "struct", "fields": fields, "optional": optional, "name": name, **more}


_SNAPSHOT = "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"
_SOURCE = _struct(
    "io.debezium.connector.postgresql.Source",
    [
        _field("string", "version", False), _field("string", "connector", False), _field("string", "name", False),
        _field("int64", "ts_ms", False),
        _field(
            "string", "snapshot", True, "io.debezium.data.Enum", parameters={"allowed": _SNAPSHOT}, default="false"
        ),
        _field("string", "db", False), _field("string", "sequence", True), _field("int64", "ts_us", True),
        _field("int64", "ts_ns", True), _field("string", "schema", False), _field("string", "table", False),
        _field("int64", "txId", True), _field("int64", "lsn", True), _field("int64", "xmin", True),
        _field("string", "origin", True), _field("int64", "origin_lsn", True),
    ],
    version=1, field="source",
)  # fmt: skip
_TRANSACTION = _struct(
    "event.block",
    [_field("string", "id", False), _field("int64", "total_order", False),
     _field("int64", "data_collection_order", False)],
    optional=True, version=1, field="transaction",
)  # fmt: skip
_TIMES = [_field("int64", "ts_ms", True), _field("int64", "ts_us", True), _field("int64", "ts_ns", True)]
_COLLECTION = _struct(
    "event.collection", [_field("string", "data_collection", False), _field("int64", "event_count", False)],
    optional=True, version=1,
)  # fmt: skip
BOUNDARY = orjson.dumps(
    _struct(
        "io.debezium.connector.common.TransactionMetadataValue",
        [_field("string", "status", False), _field("string", "id", False), _field("int64", "event_count", True),
         {"type": "array", "items": _COLLECTION, "optional": True, "field": "data_collections"},
         _field("int64", "ts_ms", False)],
        version=1,
    )
)  # fmt: skip
BOUNDARY_KEY = orjson.dumps(
    _struct(
        "io.debezium.connector.common.TransactionMetadataKey", [_field("string", "id", False)], version=1
    )
)  # fmt: skip
MESSAGE_KEY = orjson.dumps(
    _struct("io.debezium.connector.postgresql.MessageKey", [_field("string", "prefix", True)], version=1)
)


def message() -> bytes:
    """Of a logical message's envelope."""
    return _MESSAGE


_MESSAGE = orjson.dumps(
    _struct(
        "io.debezium.connector.postgresql.MessageValue",
        [_field("string", "op", False), *_TIMES, _SOURCE,
         _struct("io.debezium.connector.postgresql.Message",
                 [_field("string", "prefix", True), _field("bytes", "content", True)], True, version=1,
                 field="message"),
         _TRANSACTION],
        version=1,
    )
)  # fmt: skip


def with_schema(schema: bytes, payload: bytes) -> bytes:
    return b'{"schema":%b,"payload":%b}' % (schema, payload)


class Schemas:
    """Of one table, ready to be put in front of its payloads."""

    def __init__(self, name: str, relation: Relation, facts: TableFacts) -> None:
        columns = {
            column.name: _column(column.name, value, column.name not in facts.required)
            for column, value in zip(relation.columns, facts.types, strict=True)
        }
        rows = [
            _struct(f"{name}.Value", list(columns.values()), True, field=place) for place in ("before", "after")
        ]  # fmt: skip
        fields = [*rows, _SOURCE, _TRANSACTION, _field("string", "op", False), *_TIMES]
        self.envelope = orjson.dumps(_struct(f"{name}.Envelope", fields, version=2))
        self.key = orjson.dumps(_struct(f"{name}.Key", [columns[column] for column in facts.key]))


def _column(name: str, value: ValueType, optional: bool) -> dict[str, Any]:
    if value.is_array:
        element = _value(value) | {"optional": value.logical != "io.debezium.data.Enum"}
        return {"type": "array", "items": element, "optional": optional, "field": name}
    return {**_value(value), "optional": optional, "field": name}


def _value(value: ValueType) -> dict[str, Any]:
    described: dict[str, Any] = {"type": _TYPES.get(value.kind, "string")}
    if value.logical:
        described |= {"name": value.logical, "version": 1}
    if value.parameters:
        described["parameters"] = dict(value.parameters)
    if value.kind is Kind.POINT:
        point = [_field("double", "x", False), _field("double", "y", False), _field("bytes", "wkb", True),
                 _field("int32", "srid", True)]  # fmt: skip
        described |= {"type": "struct", "fields": point, "doc": "Geometry (POINT)"}
    return described
