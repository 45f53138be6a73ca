"""Who uses what was applied, asked of the control plane through the API server's pod proxy.

istiod's ``/debug/syncz`` says what each proxy was sent and what it acknowledged. The embedded one also
takes a revision of the store and holds the answer back until that revision has reached everybody, so
nothing is polled.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

import urllib3

from labkit.errors import ApiRefused, ClusterError, WaitTimeout
from labkit.kube.api.api import Api, Obj, Reply
from labkit.kube.api.conditions import is_serving
from labkit.kube.api.resources import NAMESPACES, PODS
from labkit.kube.convergence.acknowledgement import ObjectFault, ProxyState, laggards
from labkit.kube.mesh.ways import RuleName
from labkit.language import gettext

ISTIOD = ("istio-system", "app=istiod")
DEBUG_PORT = 15014


class NoRevisions(ClusterError):  # noqa: N818
    """This istiod does not say up to which revision its proxies are."""


class NoIstiod(WaitTimeout):
    """No istiod runs here."""


class AskIstiod:
    """Long polls of istiod's ``/debug/syncz``."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._path = ""
        self._faults: tuple[ObjectFault, ...] = ()

    @property
    def faults(self) -> tuple[ObjectFault, ...]:
        return self._faults

    def wait(self, revision: str, timeout: float, rules: Collection[RuleName] = ()) -> tuple[ProxyState, ...]:
        """See :class:`.acknowledgement.Strategy`; a revision says it all, whatever was changed."""
        deadline = time.monotonic() + timeout
        revision = revision or current_revision(self._api)
        while True:
            left = max(0.0, deadline - time.monotonic())
            report = self._ask(revision, left)
            if report.get("converged"):
                self._faults = _faults(report)
                return _states(report)
            if time.monotonic() >= deadline:
                raise WaitTimeout(laggards(_states(report), timeout))

    def _ask(self, revision: str, seconds: float) -> Obj:
        query = {"revision": revision, "timeout": f"{seconds:.3f}"}
        patience = urllib3.Timeout(connect=5.0, read=seconds + 10.0)
        for attempt in ("the pod known", "a fresh look"):
            path = self._path or self._find()
            try:
                return _report(self._api.request("GET", path, query=query, timeout=patience))
            except ApiRefused:
                self._path = ""  # istiod may have been restarted, with another name
                if attempt == "a fresh look":
                    raise
        raise AssertionError("the second attempt returns or raises")

    def _find(self) -> str:
        namespace, selector = ISTIOD
        pods = self._api.items(PODS.path(namespace), labelSelector=selector)
        running = [pod for pod in pods if is_serving(pod)]
        if not running:
            raise NoIstiod(
                gettext("istiod is not running, so no proxy learns of the change. See lab.pods().")
            )
        pod = PODS.path(namespace, f"{running[0]['metadata']['name']}:{DEBUG_PORT}")
        self._path = f"{pod}/proxy/debug/syncz"
        return self._path


def current_revision(api: Api) -> str:
    """The newest resourceVersion of the cluster."""
    return str(api.get(NAMESPACES.path(), limit=1)["metadata"]["resourceVersion"])


def _report(reply: Reply) -> Obj:
    try:
        report = reply.object
    except ValueError:
        report = {}
    if not isinstance(report, dict) or "converged" not in report:  # a real one sends a list
        raise NoRevisions("istiod does not say which revision its proxies have.")
    return report


def _states(report: Mapping[str, Any]) -> tuple[ProxyState, ...]:
    entries = report.get("proxies") or []
    return tuple(ProxyState(entry["proxy"], entry["state"], entry.get("error") or "") for entry in entries)


def _faults(report: Mapping[str, Any]) -> tuple[ObjectFault, ...]:
    names = [field.name for field in fields(ObjectFault)]
    found = report.get("objects") or []
    return tuple(ObjectFault(**{name: str(entry.get(name, "")) for name in names}) for entry in found)
