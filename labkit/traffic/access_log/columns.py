"""The columns of an access log: Istio's own, by the keys of its JSON encoding, and those of other formats."""

from __future__ import annotations

import pyarrow as pa

CATEGORY = pa.dictionary(pa.int32(), pa.string())
INTEGER = pa.int64()
TEXT = pa.string()
MOMENT = pa.timestamp("ns", tz="UTC")

FIELDS: dict[str, pa.DataType] = {
    "start_time": MOMENT,
    "method": CATEGORY,
    "path": CATEGORY,
    "protocol": CATEGORY,
    "response_code": INTEGER,
    "response_flags": CATEGORY,
    "response_code_details": CATEGORY,
    "connection_termination_details": CATEGORY,
    "upstream_transport_failure_reason": CATEGORY,
    "bytes_received": INTEGER,
    "bytes_sent": INTEGER,
    "duration": INTEGER,
    "upstream_service_time": INTEGER,
    "x_forwarded_for": CATEGORY,
    "user_agent": TEXT,
    "request_id": TEXT,
    "authority": CATEGORY,
    "upstream_host": CATEGORY,
    "upstream_cluster": CATEGORY,
    "upstream_local_address": TEXT,
    "downstream_local_address": CATEGORY,
    "downstream_remote_address": TEXT,
    "requested_server_name": CATEGORY,
    "route_name": CATEGORY,
}
"""Column → Arrow type. Categories where few values repeat; ``duration`` and service time in ms."""


def kind_of(name: str) -> pa.DataType:
    """The type of column *name*; what Istio's formats do not have is text."""
    return FIELDS.get(name, TEXT)


def schema(*more: str) -> pa.Schema:
    """Istio's columns, then *more*, each once."""
    names = dict.fromkeys((*FIELDS, *more))
    return pa.schema([(name, kind_of(name)) for name in names])


def without_mark(cluster: str) -> str:
    """An upstream cluster without the ``;`` that some versions of Istio end a statistics name with."""
    return cluster.removesuffix(";")
