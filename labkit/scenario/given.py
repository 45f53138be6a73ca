"""What an administrator gives a learner who may not make namespaces: these, and the rights in them."""

from __future__ import annotations

import shlex

import yaml

from labkit.kube.api.api import Obj
from labkit.kube.api.manifests import parse, read
from labkit.kube.api.permissions import roles
from labkit.language import gettext, gettext_noop
from labkit.scenario.learner import Learner
from labkit.scenario.personal import personal
from labkit.scenario.recorded import namespace_object, record_namespace

_HEAD = gettext_noop("""\
# Made for `kubectl apply -f -` by an administrator. Where Istio was installed by revisions, the label of
# the namespaces is `istio.io/rev=REVISION` instead of `istio-injection=enabled`.
# To take all of it back, this learner's namespaces with what is in them, and nobody else's:
""")


def given(user: str, learner: Learner) -> str:
    """The *learner*'s namespaces and Roles as YAML; *user* is the name by which the cluster knows them."""
    namespaces = namespaces_of_the_book(learner)
    names = [namespace["metadata"]["name"] for namespace in namespaces]
    command = f"LABKIT_USER={shlex.quote(learner.name)} labkit look --roles {shlex.quote(user)}"
    made = yaml.safe_dump_all([*namespaces, namespace_object(learner)], sort_keys=False)
    head = f"{gettext(_HEAD)}#   {command} | kubectl delete --ignore-not-found -f -\n"
    return f"{head}{made}---\n{roles(user, names, record_namespace(learner))}"


def namespaces_of_the_book(learner: Learner) -> list[Obj]:
    """Every Namespace that some manifest of the book describes, as it is for *learner*."""
    sources = (personal(read(path), learner) for path in sorted(learner.scenario.manifests.rglob("*.yml")))
    objects = (manifest.object for source in sources for manifest in parse(source))
    return [obj for obj in objects if obj["kind"] == "Namespace"]


def without_proxies(learner: Learner) -> list[str]:
    """Names of those among them whose pods shall have no proxy: they ask for no injection."""
    plain = (each["metadata"] for each in namespaces_of_the_book(learner) if not _asks_for_injection(each))
    return [metadata["name"] for metadata in plain]


def _asks_for_injection(namespace: Obj) -> bool:
    return (namespace["metadata"].get("labels") or {}).get("istio-injection") == "enabled"
