"""What the node's catalogue holds: a file for each family of images, each entry one program as data.

The programs themselves are in ``labkit/services`` (the course's) and ``labkit/lessons`` (other lessons');
nothing of them is imported here, but in the pod that runs one.

==================  =============================================================
``course``          the exercise's own services, and two for the ways out of a mesh
``samples``         what Istio's samples deploy: Bookinfo, helloworld, tcp-echo …
``servers``         httpbin (both), echoserver, nginx, squid, databases
``clients``         curl, netshoot, fortio, busybox, pause: what others sleep in
``own``             what the learner has entered by ``labkit images add``
==================  =============================================================
"""

from __future__ import annotations

from labkit.embedded.images import clients, course, samples, servers
from labkit.embedded.images.program import Program
from labkit.embedded.node.containers.catalogue import Image


def programs() -> dict[str, Program]:
    """Every image that becomes a program, by its name in the catalogue."""
    return {**course.IMAGES, **samples.IMAGES, **servers.IMAGES, **clients.IMAGES}


def images() -> dict[str, Image]:
    """The same, as the catalogue takes them."""
    return {name: program.image() for name, program in programs().items()}
