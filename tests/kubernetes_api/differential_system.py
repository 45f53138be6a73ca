"""Requests about what a cluster keeps of itself, for both servers: storage drivers, addresses, priorities."""

from typing import Any

from .differential_requests import MERGE, NETWORKING, NS, TABLE, Request

STORAGE, FLOWS = "/apis/storage.k8s.io/v1", "/apis/flowcontrol.apiserver.k8s.io/v1"
DRIVERS, NODES, ATTACHED = (f"{STORAGE}/{each}" for each in ("csidrivers", "csinodes", "volumeattachments"))
CAPACITIES = f"{STORAGE}/namespaces/{NS}/csistoragecapacities"
SCHEMAS, LEVELS = f"{FLOWS}/flowschemas", f"{FLOWS}/prioritylevelconfigurations"
CIDRS, ADDRESSES = f"{NETWORKING}/servicecidrs", f"{NETWORKING}/ipaddresses"
_GROUPS = {STORAGE: "storage.k8s.io/v1", FLOWS: "flowcontrol.apiserver.k8s.io/v1"}


def _object(path: str, kind: str, name: str, **fields: Any) -> Request:
    version = next(
        (each for group, each in _GROUPS.items() if path.startswith(group)), "networking.k8s.io/v1"
    )
    return Request("POST", path, {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields})


def _driver(name: str, **spec: Any) -> Request:
    return _object(DRIVERS, "CSIDriver", name, spec=spec)


def _node(name: str, *drivers: dict[str, Any]) -> Request:
    return _object(NODES, "CSINode", name, spec={"drivers": list(drivers)})


def _attachment(name: str, source: dict[str, Any], attacher: str = "x.io") -> Request:
    spec = {"attacher": attacher, "nodeName": "n", "source": source}
    return _object(ATTACHED, "VolumeAttachment", name, spec=spec)


def _cidr(name: str, *cidrs: str) -> Request:
    return _object(CIDRS, "ServiceCIDR", name, spec={"cidrs": list(cidrs)})


def _address(name: str, /, **parent: Any) -> Request:
    return _object(ADDRESSES, "IPAddress", name, spec={"parentRef": parent} if parent else {})


def _schema(name: str, **spec: Any) -> Request:
    return _object(SCHEMAS, "FlowSchema", name, spec={"priorityLevelConfiguration": {"name": "zz-l"}, **spec})


def _rule(subject: dict[str, Any], **rule: Any) -> Request:
    return _schema("bad", rules=[{"subjects": [subject] if subject else [], **rule}])


def _level(name: str, response: dict[str, Any], **limited: Any) -> Request:
    spec = {"type": "Limited", "limited": {"limitResponse": response, **limited}}
    return _object(LEVELS, "PriorityLevelConfiguration", name, spec=spec)


_ALL = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}
_USER = {"kind": "User", "user": {"name": "u"}}

REQUESTS = {
    "storage driver": _driver("zz.x.io"),
    "storage driver with tokens": _driver(
        "zz2.x.io", tokenRequests=[{"audience": "a"}], attachRequired=False
    ),
    "storage drivers as a table": Request("GET", DRIVERS, accept=TABLE),
    "storage driver of odd modes": _driver("bad", volumeLifecycleModes=["Some"], fsGroupPolicy="Odd"),
    "storage driver with short tokens": _driver(
        "bad", tokenRequests=[{"audience": "a", "expirationSeconds": 9}]
    ),
    "storage driver with tokens twice": _driver("bad", tokenRequests=[{"audience": "a"}, {"audience": "a"}]),
    "storage driver that looks often": _driver("bad", nodeAllocatableUpdatePeriodSeconds=1),
    "storage driver that changes": Request(
        "PATCH", f"{DRIVERS}/zz.x.io", {"spec": {"attachRequired": False}}, MERGE
    ),
    "delete storage driver": Request("DELETE", f"{DRIVERS}/zz.x.io"),
    "storage node": _node("zz-n", {"name": "x.io", "nodeID": "1", "allocatable": {"count": 3}}),
    "storage nodes as a table": Request("GET", NODES, accept=TABLE),
    "storage node without a number": _node("bad", {"name": "x.io", "nodeID": ""}),
    "storage node with a driver twice": _node("bad", *[{"name": "x.io", "nodeID": "1"}] * 2),
    "storage node with less than none": _node(
        "bad", {"name": "x_y", "nodeID": "1", "allocatable": {"count": -1}}
    ),
    "storage node with odd keys": _node(
        "bad", {"name": "x.io", "nodeID": "1", "topologyKeys": ["a", "a", "-"]}
    ),
    "delete storage node": Request("DELETE", f"{NODES}/zz-n"),
    "capacity": _object(CAPACITIES, "CSIStorageCapacity", "zz-c", storageClassName="sc", capacity="1Gi"),
    "capacities as a table": Request("GET", CAPACITIES, accept=TABLE),
    "capacity below none": _object(
        CAPACITIES, "CSIStorageCapacity", "bad", storageClassName="s", capacity="-1"
    ),
    "capacity of an odd class": _object(CAPACITIES, "CSIStorageCapacity", "bad", storageClassName="-"),
    "capacity that moves": Request("PATCH", f"{CAPACITIES}/zz-c", {"storageClassName": "other"}, MERGE),
    "attachment": _attachment("zz-a", {"persistentVolumeName": "pv"}),
    "attachments as a table": Request("GET", ATTACHED, accept=TABLE),
    "attachment of nothing": _attachment("bad", {}),
    "attachment of no name": _attachment("bad", {"persistentVolumeName": ""}),
    "attachment by nobody": _attachment("bad", {"persistentVolumeName": "pv"}, attacher=""),
    "attachment that is done": Request(
        "PATCH", f"{ATTACHED}/zz-a/status", {"status": {"attached": True}}, MERGE
    ),
    "attachment that changes": Request("PATCH", f"{ATTACHED}/zz-a", {"spec": {"nodeName": "m"}}, MERGE),
    "delete attachment": Request("DELETE", f"{ATTACHED}/zz-a"),
    "network of services": _cidr("zz-n", "10.200.0.0/24"),
    "network of nothing": _cidr("bad"),
    "network of words": _cidr("bad", "ten"),
    "network not in short": _cidr("bad", "10.200.0.1/24"),
    "networks of one family": _cidr("bad", "10.200.0.0/24", "10.201.0.0/24"),
    "network that moves": Request("PATCH", f"{CIDRS}/zz-n", {"spec": {"cidrs": ["10.9.0.0/24"]}}, MERGE),
    "delete network of services": Request("DELETE", f"{CIDRS}/zz-n"),
    "address": _address("192.0.2.9", group="x.io", resource="things", namespace="ns", name="t"),
    "address of words": _address("ten", resource="things", name="t"),
    "address not in short": _address("2001:db8:0::1", resource="things", name="t"),
    "address of nobody": _address("192.0.2.10"),
    "address of a thing without a name": _address("192.0.2.10", group="-", namespace="a/b"),
    "address that moves": Request(
        "PATCH", f"{ADDRESSES}/192.0.2.9", {"spec": {"parentRef": {"name": "o"}}}, MERGE
    ),
    "delete address": Request("DELETE", f"{ADDRESSES}/192.0.2.9"),
    "priority level": _level("zz-l", {"type": "Queue", "queuing": {}}),
    "priority level that refuses": _level("zz-r", {"type": "Reject"}, nominalConcurrencyShares=0),
    "priority level without an answer": _level("bad", {}),
    "priority level without a queue": _level("bad", {"type": "Queue"}),
    "priority level of odd queues": _level("bad", {"type": "Queue", "queuing": {"queues": 2, "handSize": 3}}),
    "priority level of wide hands": _level(
        "bad", {"type": "Queue", "queuing": {"queues": 512, "handSize": 60}}
    ),
    "priority level below none": _level(
        "bad", {"type": "Reject"}, lendablePercent=101, nominalConcurrencyShares=-1
    ),
    "priority level that is exempt": _object(
        LEVELS, "PriorityLevelConfiguration", "bad", spec={"type": "Exempt"}
    ),
    "priority level of nothing": _object(
        LEVELS, "PriorityLevelConfiguration", "bad", spec={"type": "Limited"}
    ),
    "one priority level as a table": Request("GET", f"{LEVELS}/zz-l", accept=TABLE),
    "flow": _schema("zz-f", distinguisherMethod={"type": "ByUser"}, matchingPrecedence=9000),
    "flow with rules": _schema("zz-g", rules=[{"subjects": [_USER], "resourceRules": [_ALL]}]),
    "flow of no level": _schema("bad", priorityLevelConfiguration={}),
    "flow before all others": _schema("bad", matchingPrecedence=1),
    "flow of too high a number": _schema("bad", matchingPrecedence=10001),
    "flow for nobody": _rule({}, resourceRules=[_ALL]),
    "flow for nothing": _rule(_USER),
    "flow for another": _rule({"kind": "User", "group": {"name": "g"}}, resourceRules=[_ALL]),
    "flow for an odd kind": _rule({"kind": "Odd"}, resourceRules=[_ALL]),
    "flow of odd verbs": _rule(
        _USER, resourceRules=[{**_ALL, "verbs": ["*", "get"]}, {**_ALL, "verbs": ["odd"]}]
    ),
    "flow of odd paths": _rule(
        _USER, nonResourceRules=[{"verbs": ["get"], "nonResourceURLs": ["x", "/a*b", "//"]}]
    ),
    "flow of nowhere": _rule(
        _USER, resourceRules=[{**_ALL, "namespaces": []}, {**_ALL, "namespaces": ["A"]}]
    ),
    "one flow as a table": Request("GET", f"{SCHEMAS}/zz-f", accept=TABLE),
    "delete flow": Request("DELETE", f"{SCHEMAS}/zz-f"),
    "delete priority level": Request("DELETE", f"{LEVELS}/zz-l"),
}
