"""The authority of the API's clients: made when the first certificate is approved, and trusted from then on.

Until there is one, the API asks nobody for a certificate, and no handshake costs more for it.
"""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.embedded.cluster.files import write_private

if TYPE_CHECKING:
    from cryptography import x509

LONGEST = dt.timedelta(days=365)
"""What a certificate is good for unless it was asked for less: ``--cluster-signing-duration``."""
_LIFETIME = dt.timedelta(days=3650)
_BACKDATED = dt.timedelta(minutes=5)  # for clients whose clocks are behind
_NAME = "labkit-clients"


class ClientAuthority:
    """Its key and certificate, kept in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._certificate, self._key = folder / "client-ca.crt", folder / "client-ca.key"
        self._tls: ssl.SSLContext | None = None

    def open(self, tls: ssl.SSLContext) -> None:
        """From now on (or from when there is an authority) *tls* lets clients show what it has signed."""
        self._tls = tls
        if self._certificate.exists() and self._key.exists():
            self._trust(tls)

    def _trust(self, tls: ssl.SSLContext) -> None:
        tls.load_verify_locations(self._certificate)
        tls.verify_mode = ssl.CERT_OPTIONAL

    def sign(self, request: bytes, usages: Sequence[str], seconds: int | None) -> bytes:
        """The certificate (PEM) for *request* (PEM); ValueError where that is not signed by its own key."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

        asked = x509.load_pem_x509_csr(request)
        if not asked.is_signature_valid:
            raise ValueError("the request is not signed by the key it is for")
        if not (self._certificate.exists() and self._key.exists()):
            self._make()
        authority = x509.load_pem_x509_certificate(self._certificate.read_bytes())
        key = load_pem_private_key(self._key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        issued = _unsigned(asked, authority, usages, seconds).sign(key, hashes.SHA256())
        return issued.public_bytes(Encoding.PEM)

    def _make(self) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        from labkit.embedded.cluster.certificates import authority

        key, pem = ec.generate_private_key(ec.SECP256R1()), serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        write_private(self._key, private.decode())
        write_private(self._certificate, authority(key, _NAME).public_bytes(pem).decode())
        if self._tls:
            self._trust(self._tls)


def _unsigned(
    asked: x509.CertificateSigningRequest,
    authority: x509.Certificate,
    usages: Sequence[str],
    seconds: int | None,
) -> x509.CertificateBuilder:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    now = dt.datetime.now(dt.UTC)
    lifetime = min(LONGEST, dt.timedelta(seconds=seconds)) if seconds is not None else LONGEST
    purposes = {
        "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
        "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    }
    builder = (
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(authority.subject)
        .public_key(asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(min(now + lifetime, authority.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purposes[each] for each in usages if each in purposes]), False)
    )
    try:
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return builder
    return builder.add_extension(names.value, names.critical)
