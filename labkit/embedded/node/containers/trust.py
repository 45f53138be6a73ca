"""Whom programs in pods trust: those the machine trusts, and the lab's outside world, where there is one."""

from __future__ import annotations

from pathlib import Path

from labkit.embedded import authorities, outside
from labkit.embedded.interfaces import Client

FILE = "trust.pem"
VARIABLES = ("CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Heard by curl; and by OpenSSL, Go and Python."""


def environment(client: Client, folder: Path) -> dict[str, str]:
    """The variables, and the file in *folder* that they name; none where the lab plays no outside world."""
    lab = client.find("configmaps", authorities.LAB, outside.NAMESPACE)
    if lab is None:
        return {}
    file = folder / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(authorities.trusted(lab), encoding="utf-8")
    return dict.fromkeys(VARIABLES, str(file))
