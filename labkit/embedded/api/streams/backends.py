"""The pods behind a service: where a request to it goes on to."""

from __future__ import annotations

import random
from dataclasses import dataclass

from labkit.embedded.api.objects.verbs import Verbs
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError

_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True)
class Backend:
    """One port of one pod."""

    namespace: str
    pod: str
    port: int


class Backends:
    """Finds them by their EndpointSlices."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    def of_service(self, namespace: str, name: str, port: str | int = "") -> Backend:
        """One that is ready, any; ApiError 404 or 503. *port*: a name or a number, else the first one."""
        service = self._verbs.get("services", name, namespace)
        wanted = _service_port(service, str(port))
        choices = self._ready(name, namespace, wanted.get("name", ""))
        if not choices:
            told = f"{name}:{port}" if isinstance(port, str) and port else name
            raise ApiError(503, "ServiceUnavailable", f'no endpoints available for service "{told}"')
        return random.choice(choices)

    def _ready(self, service: str, namespace: str, port: str) -> list[Backend]:
        """Every ready pod behind the named port of *service*."""
        slices = self._verbs.objects("endpointslices.discovery.k8s.io", namespace)
        own = [each for each in slices if (each["metadata"].get("labels") or {}).get(_LABEL) == service]
        return [backend for each in own for backend in _ready(each, namespace, port)]


def _ready(endpoint_slice: Obj, namespace: str, port_name: str) -> list[Backend]:
    ports = endpoint_slice.get("ports") or ()
    numbers = [each["port"] for each in ports if each.get("name", "") == port_name]
    endpoints = endpoint_slice.get("endpoints") or ()
    ready = [each for each in endpoints if (each.get("conditions") or {}).get("ready", True)]
    pods = [reference["name"] for each in ready if (reference := each.get("targetRef"))]
    return [Backend(namespace, pod, number) for pod in pods for number in numbers]


def _service_port(service: Obj, wanted: str) -> Obj:
    ports: list[Obj] = service.get("spec", {}).get("ports") or []
    for port in ports:
        if wanted in ("", port.get("name"), str(port.get("port"))):
            return port
    name = service["metadata"]["name"]
    raise ApiError(503, "ServiceUnavailable", f'no service port "{wanted}" found for service "{name}"')
