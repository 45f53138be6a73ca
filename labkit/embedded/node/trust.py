"""Whom programs in pods trust: those the machine trusts, and the lab's outside world, where there is one."""

from __future__ import annotations

from pathlib import Path

from labkit.embedded import outside
from labkit.embedded.interfaces import Client

FILE = "trust.pem"
AUTHORITY, KEY = "lab-ca", "ca.crt"
VARIABLES = ("CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Heard by curl; and by OpenSSL, Go and Python."""
_OF_MACHINE = (
    *("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"),
    "/etc/ssl/cert.pem",
)


def environment(client: Client, folder: Path) -> dict[str, str]:
    """The variables, and the file in *folder* that they name; none where the lab plays no outside world."""
    authority = client.find("configmaps", AUTHORITY, outside.NAMESPACE)
    if authority is None:
        return {}
    machine = next((Path(each) for each in _OF_MACHINE if Path(each).exists()), None)
    others = machine.read_text(encoding="utf-8") if machine else ""
    file = folder / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{others}\n{authority['data'][KEY]}", encoding="utf-8")
    return dict.fromkeys(VARIABLES, str(file))
