"""The certificate authority of the mesh: what istiod signs workloads' certificates with.

Its own, self-signed, or one that somebody plugs in by the Secret ``cacerts``:
https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert/
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = dt.timedelta(days=3650)
"""Of a self-signed authority."""
WORKLOAD_LIFETIME = dt.timedelta(hours=24)
"""Of a workload's certificate, as istiod's default has it."""
CLOCK_SKEW = dt.timedelta(minutes=2)

CERTIFICATE, KEY, CHAIN, ROOT = "ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"
"""The files of the Secrets ``cacerts`` and ``istio-ca-secret``."""

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


class AuthorityError(ValueError):
    """What is given is no certificate authority; says why."""


@dataclass(frozen=True)
class Credential:
    """A workload's certificate with its key, in PEM form."""

    chain: str
    """The certificate, and those between it and the root."""
    key: str
    renew_at: dt.datetime
    """Half-way through its life."""


@dataclass(frozen=True)
class Authority:
    """Signs certificates of workloads."""

    certificate: x509.Certificate
    key: _Key
    chain: str = ""
    """Certificates between this one and the root, in PEM form; none for one that is its own root."""
    root: str = ""
    """What everybody trusts, in PEM form."""

    @classmethod
    def self_signed(cls, trust_domain: str) -> Authority:
        """A new one."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, trust_domain)])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            _builder(name, key.public_key(), now, LIFETIME)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key, root=_pem(certificate))

    @classmethod
    def from_secret(cls, data: Mapping[str, str]) -> Authority:
        """That of a Secret's *data* (base64); :class:`AuthorityError` where it is none."""
        files = {name: _decoded(name, text) for name, text in data.items()}
        for name in (CERTIFICATE, KEY):
            if not files.get(name):
                raise AuthorityError(f"{name} is missing")
        try:
            certificate = x509.load_pem_x509_certificate(files[CERTIFICATE])
            key = serialization.load_pem_private_key(files[KEY], None)
        except (ValueError, TypeError) as error:
            raise AuthorityError(f"{CERTIFICATE} or {KEY} can't be read: {error}") from error
        if not isinstance(key, _Key) or key.public_key() != certificate.public_key():
            raise AuthorityError(f"{KEY} is not the key of {CERTIFICATE}")
        root = files.get(ROOT) or files[CERTIFICATE]
        _check(certificate, files.get(CHAIN) or b"", root)
        return cls(certificate, key, (files.get(CHAIN) or b"").decode(), root.decode())

    def as_secret(self) -> dict[str, str]:
        """The data of a Secret that :meth:`from_secret` reads."""
        files = {CERTIFICATE: _pem(self.certificate), KEY: _pem_of_key(self.key)}
        return {name: base64.b64encode(text.encode()).decode() for name, text in files.items()}

    def issue(self, identity: str) -> Credential:
        """A certificate for the SPIFFE *identity*, with a key of its own."""
        return self._issued([x509.UniformResourceIdentifier(identity)])

    def issue_for(self, names: Iterable[str]) -> Credential:
        """A certificate for a server that is called by these DNS *names*."""
        return self._issued([x509.DNSName(each) for each in names])

    def _issued(self, names: Sequence[x509.GeneralName]) -> Credential:
        key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
        lifetime = min(WORKLOAD_LIFETIME, self.certificate.not_valid_after_utc - now)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            _builder(x509.Name([]), key.public_key(), now, lifetime)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .sign(self.key, _digest(self.key))
        )
        chain = _pem(certificate) + (self.chain if self.chain else "")
        return Credential(chain, _pem_of_key(key), now + lifetime / 2)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime, lifetime: dt.timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not signs,
        key_cert_sign=signs,
        crl_sign=False,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _digest(key: _Key) -> hashes.SHA256 | None:
    """What is signed with *key* is digested by; Edwards curves have a digest of their own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem_of_key(key: _Key) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise AuthorityError(f"{name} is not base64: {error}") from error


def _check(certificate: x509.Certificate, chain: bytes, root: bytes) -> None:
    """Whether who trusts *root* trusts what *certificate* signs."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        between = x509.load_pem_x509_certificates(chain) if chain.strip() else []
        roots = x509.load_pem_x509_certificates(root)
    except (ValueError, x509.ExtensionNotFound) as error:
        raise AuthorityError(f"{CERTIFICATE}, {CHAIN} or {ROOT}: {error}") from error
    if not constraints.ca:
        raise AuthorityError(f"{CERTIFICATE} is not a certificate authority's (basicConstraints CA:TRUE)")
    if certificate.not_valid_after_utc < dt.datetime.now(dt.UTC):
        raise AuthorityError(f"{CERTIFICATE} expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    if certificate in roots:
        return
    if not any(_is_issued_by(each, other) for each in [certificate, *between] for other in roots):
        raise AuthorityError(f"{ROOT} has not signed {CERTIFICATE}, nor what stands in {CHAIN}")


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
