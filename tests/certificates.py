"""Certificates for tests: authorities by name, and what they have signed."""

import datetime as dt
import functools

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@functools.cache
def authority(name):
    """A root nobody else knows: (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _signed(name, key, None, [], authority=True), key


def _signed(name, key, issuer, names, *, authority=False):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        built = built.add_extension(alternatives, critical=False)
    return built.sign(issuer[1] if issuer else key, hashes.SHA256())


@functools.cache
def pair(name, root, *names):
    """PEM of a certificate for *names* and of its key, signed by the root called *root*."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(name, key, authority(root), names)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem(certificate), secret


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def intermediate(root):
    """PEM of the root called *root*; the files of a Secret ``cacerts`` with an intermediate of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = pem(_signed("intermediate", key, authority(root), [], authority=True))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    top = pem(authority(root)[0])
    files = {"ca-cert.pem": certificate, "ca-key.pem": secret}
    return top, {**files, "cert-chain.pem": certificate, "root-cert.pem": top}
