"""The API server's certificate and the authority that signed it, made once and kept in the home.

Elliptic-curve keys, because they are made in a millisecond. The extensions are those Python 3.13
insists on (``VERIFY_X509_STRICT``): key identifiers on both, critical constraints on the authority.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.embedded.addresses import API_SERVICE_IP, FORMER_SERVICE_NETWORK, NODE_ADDRESS
from labkit.embedded.cluster.files import private_folder, write_private

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

DNS_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
IP_ADDRESSES = (NODE_ADDRESS, API_SERVICE_IP, str(FORMER_SERVICE_NETWORK[1]))
LIFETIME = dt.timedelta(days=3650)
RENEW_AFTER = LIFETIME / 2
_FLIGHTS = 3  # messages each way until a handshake is done


@dataclass(frozen=True)
class Certificates:
    """The three files."""

    authority: Path
    certificate: Path
    key: Path

    @classmethod
    def of(cls, folder: Path) -> Certificates:
        return cls(folder / "ca.crt", folder / "server.crt", folder / "server.key")

    def are_good(self) -> bool:
        """Whether all three are there, fit each other and are younger than half their lifetime."""
        return self._fit() and not self.is_old()

    def is_old(self) -> bool:
        """Whether it is time for new ones."""
        try:
            age = dt.datetime.now(dt.UTC).timestamp() - self.certificate.stat().st_mtime
        except OSError:
            return False
        return not 0 <= age < RENEW_AFTER.total_seconds()

    def _fit(self) -> bool:
        """Whether a client that trusts the authority would shake hands with this server: it is tried."""
        try:
            client = ssl.create_default_context(cafile=str(self.authority))
            server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.load_cert_chain(self.certificate, self.key)
            _shake_hands(client, server)
        except (OSError, ssl.SSLError):
            return False
        return True


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """In memory; raises ssl.SSLError where they don't come to terms."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(back, there, server_hostname=IP_ADDRESSES[0])
    called = server.wrap_bio(there, back, server_side=True)
    for _ in range(_FLIGHTS):
        for side in (caller, called):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()


def ensure(folder: Path) -> Certificates:
    """The certificates in *folder*, made where they are missing, broken or old."""
    certificates = Certificates.of(private_folder(folder))
    if not certificates.are_good():
        _make(certificates)
    return certificates


def _make(certificates: Certificates) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = serialization.Encoding.PEM
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_ = authority(authority_key)
    certificate = _server(key, authority_, authority_key)
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    # The authority's key is forgotten here: nothing else can ever be signed in its name.
    write_private(certificates.authority, authority_.public_bytes(pem).decode())
    write_private(certificates.key, private.decode())
    write_private(certificates.certificate, certificate.public_bytes(pem).decode())


def _builder(name: str, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def authority(key: EllipticCurvePrivateKey, name: str = "labkit-ca") -> x509.Certificate:
    """One that signs with *key*, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    builder = _builder(name, key)
    return (
        builder.issuer_name(_subject(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: EllipticCurvePrivateKey, authority: x509.Certificate, authority_key: EllipticCurvePrivateKey
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    names: list[x509.GeneralName] = [x509.DNSName(name) for name in DNS_NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in IP_ADDRESSES]
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return (
        _builder("kube-apiserver", key)
        .issuer_name(authority.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _subject(name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
