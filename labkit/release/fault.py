"""A fault in one destination of a rule: some of its requests fail, or all of them are late.

An EnvoyFilter puts Envoy's own fault filter into the sidecars of the destination's pods, where requests come
in (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/fault_filter). Neither the
rule nor the service is touched, nothing is started again, and any Istio does the same. (The ``fault`` of a
VirtualService is the caller's, and falls upon all destinations of its route alike.)

Whoever calls these pods meets the fault. Their sidecar's log has the flag FI for what failed, DI for what was
late. A connection that is open already serves one more request as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labkit.errors import ApiRefused, LabkitError, UsageError
from labkit.kube.api.api import APPLY_PATCH, Api, Obj
from labkit.kube.api.delete import delete
from labkit.kube.api.resources import DESTINATION_RULES, ENVOY_FILTERS, PODS, SERVICES
from labkit.kube.applying.apply import FIELD_MANAGER
from labkit.kube.connecting.agreement import PART_OF, PART_OF_LAB
from labkit.kube.convergence.acknowledgement import Acknowledgement, Strategy
from labkit.kube.convergence.convergence import wait_for_proxies
from labkit.kube.mesh.destinations import Destination, full_host
from labkit.kube.proxies.proxies import proxy_of
from labkit.language import gettext
from labkit.traffic.numbers import number, whole

LONGEST_DELAY = 60.0
_STATUS = 503
_NAME = "labkit-fault"
_MANAGER = "envoy.filters.network.http_connection_manager"
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"


@dataclass(frozen=True)
class Fault:
    """What is wrong. UsageError for numbers that make no sense."""

    errors: int = 0
    """Of 100 requests: so many are answered with a 503."""
    delay: float = 0.0
    """Seconds that every request waits."""

    def __post_init__(self) -> None:
        if not 0 <= whole("errors", self.errors) <= 100:
            raise UsageError(
                gettext(
                    "errors says how many of 100 requests fail, 0 to 100, not {errors}.", errors=self.errors
                )
            )
        if not 0 <= number("delay", self.delay) <= LONGEST_DELAY:
            raise UsageError(
                gettext(
                    "delay is a number of seconds, 0 to {longest_delay:.0f}, not {delay}.",
                    longest_delay=LONGEST_DELAY,
                    delay=self.delay,
                )
            )

    def __bool__(self) -> bool:
        return bool(self.errors or self.delay)

    def __str__(self) -> str:
        """``fails 30 of 100 requests and answers 1 s late``."""
        parts = [gettext("fails {errors} of 100 requests", errors=self.errors)] if self.errors else []
        parts += [gettext("answers {delay:g} s late", delay=self.delay)] if self.delay else []
        return gettext(" and ").join(parts) or gettext("is well")


def set_fault(
    api: Api, destination: Destination, fault: Fault, *, strategy: Strategy | None = None
) -> Acknowledgement:
    """Let *destination* have *fault*, in the place of one it has, and wait until every proxy knows.

    Raises UsageError where it has no pods with a proxy, or one may not do that here, ApiRefused, WaitTimeout.
    Whatever goes wrong, also an interrupt, it has no fault then.
    """
    wanted = _manifest(destination, fault, _labels(api, destination))
    path = ENVOY_FILTERS.path(wanted["metadata"]["namespace"], wanted["metadata"]["name"])
    query = {"fieldManager": FIELD_MANAGER, "force": True}
    try:
        made = api.request("PATCH", path, query=query, body=wanted, content_type=APPLY_PATCH).object
        revision = str(made["metadata"]["resourceVersion"])
        return wait_for_proxies(api, revision, strategy=strategy)
    except BaseException as error:
        _forget(api, destination)
        if isinstance(error, ApiRefused) and error.code == 403:
            raise UsageError(_not_allowed(_namespace(destination), error)) from error
        raise


def _not_allowed(namespace: str, error: ApiRefused) -> str:
    return gettext(
        "Nothing is broken: it takes an EnvoyFilter in {namespace}, and you may not make "
        "any. Who gave you your rights can add this one: `labkit look --roles USER` prints "
        "them all. ({error})",
        namespace=namespace,
        error=error,
    )


def end_fault(api: Api, destination: Destination, *, strategy: Strategy | None = None) -> bool:
    """Let *destination* be as it was, and wait until every proxy knows; False where it had no fault."""
    if not delete(api, ENVOY_FILTERS, _namespace(destination), _name(destination)):
        return False
    wait_for_proxies(api, strategy=strategy)
    return True


def find_faults(api: Api, destinations: Mapping[str, Destination]) -> dict[str, Fault]:
    """The faults that some destinations have, whoever has given them; those that have none are left out."""
    labelled = {"labelSelector": f"{PART_OF}={PART_OF_LAB}"}
    there = {
        (namespace, str(one["metadata"]["name"])): _read(one)
        for namespace in {_namespace(each) for each in destinations.values()} - {""}
        for one in api.items(ENVOY_FILTERS.path(namespace), **labelled)
    }
    found = {name: there.get((_namespace(one), _name(one))) for name, one in destinations.items()}
    return {name: fault for name, fault in found.items() if fault}


def is_fault(obj: Obj) -> bool:
    """Whether *obj* is what :func:`set_fault` makes."""
    metadata = obj["metadata"]
    labels = metadata.get("labels") or {}
    return str(metadata["name"]).startswith(f"{_NAME}-") and labels.get(PART_OF) == PART_OF_LAB


def _forget(api: Api, destination: Destination) -> None:
    try:
        delete(api, ENVOY_FILTERS, _namespace(destination), _name(destination), wait=False)
    except LabkitError:
        return  # the cluster is gone, and what went wrong first is told


# ---------------------------------------------------------------------------------------------- whose pods


def _labels(api: Api, destination: Destination) -> Mapping[str, str]:
    """The labels of its pods. UsageError where it has none with a proxy."""
    service, _, namespace = destination.host.partition(".")
    found = api.find(SERVICES.path(namespace, service)) if "." not in namespace else None
    selector = ((found or {}).get("spec") or {}).get("selector")
    if not selector:
        raise UsageError(
            gettext(
                "{destination} is no Service with pods of its own, so nothing in it can be broken.",
                destination=destination,
            )
        )
    labels = {**selector, **_of_subset(api, destination)}
    selected = ",".join(f"{key}={value}" for key, value in labels.items())
    pods = api.items(PODS.path(namespace), labelSelector=selected)
    if not any(map(proxy_of, pods)):
        raise UsageError(
            gettext(
                "{destination} has no pod with a sidecar now, and a sidecar is what makes its "
                "requests fail: `kubectl get pods -n {namespace} -l {selected}` shows what there is.",
                destination=destination,
                namespace=namespace,
                selected=selected,
            )
        )
    return labels


def _of_subset(api: Api, destination: Destination) -> Mapping[str, str]:
    if not destination.subset:
        return {}
    namespace = _namespace(destination)
    for rule in api.items(DESTINATION_RULES.path(namespace)):
        spec = rule.get("spec") or {}
        if full_host(str(spec.get("host") or ""), namespace) == destination.host:
            for one in spec.get("subsets") or []:
                if one.get("name") == destination.subset:
                    return one.get("labels") or {}
    raise UsageError(
        gettext(
            "No DestinationRule in {namespace} says which pods are {destination}.",
            namespace=namespace,
            destination=destination,
        )
    )


def _namespace(destination: Destination) -> str:
    return destination.host.partition(".")[2]


def _name(destination: Destination) -> str:
    subset = f"-{destination.subset.lower()}" if destination.subset else ""
    return f"{_NAME}-{destination.host.partition('.')[0]}{subset}"


# ------------------------------------------------------------------------------------------------ the object


def _manifest(destination: Destination, fault: Fault, labels: Mapping[str, str]) -> Obj:
    name = _name(destination)
    manager = {"name": _MANAGER, "subFilter": {"name": "envoy.filters.http.router"}}
    patch = {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "SIDECAR_INBOUND", "listener": {"filterChain": {"filter": manager}}},
        "patch": {
            "operation": "INSERT_BEFORE",
            "value": {"name": name, "typed_config": {"@type": _TYPE, **_config(fault)}},
        },
    }
    return {
        "apiVersion": ENVOY_FILTERS.group_version,
        "kind": ENVOY_FILTERS.kind,
        "metadata": {
            "name": name,
            "namespace": _namespace(destination),
            "labels": {PART_OF: PART_OF_LAB},
        },
        "spec": {"workloadSelector": {"labels": dict(labels)}, "configPatches": [patch]},
    }


def _config(fault: Fault) -> Obj:
    found: Obj = {}
    if fault.errors:
        found["abort"] = {"http_status": _STATUS, "percentage": {"numerator": fault.errors}}
    if fault.delay:
        found["delay"] = {"fixed_delay": f"{fault.delay:.3f}s", "percentage": {"numerator": 100}}
    return found


def _read(obj: Obj) -> Fault:
    try:
        config = obj["spec"]["configPatches"][0]["patch"]["value"]["typed_config"]
        errors = config.get("abort", {}).get("percentage", {}).get("numerator", 0)
        delay = float(str(config.get("delay", {}).get("fixed_delay", "0s")).removesuffix("s"))
        return Fault(int(errors), delay)
    except (LookupError, AttributeError, TypeError, ValueError, UsageError):
        return Fault()  # somebody has made another thing of it


class Broken:
    """A destination with a fault until :meth:`off`; in a ``with`` statement, until its end.

    name: what the destination is called here.
    """

    def __init__(
        self,
        api: Api,
        destination: Destination,
        fault: Fault,
        *,
        name: str,
        strategy: Strategy | None = None,
    ) -> None:
        self._api, self.destination, self._name, self._strategy = api, destination, name, strategy
        self.fault = fault
        """What is wrong with it; nothing any more once it is off."""
        self.acknowledged = set_fault(api, destination, fault, strategy=strategy)
        """Which proxies had it, and after how long."""

    def off(self) -> None:
        """Let it be well again. Again and again is fine."""
        end_fault(self._api, self.destination, strategy=self._strategy)
        self.fault = Fault()

    def __enter__(self) -> Broken:
        return self

    def __exit__(self, *_: object) -> None:
        self.off()

    def __repr__(self) -> str:
        return f"{self._name} {self.fault}{', until .off()' if self.fault else ''}."
