"""Images from which one calls others: they sleep, and hold curl, nc and the like for ``kubectl exec``."""

from __future__ import annotations

from labkit.embedded.images.commands import commands, lesson
from labkit.embedded.images.program import Program

_CLIENT = commands("curl", "nc", "nslookup", "wget")
_SHELL = Program("a shell with curl, nc and wget", cmd=["sh"], commands=_CLIENT)
_CURL_OR_A_COMMAND = """
if [ "${1#-}" != "$1" ] || ! command -v "$1" >/dev/null; then set -- curl "$@"; fi
exec "$@"
"""
"""What curl's image begins with: its words are curl's, unless the first names a program."""

IMAGES = {
    "curlimages/curl:*": Program(
        "curl, and a shell", ["sh", "-c", _CURL_OR_A_COMMAND, "entrypoint.sh"], ["curl"], commands=_CLIENT
    ),
    "governmentpaas/curl-ssl:*": _SHELL,
    "pstauffer/curl:*": _SHELL,
    "radial/busyboxplus:*": _SHELL,
    "busybox:*": _SHELL,
    "alpine:*": _SHELL,
    "nicolaka/netshoot:*": Program(
        "curl, nc, nslookup, openssl and what else of it this machine has", cmd=["sh"], commands=_CLIENT
    ),
    "fortio/fortio:*": Program(
        "load by `fortio load`, one request by `fortio curl`, an echo server on port 8080",
        lesson("fortio"),
        ["server"],
        commands={"fortio": lesson("fortio")},
    ),
    "pause:*": Program("does nothing until it is stopped", lesson("pause")),
}
