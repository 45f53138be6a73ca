"""Requests about conversion webhooks in definitions, and about null where it is odd, for both servers."""

import base64
from typing import Any

from .differential_certificates import JANE
from .differential_crds import CRDS, GROUP, SCHEMA, crd, version
from .differential_requests import APPLY, CORE, MAPS, MERGE, NS, SERVICES, WEBS, Request

_SERVICE = {"name": "s", "namespace": "n"}
TURNS = f"/apis/{GROUP}/v1/namespaces/{NS}/turns"
_NO_BUNDLE = base64.b64encode(b"none").decode()
_BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
_REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
_HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations?dryRun=All"


def _conversion(conversion: Any, **spec: Any) -> Request:
    body = crd("turned", "Turned", [version()], conversion=conversion, **spec)
    return Request("POST", f"{CRDS}?dryRun=All", body)


def _webhook(client: Any, versions: Any = ("v1",)) -> Request:
    webhook = {"clientConfig": client, "conversionReviewVersions": versions}
    kept = {key: each for key, each in webhook.items() if each is not None}
    return _conversion({"strategy": "Webhook", "webhook": kept})


def _url(url: str) -> Request:
    return _webhook({"url": url})


def _service(**fields: Any) -> Request:
    given = {key: each for key, each in {**_SERVICE, **fields}.items() if each is not None}
    return _webhook({"service": given})


def _asked(client: Any) -> Request:
    """A webhook that is asked about writes, of the same client."""
    hook = {
        "name": "a.b.example",
        "clientConfig": client,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "zz-client"},
        "webhooks": [hook],
    }
    return Request("POST", _HOOKS, body)


def _applied(path: str, body: dict[str, Any]) -> Request:
    return Request("PATCH", f"{path}?fieldManager=nulls&dryRun=All", body, APPLY)


_BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "zz-nulls"},
}
_TURN = {"apiVersion": f"{GROUP}/v1", "kind": "Turn"}
_SCALE = {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 1}}
_MAP = {"apiVersion": "v1", "kind": "ConfigMap"}
_SERVICE_OBJECT = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "nulls"}}


def _binding(actions: Any) -> Request:
    spec = {"policyName": "p", "validationActions": actions}
    return _applied(f"{_BINDINGS}/zz-nulls", {**_BINDING, "spec": spec})


def _ports(*ports: Any) -> Request:
    return _applied(f"{SERVICES}/nulls", {**_SERVICE_OBJECT, "spec": {"ports": list(ports)}})


def _turn_applied(**spec: Any) -> Request:
    body = {**_TURN, "metadata": {"name": "nulls"}, "spec": {"name": "ab", **spec}}
    return _applied(f"{TURNS}/nulls", body)


def _certificate(extra: Any) -> Request:
    spec = {"request": JANE, "signerName": "a.example/b", "usages": ["client auth"], "extra": extra}
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "zz-extra"},
        "spec": spec,
    }
    return Request("POST", f"{_REQUESTS}?dryRun=All", body)


REQUESTS = {
    "definition of turns": Request("POST", CRDS, crd("turns", "Turn", [version(schema=SCHEMA)])),
    # conversion
    "conversion of nothing": _conversion({}),
    "conversion by no webhook": _conversion({"strategy": "Webhook"}),
    "conversion by an empty webhook": _conversion({"strategy": "Webhook", "webhook": {}}),
    "conversion by nobody": _webhook({}),
    "conversion by an address": _url("https://example.com:8443/convert"),
    "conversion by two": _webhook({"url": "https://example.com", "service": _SERVICE}),
    "conversion in the open": _url("http://example.com/"),
    "conversion nowhere": _url("strange"),
    "conversion by a user": _url("https://me@example.com/x"),
    "conversion with a query": _url("https://example.com/x?a=b"),
    "conversion with a fragment": _url("https://example.com/x#a"),
    "conversion by a service": _service(),
    "conversion by a service's path": _service(path="/convert/x", port=8443),
    "conversion by a service without a name": _service(name=None),
    "conversion by a service without a namespace": _service(namespace=None),
    "conversion by a port that is none": _service(port=0),
    "conversion by a high port": _service(port=65536),
    "conversion by a path that is none": _service(path="convert"),
    "conversion by two slashes": _service(path="//"),
    "conversion by an empty step": _service(path="/a//b"),
    "conversion by odd steps": _service(path="/A_b/c/"),
    "conversion by no authority": _webhook({"url": "https://example.com", "caBundle": _NO_BUNDLE}),
    "conversion by no base64": _webhook({"url": "https://example.com", "caBundle": "?"}),
    "conversion in no review": _webhook({"service": _SERVICE}, None),
    "conversion in an empty review": _webhook({"service": _SERVICE}, []),
    "conversion in a review nobody knows": _webhook({"service": _SERVICE}, ["v2", "v3"]),
    "conversion in reviews some know": _webhook({"service": _SERVICE}, ["v2", "v1beta1"]),
    "conversion in a review twice": _webhook({"service": _SERVICE}, ["v1", "v1"]),
    "conversion in an odd review": _webhook({"service": _SERVICE}, ["v1", "A_b"]),
    "no conversion by a webhook": _conversion(
        {
            "strategy": "None",
            "webhook": {"clientConfig": {"service": _SERVICE}, "conversionReviewVersions": ["v1"]},
        }
    ),
    "conversion of all fields": _conversion(
        {
            "strategy": "Webhook",
            "webhook": {"clientConfig": {"service": _SERVICE}, "conversionReviewVersions": ["v1"]},
        },
        preserveUnknownFields=True,
    ),
    "unsound authority in a definition": Request(
        "PATCH",
        f"{CRDS}/turns.{GROUP}?dryRun=All",
        {
            "spec": {
                "conversion": {
                    "strategy": "Webhook",
                    "webhook": {
                        "clientConfig": {"url": "https://example.com", "caBundle": _NO_BUNDLE},
                        "conversionReviewVersions": ["v1"],
                    },
                }
            }
        },
        MERGE,
    ),
    "webhook by a service without a name": _asked({"service": {"namespace": "n"}}),
    "webhook by a service without a namespace": _asked({"service": {"name": "s"}}),
    "webhook by an odd path": _asked({"service": {**_SERVICE, "path": "/a//B"}}),
    "webhook nowhere": _asked({"url": "strange"}),
    "webhook with a query": _asked({"url": "https://example.com/?a=b"}),
    # null
    "null in a set": _binding([None]),
    "map in a set": _binding([{"a": "b"}]),
    "list in a set": _binding([["Deny"]]),
    "null beside others in a set": _binding(["Deny", None]),
    "null in a keyed list": _ports(None),
    "null beside others in a keyed list": _ports({"port": 80}, None),
    "text in a keyed list": _ports("a"),
    "null in a custom set": _turn_applied(tags=[None]),
    "map in a custom set": _turn_applied(tags=[{"a": "b"}]),
    "null in a custom keyed list": _turn_applied(ports=[None]),
    "null metadata": Request("POST", f"{MAPS}?dryRun=All", {**_MAP, "metadata": None}),
    "null metadata of a custom object": Request("POST", f"{TURNS}?dryRun=All", {**_TURN, "metadata": None}),
    "null metadata with a name in the path": Request(
        "PUT", f"{MAPS}/nulls?dryRun=All", {**_MAP, "metadata": None}
    ),
    "map for nulls": Request("POST", MAPS, {**_MAP, "metadata": {"name": "nulls"}, "data": {"a": "b"}}),
    "custom object for nulls": Request(
        "POST", TURNS, {**_TURN, "metadata": {"name": "nulls-c"}, "spec": {"name": "ab"}}
    ),
    "metadata patched to null": Request("PATCH", f"{MAPS}/nulls", {"metadata": None}, MERGE),
    "metadata of a custom object patched to null": Request(
        "PATCH", f"{TURNS}/nulls-c", {"metadata": None}, MERGE
    ),
    "applied without a name": Request(
        "PATCH", f"{MAPS}/nulls?fieldManager=nulls", {**_MAP, "data": {"c": "d"}}, APPLY
    ),
    "applied without a name where nothing is": Request(
        "PATCH", f"{MAPS}/nulls-none?fieldManager=nulls", {**_MAP, "data": {"c": "d"}}, APPLY
    ),
    "custom object applied without a name": Request(
        "PATCH", f"{TURNS}/nulls-none?fieldManager=nulls", {**_TURN, "spec": {"name": "ab"}}, APPLY
    ),
    "status without a name": Request("PUT", f"{CORE}/pods/nulls/status", {"metadata": {}, "status": {}}),
    "scale without a name": Request(
        "PUT",
        f"{WEBS}/nulls/scale",
        _SCALE,
    ),
    "scale of another name": Request(
        "PUT", f"{WEBS}/nulls/scale", {**_SCALE, "metadata": {"name": "others"}}
    ),
    "map for nulls goes": Request("DELETE", f"{MAPS}/nulls"),
    "custom object for nulls goes": Request("DELETE", f"{TURNS}/nulls-c"),
    "turns go": Request("DELETE", f"{CRDS}/turns.{GROUP}"),
    "null in extra": _certificate({"a": None}),
    "null in a list in extra": _certificate({"a": [None]}),
}
