"""What is worked out when somebody looks: ``metrics.k8s.io``, which is what pods and nodes use, as the node
has measured it (``kubectl top``), and APIServices.
"""

from __future__ import annotations

from aiohttp import web

from labkit.embedded.api.kinds import api_services
from labkit.embedded.api.objects.call import Call
from labkit.embedded.api.objects.listing import Page
from labkit.embedded.api.objects.selectors import selection
from labkit.embedded.api.objects.verbs import Verbs
from labkit.embedded.api.request import options, responses
from labkit.embedded.api.request.target import not_allowed
from labkit.embedded.interfaces import PodRuntime, Usage
from labkit.embedded.objects import Obj, labels_of, name_of, namespace_of, timestamp
from labkit.embedded.status import generic, not_found

_NANO = 10**9


class Measured:
    """Answers gets and lists."""

    def __init__(self, verbs: Verbs, runtime: PodRuntime) -> None:
        self._verbs, self._runtime = verbs, runtime

    def answer(self, call: Call) -> web.Response:
        """One object or a list; ApiError 404 for what is not measured, 405 for anything but a look."""
        target = call.target
        if call.request.method != "GET" and target.kind.name == api_services.RESOURCE:
            raise generic(405, "MethodNotAllowed", api_services.NOT_AGGREGATED)
        if call.request.method != "GET" or options.flag(call.query, "watch"):
            raise not_allowed()
        if not target.name:
            chosen = selection(target.kind, call.query, target.version)
            found = [each for each in self._all(call) if chosen.matches(each)]
            return responses.answer(call.request, call.presenter.page(Page(found, {})), form=call.form)
        obj = next((each for each in self._all(call) if name_of(each) == target.name), None)
        if obj is None:
            raise not_found(target.kind.name, target.name)
        return responses.answer(call.request, call.presenter.object(obj), form=call.form)

    def _all(self, call: Call) -> list[Obj]:
        target = call.target
        found: list[Obj | None]
        if target.kind.name == api_services.RESOURCE:
            since = self._verbs.get("namespaces", "kube-system")["metadata"]["creationTimestamp"]
            found = list(api_services.all_of(call.registry, since))
        elif target.kind.namespaced:
            pods = self._verbs.objects("pods", target.namespace)
            found = [self._pod(each) for each in pods if not call.target.name or _named(each, target.name)]
        else:
            found = [self._node(each) for each in self._verbs.objects("nodes")]
        header = {"kind": target.kind.kind, "apiVersion": target.api_version}
        return [{**header, **each} for each in found if each]

    def _pod(self, pod: Obj) -> Obj | None:
        usage = self._runtime.usage(namespace_of(pod), name_of(pod))
        if not usage:
            return None
        containers = [{"name": name, "usage": _amounts(each)} for name, each in usage.items()]
        return {**_head(pod, max(each.window for each in usage.values())), "containers": containers}

    def _node(self, node: Obj) -> Obj | None:
        usage = self._runtime.node_usage(name_of(node))
        return {**_head(node, usage.window), "usage": _amounts(usage)} if usage else None


def _named(obj: Obj, name: str) -> bool:
    return name_of(obj) == name


def _head(obj: Obj, window: float) -> Obj:
    metadata = {"name": name_of(obj), "creationTimestamp": timestamp()}
    if namespace_of(obj):
        metadata["namespace"] = namespace_of(obj)
    labels = {"labels": labels_of(obj)} if labels_of(obj) else {}
    shown = f"{window:.3f}".rstrip("0").rstrip(".") + "s"
    return {"metadata": {**metadata, **labels}, "timestamp": timestamp(), "window": shown}


def _amounts(usage: Usage) -> Obj:
    """As metrics-server writes them: billionths of a core, whole kibibytes."""
    cores = round(usage.cpu * _NANO)
    return {"cpu": f"{cores}n" if cores else "0", "memory": f"{usage.memory // 1024}Ki"}
