"""Pods and pod templates: the mistakes people make in them."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.meta import labels
from labkit.embedded.api.kinds.pods import ephemeral
from labkit.embedded.objects import Obj
from labkit.embedded.quantities import amount

PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_TERMINATION_POLICIES = ("File", "FallbackToLogsOnError")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_PROBE_NUMBERS = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
)
_LONGEST_DEADLINE = 2**31 - 1
_UPDATABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod(causes: Causes, obj: Obj, old: Obj | None) -> None:
    """A Pod, and what may change in one."""
    pod_spec(causes, "spec", obj.get("spec") or {})
    if old is None:
        ephemeral.check_new(causes, "spec", obj.get("spec") or {}, "cannot be set on create")
    else:
        _pod_update(causes, obj.get("spec") or {}, old.get("spec") or {})


def template(causes: Causes, field: str, value: Obj) -> None:
    """A pod template."""
    labels(causes, f"{field}.metadata.labels", (value.get("metadata") or {}).get("labels"))
    pod_spec(causes, f"{field}.spec", value.get("spec") or {})
    why = "ephemeral containers not allowed in pod template"
    ephemeral.check_new(causes, f"{field}.spec", value.get("spec") or {}, why)


def pod_spec(causes: Causes, field: str, spec: Obj) -> None:
    """The spec of a pod or template, after defaulting."""
    volumes = _volumes(causes, f"{field}.volumes", spec.get("volumes") or [])
    containers = spec.get("containers") or []
    if not containers:
        causes.required(f"{field}.containers")
    seen: set[str] = set()
    for name in ("containers", "initContainers", ephemeral.KEY):
        _containers(causes, f"{field}.{name}", spec.get(name) or [], volumes, seen)
    ephemeral.check(causes, f"{field}.{ephemeral.KEY}", spec)
    causes.one_of(f"{field}.restartPolicy", spec.get("restartPolicy"), _RESTART_POLICIES)
    causes.one_of(f"{field}.dnsPolicy", spec.get("dnsPolicy"), _DNS_POLICIES)
    causes.not_negative(f"{field}.terminationGracePeriodSeconds", spec.get("terminationGracePeriodSeconds"))
    _deadline(causes, f"{field}.activeDeadlineSeconds", spec.get("activeDeadlineSeconds"))
    labels(causes, f"{field}.nodeSelector", spec.get("nodeSelector"))
    _sysctls(causes, f"{field}.securityContext.sysctls", (spec.get("securityContext") or {}).get("sysctls"))
    for key in ("serviceAccountName", "nodeName"):
        if spec.get(key):
            causes.invalid_each(f"{field}.{key}", spec[key], names.dns_subdomain(spec[key]))


def _deadline(causes: Causes, field: str, seconds: int | None) -> None:
    if seconds is not None and not 1 <= seconds <= _LONGEST_DEADLINE:
        causes.invalid(field, seconds, f"must be between 1 and {_LONGEST_DEADLINE}, inclusive")


def _sysctls(causes: Causes, field: str, sysctls: list[Obj] | None) -> None:
    seen: set[str] = set()
    for index, each in enumerate(sysctls or []):
        at, name = f"{field}[{index}].name", str(each.get("name") or "")
        wrong = names.sysctl_name(name)
        if not name:
            causes.required(at)
        elif not wrong and name in seen:
            causes.duplicate(at, name)
        else:
            causes.invalid_each(at, name, wrong)
        seen.add(name)


def _volumes(causes: Causes, field: str, volumes: list[Obj]) -> set[str]:
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        at, name = f"{field}[{index}]", volume.get("name", "")
        if not name:
            causes.required(f"{at}.name")
        else:
            causes.invalid_each(f"{at}.name", name, names.dns_label(name))
        if name and name in seen:
            causes.duplicate(f"{at}.name", name)
        sources = [key for key in volume if key != "name"]
        for extra in sources[1:]:
            causes.forbidden(f"{at}.{extra}", "may not specify more than 1 volume type")
        seen.add(name)
    return seen


def _containers(causes: Causes, field: str, containers: list[Obj], volumes: set[str], seen: set[str]) -> None:
    for index, container in enumerate(containers):
        at, name = f"{field}[{index}]", container.get("name", "")
        if not name:
            causes.required(f"{at}.name")
        else:
            causes.invalid_each(f"{at}.name", name, names.dns_label(name))
        if name and name in seen:
            causes.duplicate(f"{at}.name", name)
        seen.add(name)
        _container(causes, at, container, volumes)


def _container(causes: Causes, at: str, container: Obj, volumes: set[str]) -> None:
    if not container.get("image"):
        causes.required(f"{at}.image")
    causes.one_of(f"{at}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)
    policy = container.get("terminationMessagePolicy")
    causes.one_of(f"{at}.terminationMessagePolicy", policy, _TERMINATION_POLICIES)
    _ports(causes, f"{at}.ports", container.get("ports") or [])
    _environment(causes, f"{at}.env", container.get("env") or [])
    _mounts(causes, f"{at}.volumeMounts", container.get("volumeMounts") or [], volumes)
    _resources(causes, f"{at}.resources", container.get("resources") or {})
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe):
            _probe(causes, f"{at}.{probe}", container[probe])
    for hook, handler in (container.get("lifecycle") or {}).items():
        if isinstance(handler, dict):
            _handler(causes, f"{at}.lifecycle.{hook}", handler)


def _ports(causes: Causes, field: str, ports: list[Obj]) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at, name = f"{field}[{index}]", port.get("name")
        if name:
            wrong = names.port_name(name)
            causes.invalid_each(f"{at}.name", name, wrong)
            if not wrong and name in seen:
                causes.duplicate(f"{at}.name", name)
            seen.add(name)
        if not port.get("containerPort"):
            causes.required(f"{at}.containerPort")
        for key in ("containerPort", "hostPort"):
            if port.get(key):
                causes.invalid_each(f"{at}.{key}", port[key], names.port_number(port[key]))
        causes.one_of(f"{at}.protocol", port.get("protocol"), PROTOCOLS)


def _environment(causes: Causes, field: str, variables: list[Obj]) -> None:
    for index, variable in enumerate(variables):
        at, source = f"{field}[{index}]", variable.get("valueFrom")
        if not variable.get("name"):
            causes.required(f"{at}.name")
        else:
            causes.invalid_each(f"{at}.name", variable["name"], names.env_name(variable["name"]))
        if source is not None and len(source) != 1:
            wanted = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
            detail = (
                f"must specify one of: {wanted}"
                if not source
                else "may not have more than one field specified at a time"
            )
            causes.invalid(f"{at}.valueFrom", "", detail)
        elif source and variable.get("value"):
            causes.invalid(f"{at}.valueFrom", "", "may not be specified when `value` is not empty")


def _mounts(causes: Causes, field: str, mounts: list[Obj], volumes: set[str]) -> None:
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        at, name, path = f"{field}[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            causes.required(f"{at}.name")
        if name not in volumes:
            causes.not_found(f"{at}.name", name)
        if not path:
            causes.required(f"{at}.mountPath")
        elif path in seen:
            causes.invalid(f"{at}.mountPath", path, "must be unique")
        seen.add(path)


def _resources(causes: Causes, field: str, resources: Obj) -> None:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for group, values in (("limits", limits), ("requests", requests)):
        for name, value in values.items():
            if amount(value) < 0:
                causes.invalid(f"{field}.{group}[{name}]", value, "must be greater than or equal to 0")
    for name, value in requests.items():
        if name in limits and amount(value) > amount(limits[name]):
            detail = f"must be less than or equal to {name} limit of {limits[name]}"
            causes.invalid(f"{field}.requests", value, detail)


def _probe(causes: Causes, field: str, probe: Obj) -> None:
    _handler(causes, field, probe)
    for key in _PROBE_NUMBERS:
        causes.not_negative(f"{field}.{key}", probe.get(key))
    if not field.endswith("readinessProbe") and probe.get("successThreshold", 1) != 1:
        causes.invalid(f"{field}.successThreshold", probe["successThreshold"], "must be 1")


def _handler(causes: Causes, field: str, handler: Obj) -> None:
    given = [kind for kind in _HANDLERS if handler.get(kind) is not None]
    for extra in given[1:]:
        causes.forbidden(f"{field}.{extra}", "may not specify more than 1 handler type")
    if not given:
        causes.required(field, "must specify a handler type")
    for kind in ("httpGet", "tcpSocket"):
        if handler.get(kind):
            port = handler[kind].get("port", 0)
            causes.invalid_each(f"{field}.{kind}.port", port, names.port(port))
    if handler.get("exec") is not None and not handler["exec"].get("command"):
        causes.required(f"{field}.exec.command")
    http = handler.get("httpGet") or {}
    if http:
        causes.one_of(f"{field}.httpGet.scheme", http.get("scheme"), ("HTTP", "HTTPS"))
    for header in http.get("httpHeaders") or ():
        name = header.get("name", "")
        causes.invalid_each(f"{field}.httpGet.httpHeaders", name, names.header_name(name))


def _pod_update(causes: Causes, new: Obj, old: Obj) -> None:
    if new == old:
        return
    for kind in ("containers", "initContainers"):
        if len(new.get(kind) or ()) != len(old.get(kind) or ()):
            causes.forbidden(f"spec.{kind}", "pod updates may not add or remove containers")
            return
    _deadline_update(causes, new.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds"))
    if _fixed(new, new) != _fixed(old, new):
        causes.forbidden("spec", _UPDATABLE)


def _deadline_update(causes: Causes, new: int | None, old: int | None) -> None:
    """It may be set, and shortened."""
    field = "spec.activeDeadlineSeconds"
    if old is not None and new is None:
        causes.invalid(field, new, "must not update from a positive integer to nil value")
    elif old is not None and new is not None and new > old:
        causes.invalid(field, new, "must be less than or equal to previous value")


def _fixed(spec: Obj, new: Obj) -> Obj:
    """*spec* without what an update (or the scheduler's binding) may change."""
    fixed = copy.deepcopy(spec)
    for container in _all_containers(fixed):
        container.pop("image", None)
    for key in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        fixed.pop(key, None)
    if not fixed.get("nodeName"):
        fixed["nodeName"] = new.get("nodeName")
    if fixed.get("terminationGracePeriodSeconds", 0) < 0 and new.get("terminationGracePeriodSeconds") == 1:
        fixed["terminationGracePeriodSeconds"] = 1
    return fixed


def _all_containers(spec: Obj) -> Iterable[Obj]:
    return [each for kind in ("containers", "initContainers") for each in spec.get(kind) or ()]
