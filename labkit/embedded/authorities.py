"""Whom everybody here trusts: those the machine trusts, and the lab's outside world, where there is one."""

from __future__ import annotations

import functools
from pathlib import Path

from labkit.embedded import outside
from labkit.embedded.objects import Obj

LAB, KEY = "lab-ca", "ca.crt"
"""The ConfigMap with the authority of the outside world, in its namespace; and the key in it."""
OF_MACHINE = (
    *("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"),
    "/etc/ssl/cert.pem",
)
"""Where systems keep them."""
WHERE = (outside.NAMESPACE, LAB)


def trusted(lab: Obj | None) -> str:
    """All of them, PEM; *lab*: the ConfigMap, where there is one."""
    return "\n".join(filter(None, [of_machine(), str(((lab or {}).get("data") or {}).get(KEY) or "")]))


@functools.cache
def of_machine() -> str:
    """Those of the machine."""
    file = next((Path(each) for each in OF_MACHINE if Path(each).exists()), None)
    return file.read_text(encoding="utf-8") if file else ""
