"""The authority of the API's clients: asked for nothing before there is one, and kept from start to start."""

import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from labkit.embedded.cluster import certificates
from labkit.embedded.cluster.client_authority import ClientAuthority

PEM = serialization.Encoding.PEM


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def request_of_jane(key) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
    return x509.CertificateSigningRequestBuilder(subject).sign(key, hashes.SHA256()).public_bytes(PEM)


@pytest.fixture
def server(tmp_path):
    """Makes the API's side of TLS anew, as every start does: with its authority."""
    own = certificates.ensure(tmp_path)

    def start() -> tuple[ClientAuthority, ssl.SSLContext]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own.certificate, own.key)
        authority = ClientAuthority(tmp_path)
        authority.open(context)
        return authority, context

    return start


def test_nobody_is_asked_before_the_first_is_approved(server):
    _, context = server()
    assert context.verify_mode == ssl.CERT_NONE


def test_a_certificate_is_known_now_and_after_a_restart(server, key, request_of_jane, tmp_path):
    authority, context = server()
    issued = authority.sign(request_of_jane, ["client auth"], 3600)
    client = _client(tmp_path, issued, key)
    assert _shown(client, context) == "jane"
    _, later = server()
    assert _shown(client, later) == "jane"


def test_who_shows_none_is_let_in_as_before(server, request_of_jane, tmp_path):
    authority, context = server()
    authority.sign(request_of_jane, ["client auth"], None)
    assert _shown(ssl.create_default_context(cafile=str(tmp_path / "ca.crt")), context) is None


def test_a_certificate_of_another_authority_is_not_known(server, key, request_of_jane, tmp_path):
    authority, context = server()
    authority.sign(request_of_jane, ["client auth"], None)
    elsewhere = ClientAuthority(certificates.ensure(tmp_path / "other").authority.parent)
    client = _client(tmp_path, elsewhere.sign(request_of_jane, ["client auth"], None), key)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        _shown(client, context)


def test_a_request_signed_by_another_key_is_refused(server, request_of_jane):
    authority, _ = server()
    der = bytearray(x509.load_pem_x509_csr(request_of_jane).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    broken = x509.load_der_x509_csr(bytes(der)).public_bytes(PEM)
    with pytest.raises(ValueError, match="not signed by the key"):
        authority.sign(broken, ["client auth"], None)


def _client(folder, issued: bytes, key) -> ssl.SSLContext:
    file = folder / "client.pem"
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(issued + private)
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(file)
    return context


def _shown(client: ssl.SSLContext, server: ssl.SSLContext) -> str | None:
    """The common name that the server sees, after a handshake in memory."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(back, there, server_hostname="localhost")
    called = server.wrap_bio(there, back, server_side=True)
    for side in (caller, called) * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    shown = called.getpeercert()
    return dict(pair for part in shown["subject"] for pair in part)["commonName"] if shown else None
