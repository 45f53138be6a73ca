"""Istio's rules for a WorkloadGroup, and what comes of one here.

istiod itself does nothing with one until the proxy of a machine outside of the cluster registers and names
it: then it makes a WorkloadEntry after the template. Here no machine can register.
"""

from __future__ import annotations

from collections.abc import Iterator

from labkit.embedded.mesh.validation import common
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.report import Report
from labkit.embedded.objects import Obj

_NOBODY = (
    "no WorkloadEntry is made after it: istiod makes one for a machine outside of the cluster whose proxy "
    "registers, and here none can; write the WorkloadEntry yourself"
)
_METHODS = ("httpGet", "tcpSocket", "exec")
_GRPC = "*v1alpha3.ReadinessProbe_Grpc"


def check(obj: Obj, report: Report) -> None:
    spec = obj.get("spec") or {}
    report.errors_from(_errors(spec))
    report.ineffective("spec.template", _NOBODY)


def _errors(spec: Given) -> Iterator[str]:
    if spec.get("template") is None:
        yield "template is required"
        return
    wrong = next(common.labels((spec.get("metadata") or {}).get("labels")), None)
    if wrong:
        yield f"invalid labels: {wrong}"
    elif spec.get("probe") is not None:
        yield from _probe(spec["probe"])


def _probe(probe: Given) -> Iterator[str]:
    method = next((each for each in _METHODS if probe.get(each) is not None), None)
    if method is None:
        yield f"unknown health check method {_GRPC if probe.get('grpc') is not None else '<nil>'}"
    elif method == "exec":
        if not probe["exec"].get("command"):
            yield "exec.command is required"
    else:
        yield from common.port(probe[method].get("port"))
