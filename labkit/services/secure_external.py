"""SecureExternalService: answers over https only, and asks for a client's certificate where it has a CA.

``CLIENT_CA`` names a file with the authorities whose clients it takes; without, it takes everybody. Its
own certificate is one it has signed itself, for the names in ``TLS_NAMES``, new at each start.
"""

from __future__ import annotations

import datetime as dt
import os
import ssl
import tempfile

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from labkit.services import server

NAME = "SecureExternalService"
NAMES = "service-ext-srv,service-ext-srv.external-cluster,service-ext-srv.external-cluster.svc.cluster.local"
IN_MEMORY = "/dev/shm"
"""Where files can be made in a container whose own can't be changed."""
_YEAR = dt.timedelta(days=365)


def main() -> None:
    """Serve on port 8443."""
    app = server.application(server.fixed(f"Hello from {NAME}!"))
    app.router.add_get("/greetings", _greet)
    names = os.environ.get("TLS_NAMES", NAMES).split(",")
    server.serve(NAME, 8443, app, context(names, os.environ.get("CLIENT_CA", "")))


async def _greet(_: web.Request) -> web.Response:
    return web.Response(text=f"Hello from {NAME}!")


def context(names: list[str], client_authority: str = "") -> ssl.SSLContext:
    """A server's side of TLS for *names*; with *client_authority*, clients must have a certificate of it."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(dir=IN_MEMORY) as file:
        file.write(_self_signed(names))
        file.flush()
        made.load_cert_chain(file.name)
    if client_authority:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(client_authority)
    return made


def _self_signed(names: list[str]) -> bytes:
    """A key and a certificate, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + _YEAR)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)
