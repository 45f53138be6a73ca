"""Requests about CustomResourceDefinitions and their kinds, for a real API server and the embedded one.

One definition is rich: two versions, defaults, rules, lists of every type, columns, both subresources. The
others are each wrong in one way.
"""

import copy
import time
from collections.abc import Callable
from typing import Any

from .differential_requests import APPLY, MERGE, NS, STEPS, STRATEGIC, TABLE, Request
from .server import PATIENCE, Server

GROUP = "zz.labkit.example"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = f"/apis/{GROUP}/v1/namespaces/{NS}/widgets"
OLD_WIDGETS = f"/apis/{GROUP}/v1beta1/namespaces/{NS}/widgets"

_PORT = {
    "type": "object",
    "required": ["port"],
    "properties": {
        "name": {"type": "string", "default": "http"},
        "port": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535},
        "target": {"x-kubernetes-int-or-string": True},
    },
}
_RULES = [
    {"rule": "self.least <= self.replicas", "message": "replicas must not be below least"},
    {
        "rule": "self.replicas <= 100",
        "messageExpression": "self.replicas > 200 ? 'far too many' : 'too many'",
        "fieldPath": ".replicas",
        "reason": "FieldValueForbidden",
    },
    {"rule": "self.name == oldSelf.name", "message": "name is immutable"},
]
SPEC = {
    "type": "object",
    "required": ["name"],
    "x-kubernetes-validations": _RULES,
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 10, "pattern": "^[a-z-]+$"},
        "replicas": {"type": "integer", "default": 1},
        "least": {"type": "integer", "default": 0},
        "size": {"type": "string", "enum": ["small", "large"], "default": "small"},
        "ratio": {"type": "number", "exclusiveMinimum": True, "minimum": 0, "multipleOf": 0.5},
        "address": {"type": "string", "format": "ipv4"},
        "since": {"type": "string", "format": "date-time"},
        "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "ports": {
            "type": "array",
            "items": _PORT,
            "maxItems": 3,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port"],
        },
        "limits": {
            "type": "object",
            "additionalProperties": {
                "anyOf": [{"type": "integer"}, {"type": "string"}],
                "x-kubernetes-int-or-string": True,
            },
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "template": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
        "pair": {
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "properties": {"a": {"type": "string"}},
        },
        "maybe": {"type": "string", "nullable": True},
        "one": {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        "grows": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]},
        "url": {
            "type": "string",
            "x-kubernetes-validations": [{"rule": "isURL(self) && url(self).getScheme() == 'https'"}],
        },
        "memory": {
            "type": "string",
            "x-kubernetes-validations": [
                {"rule": "isQuantity(self) && quantity(self).isLessThan(quantity('1Gi'))"}
            ],
        },
        "once": {
            "type": "string",
            "x-kubernetes-validations": [
                {
                    "rule": "!oldSelf.hasValue() || self == oldSelf.value()",
                    "optionalOldSelf": True,
                    "message": "is set once",
                }
            ],
        },
    },
}
STATUS = {
    "type": "object",
    "properties": {
        "replicas": {"type": "integer"},
        "selector": {"type": "string"},
        "conditions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "status"],
                "properties": {"type": {"type": "string"}, "status": {"type": "string"}},
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    },
}
SCHEMA = {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}
SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}
COLUMNS = [
    {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas", "description": "How many."},
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Tags", "type": "string", "jsonPath": ".spec.tags", "priority": 1},
    {"name": "Ratio", "type": "number", "jsonPath": ".spec.ratio"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def crd(plural: str, kind: str, versions: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    names = {"plural": plural, "kind": kind}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": versions, **spec},
    }


def version(name: str = "v1", schema: Any = None, **fields: Any) -> dict[str, Any]:
    given = {"openAPIV3Schema": {"type": "object"} if schema is None else schema}
    return {"name": name, "served": True, "storage": True, "schema": given, **fields}


_OLD_SPEC = {**SPEC, "properties": {**SPEC["properties"], "legacy": {"type": "string"}}}
_OLD = {"type": "object", "properties": {"spec": _OLD_SPEC, "status": STATUS}}
WIDGET = crd(
    "widgets",
    "Widget",
    [
        version(
            schema=SCHEMA,
            subresources={"status": {}, "scale": SCALE},
            additionalPrinterColumns=COLUMNS,
            selectableFields=[{"jsonPath": ".spec.size"}],
        ),
        version(
            "v1beta1", _OLD, storage=False, subresources={"status": {}}, deprecated=True,
            deprecationWarning="v1beta1 is old",
        ),
    ],
)  # fmt: skip
WIDGET["spec"]["names"] |= {"shortNames": ["wd"], "categories": ["all"]}


def _widget(name: str = "w", version: str = "v1", **spec: Any) -> dict[str, Any]:
    header = {"apiVersion": f"{GROUP}/{version}", "kind": "Widget", "metadata": {"name": name}}
    return {**header, "spec": {"name": "ab", **spec}}


def _named(text: str) -> dict[str, Any]:
    return {**_widget("bad"), "spec": {"name": text}}


def _make(name: str = "bad", **spec: Any) -> Request:
    return Request("POST", WIDGETS, _widget(name, **spec))


def _patched(body: Any, content_type: str = MERGE, path: str = f"{WIDGETS}/w") -> Request:
    return Request("PATCH", path, body, content_type)


def _applied(query: str, **spec: Any) -> Request:
    return _patched(_widget("a", **spec), APPLY, f"{WIDGETS}/a?{query}")


def _bad(schema: Any, **fields: Any) -> Request:
    """A definition that is refused for its schema."""
    spec = {"type": "object", "properties": {"spec": schema}}
    return _bad_root(spec, **fields)


def _bad_root(schema: Any, **fields: Any) -> Request:
    return Request("POST", f"{CRDS}?dryRun=All", crd("bads", "Bad", [version(schema=schema, **fields)]))


def _without(obj: dict[str, Any], *path: str) -> dict[str, Any]:
    made = copy.deepcopy(obj)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return made


_PLAIN = crd("plains", "Plain", [version()])
_OTHER = {"metadata": {"name": f"others.{GROUP}"}}

REQUESTS = {
    # definitions
    "definition": Request("POST", CRDS, WIDGET),
    "definition again": Request("POST", CRDS, WIDGET),
    "definition read": Request("GET", f"{CRDS}/widgets.{GROUP}"),
    "definition as a table": Request("GET", f"{CRDS}/widgets.{GROUP}", accept=TABLE),
    "definition's status": Request("GET", f"{CRDS}/widgets.{GROUP}/status"),
    "definition of another kind": Request(
        "PATCH", f"{CRDS}/widgets.{GROUP}", {"spec": {"names": {"kind": "Gadget"}}}, MERGE
    ),
    "definition of another scope": Request(
        "PATCH", f"{CRDS}/widgets.{GROUP}", {"spec": {"scope": "Cluster"}}, MERGE
    ),
    "stored version that goes": Request(
        "PATCH",
        f"{CRDS}/widgets.{GROUP}",
        [
            {"op": "remove", "path": "/spec/versions/0"},
            {"op": "replace", "path": "/spec/versions/0/storage", "value": True},
        ],
        STEPS,
    ),
    "group": Request("GET", f"/apis/{GROUP}"),
    "resources": Request("GET", f"/apis/{GROUP}/v1"),
    "resources of old": Request("GET", f"/apis/{GROUP}/v1beta1"),
    "names that are taken": Request("POST", CRDS, crd("gizmos", "Widget", [version()])),
    "names that are taken, read": Request("GET", f"{CRDS}/gizmos.{GROUP}"),
    "kind without a name": Request("GET", f"/apis/{GROUP}/v1/gizmos"),
    # definitions that are none
    "definition by another name": Request("POST", CRDS, {**_PLAIN, **_OTHER}),
    "no group": Request("POST", CRDS, _without(_PLAIN, "spec", "group")),
    "group without a dot": Request(
        "POST",
        CRDS,
        {**crd("plains", "Plain", [version()], group="plain"), "metadata": {"name": "plains.plain"}},
    ),
    "no scope": Request("POST", CRDS, _without(_PLAIN, "spec", "scope")),
    "scope nobody knows": Request("POST", CRDS, crd("plains", "Plain", [version()], scope="World")),
    "no plural": Request("POST", CRDS, _without(_PLAIN, "spec", "names", "plural")),
    "no kind at all": Request("POST", CRDS, _without(_PLAIN, "spec", "names", "kind")),
    "names that are none": Request(
        "POST",
        CRDS,
        crd(
            "plains",
            "Pl_ain",
            [version()],
            names={"plural": "plains", "kind": "Pl_ain", "shortNames": ["A_b"], "categories": ["C d"]},
        ),
    ),
    "list of the same kind": Request(
        "POST",
        CRDS,
        crd("plains", "Plain", [version()], names={"plural": "plains", "kind": "Plain", "listKind": "Plain"}),
    ),
    "no schema": Request("POST", CRDS, crd("plains", "Plain", [_without(version(), "schema")])),
    "version that is none in a definition": Request("POST", CRDS, crd("plains", "Plain", [version("V_1")])),
    "unknown field in a schema": Request(
        "POST",
        f"{CRDS}?dryRun=All",
        crd(
            "plains",
            "Plain",
            [version(schema={"type": "object", "properties": {"a": {"type": "string", "foo": 1}}})],
        ),
    ),
    "kubernetes' own group": Request(
        "POST",
        CRDS,
        {**crd("plains", "Plain", [version()], group="x.k8s.io"), "metadata": {"name": "plains.x.k8s.io"}},
    ),
    "all fields kept": Request("POST", CRDS, crd("plains", "Plain", [version()], preserveUnknownFields=True)),
    "conversion nobody knows": Request(
        "POST", CRDS, crd("plains", "Plain", [version()], conversion={"strategy": "X"})
    ),
    "no type": _bad({"properties": {"a": {"type": "string"}}}),
    "no type in items": _bad({"type": "array", "items": {}}),
    "no items": _bad({"type": "array"}),
    "type nobody knows in a definition": _bad({"type": "text"}),
    "type null": _bad({"type": "null"}),
    "root that is a list": _bad_root({"type": "array", "items": {"type": "string"}}),
    "root without a type": _bad_root({"properties": {}}),
    "root of anything": _bad_root({"type": "object", "additionalProperties": {"type": "string"}}),
    "root that may be null": _bad_root({"type": "object", "nullable": True}),
    "metadata described": _bad_root(
        {
            "type": "object",
            "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}},
        }
    ),
    "metadata as text": _bad_root({"type": "object", "properties": {"metadata": {"type": "string"}}}),
    "kind as number": _bad_root({"type": "object", "properties": {"kind": {"type": "integer"}}}),
    "default in metadata": _bad_root(
        {
            "type": "object",
            "properties": {
                "metadata": {"type": "object", "properties": {"name": {"type": "string", "default": "x"}}}
            },
        }
    ),
    "choice with a type": _bad(
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "anyOf": [
                {
                    "type": "object",
                    "properties": {"a": {"description": "x", "default": "d", "nullable": True}},
                }
            ],
        }
    ),
    "choice of something else": _bad(
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "oneOf": [{"required": ["b"], "properties": {"b": {"minLength": 1}}}],
        }
    ),
    "choice at the root": _bad_root(
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "oneOf": [{"properties": {"b": {"minLength": 1}}}],
        }
    ),
    "both kinds of properties": _bad(
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "additionalProperties": {"type": "string"},
        }
    ),
    "reference": _bad({"type": "object", "$ref": "#/x"}),
    "definitions inside": _bad({"type": "object", "definitions": {"a": {"type": "string"}}}),
    "unique items": _bad({"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
    "pattern that is none": _bad({"type": "string", "pattern": "(["}),
    "number or text or not": _bad(
        {"x-kubernetes-int-or-string": True, "x-kubernetes-preserve-unknown-fields": True}
    ),
    "embedded text": _bad({"type": "string", "x-kubernetes-embedded-resource": True}),
    "embedded nothing": _bad({"type": "object", "x-kubernetes-embedded-resource": True}),
    "preserved not": _bad({"type": "object", "x-kubernetes-preserve-unknown-fields": False}),
    "list type of text": _bad({"type": "string", "x-kubernetes-list-type": "set"}),
    "list type nobody knows": _bad(
        {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "bag"}
    ),
    "map type nobody knows": _bad({"type": "object", "x-kubernetes-map-type": "bag"}),
    "set of objects": _bad({"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "set"}),
    "map without keys": _bad({"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"}),
    "map by what is not there": _bad(
        {
            "type": "array",
            "items": {"type": "object"},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["a"],
        }
    ),
    "map by what may lack": _bad(
        {
            "type": "array",
            "items": {"type": "object", "properties": {"a": {"type": "string"}}},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["a"],
        }
    ),
    "keys of a set": _bad(
        {
            "type": "array",
            "items": {"type": "string"},
            "x-kubernetes-list-type": "set",
            "x-kubernetes-list-map-keys": ["a"],
        }
    ),
    "default of another type": _bad(
        {"type": "object", "properties": {"a": {"type": "string", "default": 5}}}
    ),
    "default with more": _bad(
        {
            "type": "object",
            "properties": {
                "a": {"type": "object", "properties": {"b": {"type": "string"}}, "default": {"c": 1}}
            },
        }
    ),
    "default against its rule": _bad(
        {
            "type": "object",
            "properties": {
                "a": {"type": "integer", "default": 5, "x-kubernetes-validations": [{"rule": "self < 3"}]}
            },
        }
    ),
    "rule that is none": _bad(
        {"type": "object", "x-kubernetes-validations": [{"rule": "self.", "message": "x"}]}
    ),
    "rule of nothing": _bad({"type": "object", "x-kubernetes-validations": [{"rule": " "}]}),
    "rule in two lines": _bad({"type": "integer", "x-kubernetes-validations": [{"rule": "self >\n 1"}]}),
    "rule that is a number": _bad({"type": "integer", "x-kubernetes-validations": [{"rule": "self + 1"}]}),
    "rule with a wrong type": _bad(
        {"type": "integer", "x-kubernetes-validations": [{"rule": "self == 'a'"}]}
    ),
    "rule with a function nobody knows": _bad(
        {"type": "integer", "x-kubernetes-validations": [{"rule": "foo(self)"}]}
    ),
    "rule with a reason nobody knows": _bad(
        {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1", "reason": "Because"}]}
    ),
    "rule about another field": _bad(
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "x-kubernetes-validations": [{"rule": "has(self.a)", "fieldPath": ".b"}],
        }
    ),
    "old value in a list": _bad(
        {
            "type": "array",
            "items": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > oldSelf"}]},
        }
    ),
    "optional old value that is not used": _bad(
        {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1", "optionalOldSelf": True}]}
    ),
    "column without a path": Request(
        "POST",
        CRDS,
        crd(
            "bads",
            "Bad",
            [
                version(
                    additionalPrinterColumns=[
                        {"name": "A", "type": "text", "format": "x", "jsonPath": "spec.a"}
                    ]
                )
            ],
        ),
    ),
    "scale elsewhere": Request(
        "POST",
        CRDS,
        crd(
            "bads",
            "Bad",
            [
                version(
                    subresources={
                        "scale": {
                            "specReplicasPath": ".a",
                            "statusReplicasPath": "b",
                            "labelSelectorPath": ".c",
                        }
                    }
                )
            ],
        ),
    ),
    "field that can't be selected": Request(
        "POST",
        CRDS,
        crd(
            "bads",
            "Bad",
            [
                version(
                    schema=SCHEMA,
                    selectableFields=[
                        {"jsonPath": ".spec.tags"},
                        {"jsonPath": ".spec.nope"},
                        {"jsonPath": ".spec.tags[0]"},
                    ],
                )
            ],
        ),
    ),
    "warning of what is not old": Request(
        "POST", CRDS, crd("bads", "Bad", [version(deprecationWarning="x")])
    ),
    "format nobody knows": Request(
        "POST",
        f"{CRDS}?dryRun=All",
        crd(
            "plains",
            "Plain",
            [version(schema={"type": "object", "properties": {"a": {"type": "string", "format": "smell"}}})],
        ),
    ),
    # objects
    "widget": _make("w", tags=["a", "b"], ports=[{"port": 80}], ratio=1.5, foo=1, maybe=None, size=None),
    "widget, strict": Request(
        "POST", f"{WIDGETS}?fieldValidation=Strict", _widget("s", foo=1, ports=[{"port": 1, "x": 2}])
    ),
    "widget read": Request("GET", f"{WIDGETS}/w"),
    "widget of old, read": Request("GET", f"{OLD_WIDGETS}/w"),
    "widget of old": Request("POST", OLD_WIDGETS, _widget("o", "v1beta1", legacy="x")),
    "widget of old, read as new": Request("GET", f"{WIDGETS}/o"),
    "widgets as a table": Request("GET", WIDGETS, accept=TABLE),
    "widgets of old as a table": Request("GET", OLD_WIDGETS, accept=TABLE),
    "widgets of a size": Request("GET", f"{WIDGETS}?fieldSelector=spec.size%3Dlarge"),
    "widgets by a field nobody knows": Request("GET", f"{WIDGETS}?fieldSelector=spec.name%3Dab"),
    "no name in the spec": Request("POST", WIDGETS, {**_widget("bad"), "spec": {}}),
    "spec as text": Request("POST", WIDGETS, {**_widget("bad"), "spec": "x"}),
    "name too short": Request("POST", WIDGETS, _named("a")),
    "name too long": Request("POST", WIDGETS, _named("a" * 11)),
    "name in capitals": Request("POST", WIDGETS, _named("AB")),
    "size nobody knows": _make(size="huge"),
    "replicas as text": _make(replicas="two"),
    "half a replica": _make(replicas=1.5),
    "whole number as float": _make("whole", replicas=2.0),
    "ratio of nothing": _make(ratio=0),
    "ratio that is odd": _make(ratio=0.7),
    "address that is none in a definition": _make(address="1.2.3"),
    "time that is none": _make(since="today"),
    "tag twice": _make(tags=["a", "a"]),
    "port twice": _make(ports=[{"port": 1}, {"port": 1}]),
    "port without a number": _make(ports=[{"name": "x"}]),
    "port too high in a definition": _make(ports=[{"port": 70000}]),
    "too many ports": _make(ports=[{"port": each} for each in (1, 2, 3, 4)]),
    "target of truth": _make(ports=[{"port": 1, "target": True}]),
    "limits": _make(
        "limits",
        limits={"a": 1, "b": "2"},
        free={"x": {"y": None}},
        template={"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}, "z": 1},
    ),
    "limit of truth": _make(limits={"a": True}),
    "embedded kind of none": _make(template={"metadata": {"name": "x"}}),
    "neither": _make(one={}),
    "both": _make(one={"a": "1", "b": "2"}),
    "fewer than least": _make(least=5),
    "too many replicas": _make(replicas=101),
    "plain http": _make(url="http://a"),
    "no address at all": _make(url="a b"),
    "too much memory": _make(memory="2Gi"),
    "memory": _make("memory", memory="512Mi", url="https://a/b", once="x", grows=1),
    "less than before": _patched({"spec": {"grows": 0}}, path=f"{WIDGETS}/memory"),
    "more than before": _patched({"spec": {"grows": 2}}, path=f"{WIDGETS}/memory"),
    "set twice": _patched({"spec": {"once": "y"}}, path=f"{WIDGETS}/memory"),
    "another name in the spec": _patched({"spec": {"name": "other"}}),
    "strategic patch of a widget": _patched({"spec": {}}, STRATEGIC),
    "step on a widget": _patched([{"op": "add", "path": "/spec/tags/-", "value": "c"}], STEPS),
    "update without a version": Request("PUT", f"{WIDGETS}/w", _widget()),
    "widget's status": _patched(
        {
            "status": {"replicas": 3, "selector": "a=b", "conditions": [{"type": "Ready", "status": "True"}]},
            "spec": {"replicas": 9},
        },
        path=f"{WIDGETS}/w/status",
    ),
    "widget's wrong status": _patched({"status": {"replicas": "x"}}, path=f"{WIDGETS}/w/status"),
    "widgets with a status as a table": Request("GET", f"{WIDGETS}/w", accept=TABLE),
    "widget's scale": Request("GET", f"{WIDGETS}/w/scale"),
    "widget scaled": _patched({"spec": {"replicas": 4}}, path=f"{WIDGETS}/w/scale"),
    "widget scaled too far": _patched({"spec": {"replicas": 400}}, path=f"{WIDGETS}/w/scale"),
    "widget of old scaled": Request("GET", f"{OLD_WIDGETS}/w/scale"),
    "widget applied": _applied(
        "fieldManager=one", ports=[{"port": 80}, {"port": 81, "name": "b"}], tags=["x"]
    ),
    "widget applied by another": _applied("fieldManager=two", ports=[{"port": 82}], tags=["y"]),
    "widget applied in conflict": _applied("fieldManager=two", ports=[{"port": 81, "name": "c"}]),
    "widget applied with less": _applied("fieldManager=one", ports=[{"port": 81, "name": "b"}]),
    "widget applied wrongly": _applied("fieldManager=one", nope=1),
    "finalizer of a widget": _patched({"metadata": {"finalizers": ["nodomain"]}}),
    "delete finalized": Request("DELETE", f"{WIDGETS}/w"),
    "no finalizer of a widget": _patched({"metadata": {"finalizers": None}}),
    "widget gone": Request("GET", f"{WIDGETS}/w"),
    # the end
    "delete definition": Request("DELETE", f"{CRDS}/widgets.{GROUP}"),
    "definition gone": Request("GET", f"{CRDS}/widgets.{GROUP}"),
    "kind gone": Request("GET", WIDGETS),
    "names that are free": Request("GET", f"{CRDS}/gizmos.{GROUP}"),
    "delete the rest": Request("DELETE", f"{CRDS}/gizmos.{GROUP}"),
}


def settle(server: Server, request: Request) -> None:
    """Wait for all that *request*, a write to a definition, sets off: the real one takes a while."""
    if request.method == "POST" and "dryRun" not in request.path:
        _until(lambda: _is_decided(server, f"{CRDS}/{request.body['metadata']['name']}"))
    elif request.method == "DELETE":
        _until(lambda: server.ask("GET", request.path).code == 404)
        _until(lambda: server.ask("GET", WIDGETS).code == 404)
        _until(lambda: _names_are_free(server))


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)  # the handlers follow the conditions by a moment, without a word


def _is_decided(server: Server, path: str) -> bool:
    """Whether it has its names and is served, or has not got them."""
    found = server.ask("GET", path).json
    conditions = {each["type"]: each["status"] for each in found["status"].get("conditions") or ()}
    if conditions.get("NamesAccepted") == "False":
        return True
    served = [
        server.ask("GET", f"/apis/{GROUP}/{each['name']}/{found['spec']['names']['plural']}").code == 200
        for each in found["spec"]["versions"]
    ]
    return conditions.get("Established") == "True" and all(served) and _is_told(server, found)


def _is_told(server: Server, definition: dict[str, Any]) -> bool:
    """Whether discovery knows of it."""
    found = server.ask("GET", f"/apis/{GROUP}/v1")
    names = [each["name"] for each in found.json["resources"]] if found.code == 200 else []
    return definition["spec"]["names"]["plural"] in names


def _names_are_free(server: Server) -> bool:
    found = server.ask("GET", f"{CRDS}/gizmos.{GROUP}")
    return found.code == 404 or found.json["status"]["acceptedNames"]["kind"] == "Widget"
