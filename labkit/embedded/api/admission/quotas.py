"""Nothing is created beyond a namespace's ResourceQuotas: plugin ResourceQuota.

What is used is counted when it is asked for: here nobody else has a turn meanwhile. The numbers in a quota's
status, which people look at, are its controller's.
"""

from __future__ import annotations

from collections.abc import Iterator

from labkit.embedded import quotas
from labkit.embedded.interfaces import AdmissionRequest, Client
from labkit.embedded.objects import Obj, name_of
from labkit.embedded.quantities import amount
from labkit.embedded.quotas import QUOTAS, Usage
from labkit.embedded.status import forbidden


class Quotas:
    """An admission plug-in, asked when the object is complete; ApiError 403."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, request: AdmissionRequest) -> list[str]:
        if not request.namespace or (request.resource == "pods" and request.old is not None):
            return []
        for quota in sorted(self._client.list(QUOTAS, request.namespace), key=name_of):
            if why := self._why_not(quota, request):
                raise forbidden(request.resource, name_of(request.object), why)
        return []

    def _why_not(self, quota: Obj, request: AdmissionRequest) -> str:
        names = quotas.concerns(quota, request.resource, request.object)
        if not names:
            return ""
        if missing := _unnamed(request, names):
            return f"failed quota: {name_of(quota)}: must specify {missing}"
        wanted = quotas.usage(request.resource, request.object)
        if request.old is not None:
            wanted = quotas.without(wanted, quotas.usage(request.resource, request.old))
        wanted = {name: wanted[name] for name in sorted(names) if amount(wanted.get(name, "0"))}
        used = quotas.used_of(quota, self._objects(quota, request)) if wanted else {}
        hard: Usage = quota["spec"]["hard"]
        over = [name for name in wanted if amount(used[name]) + amount(wanted[name]) > amount(hard[name])]
        if not over:
            return ""
        parts = (f"{word}: {_listed(of, over)}" for word, of in (("requested", wanted), ("used", used)))
        return f"exceeded quota: {name_of(quota)}, {', '.join(parts)}, limited: {_listed(hard, over)}"

    def _objects(self, quota: Obj, request: AdmissionRequest) -> Iterator[tuple[str, Obj]]:
        for resource in quotas.resources_of(quota):
            yield from ((resource, each) for each in self._client.list(resource, request.namespace))


def _listed(amounts: Usage, names: list[str]) -> str:
    return ",".join(f"{name}={amounts[name]}" for name in sorted(names))


def _unnamed(request: AdmissionRequest, names: list[str]) -> str:
    """What containers of a pod leave open though a quota counts it."""
    if request.resource != "pods":
        return ""
    spec = request.object["spec"]
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    missing = {
        name: sorted(each["name"] for each in containers if name not in quotas.container_usage(each))
        for name in sorted(set(names) & set(quotas.STRICT))
    }
    return "; ".join(f"{name} for: {','.join(who)}" for name, who in missing.items() if who)
