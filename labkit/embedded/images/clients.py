"""Images from which one calls others: they sleep, and hold curl, nc and the like for ``kubectl exec``."""

from __future__ import annotations

from labkit.embedded.images.commands import commands, lesson
from labkit.embedded.images.program import Program

_CLIENT = commands("curl", "nc", "nslookup", "wget")
_SHELL = Program("a shell with curl, nc and wget", ["sh"], commands=_CLIENT)

IMAGES = {
    "curlimages/curl:*": Program("curl, and a shell", ["curl"], ["--help"], commands=_CLIENT),
    "governmentpaas/curl-ssl:*": _SHELL,
    "pstauffer/curl:*": _SHELL,
    "radial/busyboxplus:*": _SHELL,
    "busybox:*": _SHELL,
    "alpine:*": _SHELL,
    "nicolaka/netshoot:*": Program(
        "curl, nc, nslookup, openssl and what else of it this machine has", ["sh"], commands=_CLIENT
    ),
    "fortio/fortio:*": Program(
        "load by `fortio load`, one request by `fortio curl`, an echo server on port 8080",
        lesson("fortio"),
        ["server"],
        commands={"fortio": lesson("fortio")},
    ),
    "pause:*": Program("does nothing until it is stopped", lesson("pause")),
}
