"""The exercise's own services, under both of its tags, and two for trying the ways out of the mesh."""

from __future__ import annotations

import sys

from labkit.embedded.images.commands import commands
from labkit.embedded.images.program import Program

REPOSITORY = "artashesavetisyan/istio-basics-course"
SERVICES = {
    "service-a": ("service-a", "ServiceA of the course, port 8081"),
    "service-b": ("service-b", "ServiceB of the course, port 8082"),
    "service-c": ("service-c", "ServiceC of the course, port 8082"),
    "service-ext": ("service-ext", "External Cluster Service of the course, port 8082"),
    "service-g": ("service-g", "ServiceG: calls http://www.oracle.com/index.html, port 8083"),
    "sec-service-ext": ("sec-service-ext", "answers GET /greetings over https, port 8443"),
}
"""Tag → the service that ``python -m labkit.services`` knows, and what it is."""


def _service(name: str, what: str) -> Program:
    return Program(what, [sys.executable, "-m", "labkit.services", name], commands=commands("curl"))


IMAGES = {
    **{
        f"{REPOSITORY}:{tag}{suffix}": _service(*service)
        for tag, service in SERVICES.items()
        for suffix in ("", "-java-11")
    },
    "labkit/outbound:*": _service("outbound", "calls the URL in OUTBOUND_URL, port 8082"),
    "labkit/outside:*": _service("outside", "a server that no mesh knows, port 8082"),
    "*labkit-services:*": Program(
        "the one image of all the course's services, chosen by args",
        [sys.executable, "-m", "labkit.services"],
        ["service-b"],
        commands=commands("curl"),
    ),
}
