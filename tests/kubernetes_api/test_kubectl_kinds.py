"""kubectl's verbs on custom resources, whose fields it explains, and on requests for certificates."""

import json
import secrets

import pytest

from .differential_certificates import CLIENTS, JANE
from .sentinels import until, until_served

GROUP = "tour.labkit.example"


@pytest.fixture
def name():
    return f"k-{secrets.token_hex(3)}"


@pytest.fixture(scope="module")
def boats(api_server):
    """A kind that somebody brings; what it is called."""
    plural = f"boats{secrets.token_hex(3)}"
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{GROUP}"
    made = api_server.ask("POST", path.rpartition("/")[0], _definition(plural))
    assert made.code == 201, made.body
    until_served(api_server, f"/apis/{GROUP}/v1/{plural}")
    for told in (f"/apis/{GROUP}/v1", f"/openapi/v3/apis/{GROUP}/v1"):
        until(lambda path=told: plural.encode() in api_server.ask("GET", path).body)
    yield plural
    api_server.ask("DELETE", path)


def _definition(plural):
    crew = {
        "type": "array",
        "description": "Who sails it.",
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "description": "What the sailor is called."},
                "rank": {"type": "string", "enum": ["captain", "mate"], "default": "mate"},
            },
        },
    }
    spec = {
        "type": "object",
        "description": "How the boat should be.",
        "required": ["sails"],
        "properties": {
            "sails": {"type": "integer", "minimum": 1, "description": "How many sails it has."},
            "crew": crew,
        },
    }
    status = {"type": "object", "properties": {"sails": {"type": "integer"}, "where": {"type": "string"}}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "description": "A boat.",
                "properties": {"spec": spec, "status": status},
            }
        },
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.sails", "statusReplicasPath": ".status.sails"},
        },
        "additionalPrinterColumns": [
            {"name": "Sails", "type": "integer", "jsonPath": ".spec.sails"},
            {"name": "Where", "type": "string", "jsonPath": ".status.where", "priority": 1},
        ],
    }
    names = {"plural": plural, "kind": "Boat", "singular": plural[:-1], "categories": ["fleet"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


@pytest.fixture
def boat(kubectl, boats, name):
    """One of them; its name."""
    body = {"apiVersion": f"{GROUP}/v1", "kind": "Boat", "metadata": {"name": name}, "spec": {"sails": 2}}
    assert kubectl("apply", "-f", "-", stdin=body) == f"boat.{GROUP}/{name} created\n"
    assert kubectl("apply", "-f", "-", stdin=body) == f"boat.{GROUP}/{name} unchanged\n"
    yield name
    assert "deleted" in kubectl("delete", boats, name)
    assert "NotFound" in kubectl("get", boats, name, code=1)


def test_explain_the_fields_of_a_custom_kind(kubectl, boats):
    shown = kubectl("explain", f"{boats}.{GROUP}")
    assert "KIND:       Boat" in shown
    assert "A boat." in shown
    shown = kubectl("explain", f"{boats}.spec")
    assert "How the boat should be." in shown
    assert "sails\t<integer> -required-" in shown
    assert "Who sails it." in shown
    shown = kubectl("explain", f"{boats}.spec.crew.rank")
    assert "FIELD: rank <string>" in shown
    assert "ENUM:\n    captain\n    mate\n" in shown
    tree = kubectl("explain", boats, "--recursive")
    assert all(each in tree for each in ("crew\t<[]Object>", "name\t<string> -required-", "where\t<string>"))
    assert 'field "oars" does not exist' in kubectl("explain", f"{boats}.spec.oars", code=1)


def test_custom_resources_in_all_forms(kubectl, boats, boat, namespace):
    header, row = kubectl("get", boats, boat).splitlines()
    assert (header.split(), row.split()[:2]) == (["NAME", "SAILS"], [boat, "2"])
    assert kubectl("get", boats, boat, "-o", "wide").split()[:3] == ["NAME", "SAILS", "WHERE"]
    assert kubectl("get", "fleet", "-o", "name") == f"boat.{GROUP}/{boat}\n"
    assert kubectl("get", boats, boat, "-o", "jsonpath={.spec.sails}") == "2"
    shown = kubectl("describe", boats, boat)
    assert (f"Namespace:    {namespace}" in shown, "Sails:  2" in shown) == (True, True)


def test_custom_resources_change(kubectl, boats, boat):
    assert "patched" in kubectl(
        "patch", boats, boat, "--type=merge", "-p", '{"spec":{"crew":[{"name":"ann"}]}}'
    )
    assert kubectl("get", boats, boat, "-o", "jsonpath={.spec.crew[0].rank}") == "mate"
    assert "labeled" in kubectl("label", boats, boat, "fast=yes")
    assert "annotated" in kubectl("annotate", boats, boat, "note=x")
    assert kubectl("get", boats, "-l", "fast=yes", "-o", "name") == f"boat.{GROUP}/{boat}\n"
    assert "scaled" in kubectl("scale", boats, boat, "--replicas=3")
    status = kubectl(
        "patch", boats, boat, "--subresource=status", "--type=merge", "-p", '{"status":{"where":"sea"}}'
    )
    assert "patched" in status
    kubectl("wait", boats, boat, "--for=jsonpath={.status.where}=sea", "--timeout=10s")
    found = json.loads(kubectl("get", boats, boat, "-o", "json"))
    assert (found["spec"]["sails"], found["metadata"]["generation"]) == (3, 3)
    body = {**found, "metadata": {"name": boat}, "spec": {"sails": 4, "crew": found["spec"]["crew"]}}
    assert "\n+  sails: 4\n" in kubectl("diff", "-f", "-", stdin=body, code=1)
    assert "replaced" in kubectl("replace", "-f", "-", stdin={**body, "metadata": found["metadata"]})
    assert "serverside-applied" in kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=body
    )


def test_wrong_custom_resources_are_refused(kubectl, boats, boat):
    refused = kubectl("patch", boats, boat, "--type=merge", "-p", '{"spec":{"sails":0}}', code=1)
    assert "spec.sails: Invalid value: 0: spec.sails in body should be greater than or equal to 1" in refused
    body = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Boat",
        "metadata": {"name": boat},
        "spec": {"sails": 1, "oars": 2},
    }
    assert 'unknown field "spec.oars"' in kubectl("apply", "-f", "-", stdin=body, code=1)


@pytest.fixture
def request_for(kubectl, name):
    """A request for a certificate that nobody signs; its name."""
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": JANE,
            "signerName": CLIENTS,
            "usages": ["client auth"],
            "expirationSeconds": 86400,
        },
    }
    assert (
        kubectl("create", "-f", "-", stdin=body)
        == f"certificatesigningrequest.certificates.k8s.io/{name} created\n"
    )
    yield name
    kubectl("delete", "csr", name)


@pytest.mark.parametrize(
    ("word", "done", "condition"), [("approve", "approved", "Approved"), ("deny", "denied", "Denied")]
)
def test_a_certificate_is_approved_or_denied(kubectl, request_for, word, done, condition):
    header, row = kubectl("get", "csr", request_for).splitlines()
    assert header.split() == ["NAME", "AGE", "SIGNERNAME", "REQUESTOR", "REQUESTEDDURATION", "CONDITION"]
    assert (row.split()[0], row.split()[2], row.split()[-2:]) == (request_for, CLIENTS, ["24h", "Pending"])
    said = kubectl("certificate", word, request_for)
    assert said == f"certificatesigningrequest.certificates.k8s.io/{request_for} {done}\n"
    assert kubectl("get", "csr", request_for).split()[-1] == condition
    kubectl("wait", "csr", request_for, f"--for=condition={condition}", "--timeout=10s")
    shown = kubectl("describe", "csr", request_for)
    words = " ".join(shown.split())
    assert all(each in words for each in (f"Signer: {CLIENTS}", f"Status: {condition}", "Common Name: jane"))
    assert "signerName\t<string> -required-" in kubectl("explain", "csr.spec")
