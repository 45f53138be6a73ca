"""A namespace's LimitRanges complete what pods request, and refuse what is too little or too much.

Source: plugin/pkg/admission/limitranger of Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterator

from labkit.embedded import quotas
from labkit.embedded.api.admission.pods import pod_forbidden
from labkit.embedded.interfaces import AdmissionRequest, Client
from labkit.embedded.objects import Obj, annotations_of, name_of
from labkit.embedded.quantities import amount
from labkit.embedded.quotas import Usage
from labkit.embedded.status import forbidden

RANGES = "limitranges"
CLAIMS = "persistentvolumeclaims"
_NOTE = "kubernetes.io/limit-ranger"


class LimitDefaults:
    """An admission plug-in."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, request: AdmissionRequest) -> list[str]:
        if request.resource == "pods" and request.old is None:
            for each in _ranges(self._client, request):
                _complete(request.object, each)
        return []


class Limits:
    """An admission plug-in, asked when the object is complete; ApiError 403."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, request: AdmissionRequest) -> list[str]:
        if request.resource not in ("pods", CLAIMS) or (request.resource == "pods" and request.old):
            return []
        for each in _ranges(self._client, request):
            wrong = list(_wrong(request, each))
            if wrong:
                why = wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]"
                is_pod = request.resource == "pods"
                raise (
                    pod_forbidden(request, why)
                    if is_pod
                    else forbidden(request.resource, name_of(request.object), why)
                )
        return []


def _ranges(client: Client, request: AdmissionRequest) -> list[Obj]:
    return sorted(client.list(RANGES, request.namespace), key=name_of)


def _limits(found: Obj, kind: str) -> list[Obj]:
    return [each for each in found["spec"].get("limits") or () if each["type"] == kind]


def _complete(pod: Obj, found: Obj) -> None:
    default: dict[str, Usage] = {"limits": {}, "requests": {}}
    for each in _limits(found, "Container"):
        default["limits"] |= each.get("default") or {}
        default["requests"] |= each.get("defaultRequest") or {}
    spec, said = pod["spec"], []
    for kind, word in (("containers", "container"), ("initContainers", "init container")):
        for container in spec.get(kind) or ():
            said += [f"{what} for {word} {container['name']}" for what in _fill(container, default)]
    if said:
        note = f"LimitRanger plugin set: {'; '.join(said)}"
        pod["metadata"]["annotations"] = {**annotations_of(pod), _NOTE: note}


def _fill(container: Obj, default: dict[str, Usage]) -> Iterator[str]:
    resources = container.setdefault("resources", {})
    for kind, word in (("requests", "request"), ("limits", "limit")):
        given = resources.get(kind) or {}
        missing = sorted(set(default[kind]) - set(given))
        if missing:
            resources[kind] = {**given, **{name: default[kind][name] for name in missing}}
            yield f"{', '.join(missing)} {word}"


def _wrong(request: AdmissionRequest, found: Obj) -> Iterator[str]:
    if request.resource == CLAIMS:
        resources = {"requests": (request.object["spec"].get("resources") or {}).get("requests") or {}}
        for each in _limits(found, "PersistentVolumeClaim"):
            yield from _too_little(each, resources)
            yield from _too_much(each, {**resources, "limits": resources["requests"]})
        return
    spec = request.object["spec"]
    for each in found["spec"].get("limits") or ():
        if each["type"] == "Container":
            for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
                yield from _all_wrong(each, container.get("resources") or {})
        elif each["type"] == "Pod":
            whole = {kind: quotas.pod_total(request.object, kind) for kind in ("requests", "limits")}
            yield from _all_wrong(each, whole)


def _all_wrong(limit: Obj, resources: dict[str, Usage]) -> Iterator[str]:
    yield from _too_little(limit, resources)
    yield from _too_much(limit, resources)
    for name, most in sorted((limit.get("maxLimitRequestRatio") or {}).items()):
        yield from _ratio(limit["type"], name, most, resources)


def _too_little(limit: Obj, resources: dict[str, Usage]) -> Iterator[str]:
    for name, least in sorted((limit.get("min") or {}).items()):
        request, most = (_of(resources, kind, name) for kind in ("requests", "limits"))
        said = f"minimum {name} usage per {limit['type']} is {least}"
        if request is None:
            yield f"{said}.  No request is specified"
        elif amount(request) < amount(least):
            yield f"{said}, but request is {request}"
        elif most is not None and amount(most) < amount(least):
            yield f"{said}, but limit is {most}"


def _too_much(limit: Obj, resources: dict[str, Usage]) -> Iterator[str]:
    for name, bound in sorted((limit.get("max") or {}).items()):
        request, most = (_of(resources, kind, name) for kind in ("requests", "limits"))
        said = f"maximum {name} usage per {limit['type']} is {bound}"
        if most is None:
            yield f"{said}.  No limit is specified"
        elif amount(most) > amount(bound):
            word = "request" if limit["type"] == "PersistentVolumeClaim" else "limit"
            yield f"{said}, but {word} is {most}"
        elif request is not None and amount(request) > amount(bound):
            yield f"{said}, but request is {request}"


def _ratio(kind: str, name: str, bound: str, resources: dict[str, Usage]) -> Iterator[str]:
    request, most = (_of(resources, each, name) for each in ("requests", "limits"))
    said = f"{name} max limit to request ratio per {kind} is {bound}"
    if request is None or not amount(request):
        yield f"{said}, but no request is specified or request is 0"
    elif most is None or not amount(most):
        yield f"{said}, but no limit is specified or limit is 0"
    elif amount(most) / amount(request) > amount(bound):
        yield f"{said}, but provided ratio is {amount(most) / amount(request):.6f}"


def _of(resources: dict[str, Usage], kind: str, name: str) -> str | None:
    return (resources.get(kind) or {}).get(name)
