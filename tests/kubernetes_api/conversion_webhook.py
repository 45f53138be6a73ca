"""A kind with two versions and the webhook that converts: ``address`` is ``host`` and ``port``."""

import copy
import secrets

from .sentinels import until, until_served
from .webhook_server import BUNDLE

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE = "application/merge-patch+json"
_OLD = {"address": {"type": "string"}, "replicas": {"type": "integer"}}
_NEW = {"host": {"type": "string"}, "port": {"type": "string"}, "replicas": {"type": "integer"}}
_SCALE = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}


def converted(request):
    """The response that has it all converted."""
    objects = [_converted(each, request["desiredAPIVersion"]) for each in request["objects"]]
    return {"result": {"status": "Success"}, "convertedObjects": objects}


def _converted(obj, api_version):
    made = {**copy.deepcopy(obj), "apiVersion": api_version}
    spec = made.get("spec") or {}
    if api_version.endswith("/v2") and "address" in spec:
        spec["host"], spec["port"] = spec.pop("address").split(":")
    elif api_version.endswith("/v1") and "host" in spec:
        spec["address"] = f"{spec.pop('host')}:{spec.pop('port')}"
    return made


class Place:
    """A kind of one test's own, and its objects' paths."""

    def __init__(self, server, hooks, namespace, **webhook):
        self.server, self.hooks = server, hooks
        self.plural = f"places{secrets.token_hex(3)}"
        self.group = f"{self.plural}.labkit.example"
        self.hook = f"/{self.plural}"
        self._namespace, self._webhook = namespace, webhook
        hooks.say[self.hook] = converted

    @property
    def definition(self):
        return f"{CRDS}/{self.plural}.{self.group}"

    def make(self):
        """Define it, and wait until it is served."""
        client = {"url": self.hooks.url(self.hook), "caBundle": BUNDLE}
        webhook = {"clientConfig": client, "conversionReviewVersions": ["v1"], **self._webhook}
        body = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{self.plural}.{self.group}"},
            "spec": {
                "group": self.group,
                "scope": "Namespaced",
                "names": {"plural": self.plural, "kind": "Place"},
                "versions": [_version("v1", _OLD, storage=True), _version("v2", _NEW, storage=False)],
                "conversion": {"strategy": "Webhook", "webhook": webhook},
            },
        }
        made = self.server.ask("POST", CRDS, body)
        assert (made.code, made.warnings) == (201, []), made.body
        for version in ("v1", "v2"):
            until_served(self.server, self.path(version))

    def store_as(self, version):
        """Have what is written from now on stored in *version*."""
        versions = [_version("v1", _OLD, version == "v1"), _version("v2", _NEW, version == "v2")]
        changed = self.server.ask(
            "PATCH", self.definition, {"spec": {"versions": versions}}, content_type=MERGE
        )
        assert changed.code == 200, changed.body
        if self.server.bare:
            until(lambda: self._is_stored_as(version))

    def _is_stored_as(self, version):
        """Whether a new object, written and read in *version*, needs no webhook."""
        name, before = f"probe-{secrets.token_hex(3)}", len(self.asked)
        self.create(version, name)
        self.server.ask("GET", self.path(version, name))
        settled = len(self.asked) == before
        self.server.ask("DELETE", self.path(version, name))
        return settled

    @property
    def asked(self):
        """All requests so far."""
        return self.hooks.requests(self.hook)

    def has_asked_nobody_since(self, before):
        """A real server asks for what comes into its caches, too, whenever that is."""
        return self.server.bare or len(self.asked) == before

    def path(self, version, name="", part=""):
        base = f"/apis/{self.group}/{version}/namespaces/{self._namespace}/{self.plural}"
        return "/".join(each for each in (base, name, part) if each)

    def object(self, version, name, **metadata):
        spec = {"address": "here:80"} if version == "v1" else {"host": "here", "port": "80"}
        header = {"apiVersion": f"{self.group}/{version}", "kind": "Place"}
        return {**header, "metadata": {"name": name, **metadata}, "spec": {**spec, "replicas": 1}}

    def create(self, version, name, **metadata):
        return self.server.ask("POST", self.path(version), self.object(version, name, **metadata))

    def get(self, version, name):
        return self.server.ask("GET", self.path(version, name))

    def told(self, version):
        """The beginning of what a client is told where an object of *version* can't be converted."""
        return f"conversion webhook for {self.group}/{version}, Kind=Place "


def _version(name, spec, storage):
    properties = {
        "spec": {"type": "object", "properties": spec},
        "status": {
            "type": "object",
            "properties": {"replicas": {"type": "integer"}, "note": {"type": "string"}},
        },
    }
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
        "subresources": {"status": {}, "scale": _SCALE},
    }
