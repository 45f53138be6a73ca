"""``istioctl install``, through the Kubernetes API like the real one: apply, wait, prune.

Running it twice changes nothing the second time; running it with fewer components removes the ones
it installed before and nothing else (they are found by the labels it gave them).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from labkit.errors import ClusterError
from labkit.istio import elsewhere, manifests
from labkit.istio.profiles import NAMESPACE, Settings
from labkit.kube.api.api import APPLY_PATCH, MERGE_PATCH, Api, Obj
from labkit.kube.api.resources import Resource, resource_of
from labkit.kube.api.wait import wait_for_rollouts

FIELD_MANAGER = "istio-operator"
OPENED_PORTS = "/api/v1/namespaces/kube-public/configmaps/labkit-load-balancer"
"""Where an embedded cluster says which ports its node can open for a load balancer."""

PRUNED = (
    Resource("apps", "v1", "Deployment", "deployments", True),
    Resource("", "v1", "Service", "services", True),
    Resource("", "v1", "ServiceAccount", "serviceaccounts", True),
    Resource("", "v1", "ConfigMap", "configmaps", True),
    Resource("rbac.authorization.k8s.io", "v1", "Role", "roles", True),
    Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", True),
    *(
        Resource("admissionregistration.k8s.io", "v1", kind, f"{kind.lower()}s", False)
        for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
    ),
)


def install(api: Api, settings: Settings, say: Callable[[str], None] = lambda _: None) -> None:
    """Install what *settings* ask for and wait until it runs; *say* hears each part that is done.

    On a cluster that is not the book's own see :mod:`labkit.istio.elsewhere`.
    """
    if api.shared or api.find(OPENED_PORTS) is None:
        elsewhere.install(api, settings, say)
        return
    ports = _opened_ports(api)
    _apply(api, [manifests.namespace()])
    kept = _apply(api, manifests.core(settings))
    say("Istio core installed")
    istiod = _apply(api, manifests.istiod(settings)) if settings.istiod else []
    gateways = {kind: settings.of_kind(kind) for kind in ("ingress", "egress")}
    # Not after istiod is ready: an Envoy starts while istiod does, and waits for it where it is quicker.
    applied = {"Istiod": istiod} | {
        f"{kind.capitalize()} gateways": _apply(api, [o for g in found for o in manifests.gateway(g, ports)])
        for kind, found in gateways.items()
    }
    surplus = _surplus(api, [*kept, *itertools.chain.from_iterable(applied.values())])
    for name, found in applied.items():
        if found:
            _wait(api, found)
            say(f"{name} installed")
    _delete(api, surplus)
    say("Installation complete")


def uninstall(api: Api) -> None:
    """Remove everything an install made; what others put into the namespace stays."""
    _delete(api, _surplus(api, []))


def is_installed(api: Api) -> bool:
    """Whether there is an istiod."""
    return api.find(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/istiod") is not None


def wait(api: Api, *, timeout: float = 120.0, passing: Callable[[str], None] | None = None) -> None:
    """Wait until all that an install made runs; see :func:`labkit.kube.api.wait.wait_for_rollouts`."""
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
    found = api.items(path, labelSelector=manifests.OWNER)
    names = [(NAMESPACE, deployment["metadata"]["name"]) for deployment in found]
    wait_for_rollouts(api, names, timeout=timeout, passing=passing)


def follow_ports(api: Api) -> None:
    """Move ingress gateways to the ports the node can open now: some may have been taken since."""
    wanted = manifests.ingress_ports(_opened_ports(api))
    services = f"/api/v1/namespaces/{NAMESPACE}/services"
    for service in api.items(services, labelSelector=f"{manifests.COMPONENT}=IngressGateways"):
        if _numbers(service["spec"]["ports"]) != _numbers(wanted):
            path = f"{services}/{service['metadata']['name']}"
            api.request("PATCH", path, body={"spec": {"ports": wanted}}, content_type=MERGE_PATCH)


def _numbers(ports: Sequence[Obj]) -> set[tuple[str, int]]:
    return {(port.get("name", ""), port["port"]) for port in ports}


def _opened_ports(api: Api) -> manifests.ListenPorts:
    found = api.find(OPENED_PORTS)
    if found is None:
        raise ClusterError(
            f"{api.host} is no cluster of labkit's; install Istio there with the real istioctl."
        )
    return manifests.ListenPorts(int(found["data"]["http"]), int(found["data"]["https"]))


def _apply(api: Api, objects: Sequence[Obj]) -> list[Obj]:
    query = {"fieldManager": FIELD_MANAGER, "force": True}
    for obj in objects:
        path = resource_of(api, obj).path(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        api.request("PATCH", path, query=query, body=obj, content_type=APPLY_PATCH)
    return list(objects)


def _wait(api: Api, objects: Sequence[Obj]) -> None:
    wait_for_rollouts(api, [(NAMESPACE, o["metadata"]["name"]) for o in objects if o["kind"] == "Deployment"])


def _surplus(api: Api, kept: Sequence[Obj]) -> list[str]:
    """What an install made and none wants any more: paths."""
    wanted = {(obj["kind"], obj["metadata"]["name"]) for obj in kept}
    return [
        resource.path(NAMESPACE, obj["metadata"]["name"])
        for resource in PRUNED
        for obj in api.items(resource.path(NAMESPACE), labelSelector=manifests.OWNER)
        # Pods' templates carry the same labels, so do the ReplicaSets: they go with their Deployment.
        if (resource.kind, obj["metadata"]["name"]) not in wanted
    ]


def _delete(api: Api, paths: Sequence[str]) -> None:
    for path in paths:
        api.request("DELETE", path)
