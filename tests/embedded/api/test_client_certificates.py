"""A certificate of one's own: asked for, approved and used by the real kubectl; refused where need be."""

import base64
import json
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CLIENTS = "kubernetes.io/kube-apiserver-client"
PEM = serialization.Encoding.PEM


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def asked(cluster, key):
    """Makes a CertificateSigningRequest, which goes with the test: (name, user, *groups, **spec)."""
    made = []

    def ask(name, user, *groups, check=True, **spec):
        names = [(NameOID.COMMON_NAME, user), *((NameOID.ORGANIZATION_NAME, each) for each in groups)]
        subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
        pem = x509.CertificateSigningRequestBuilder(subject).sign(key, hashes.SHA256()).public_bytes(PEM)
        usual = {"signerName": CLIENTS, "usages": ["client auth"], "expirationSeconds": 3600}
        body = {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": {"request": base64.b64encode(pem).decode(), **usual, **spec},
        }
        made.append(name)
        return cluster.run("kubectl", "create", "-f", "-", input=json.dumps(body), check=check)

    yield ask
    cluster.kubectl("delete", "csr", "--ignore-not-found", *made)


@pytest.fixture
def as_jane(cluster, asked, key, tmp_path: Path):
    """Runs kubectl with jane's certificate, and nothing else that would say who she is."""
    asked("jane", "jane", "dev")
    cluster.kubectl("certificate", "approve", "jane")
    certificate, secret = tmp_path / "jane.crt", tmp_path / "jane.key"
    certificate.write_bytes(_issued(cluster, "jane"))
    secret.write_bytes(
        key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    config = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json"))
    config["users"] = [
        {
            "name": each["name"],
            "user": {"client-certificate": str(certificate), "client-key": str(secret)},
        }
        for each in config["users"]
    ]
    own = tmp_path / "kubeconfig"
    own.write_text(json.dumps(config))
    return lambda *words: subprocess.run(
        ["kubectl", "--kubeconfig", str(own), *words], capture_output=True, text=True, check=False, timeout=60
    )


def test_who_shows_a_certificate_is_known_by_it(cluster, as_jane):
    said = json.loads(as_jane("auth", "whoami", "-o", "json").stdout)["status"]["userInfo"]
    assert (said["username"], said["groups"]) == ("jane", ["dev", "system:authenticated"])
    refused = as_jane("get", "pods")
    assert 'User "jane" cannot list resource "pods"' in refused.stderr
    cluster.kubectl("create", "rolebinding", "devs", "--clusterrole=view", "--group=dev")
    try:
        allowed = as_jane("get", "pods")
        assert allowed.returncode == 0, allowed.stderr
    finally:
        cluster.kubectl("delete", "rolebinding", "devs")


def test_the_certificate_is_what_was_asked_for(cluster, asked, key):
    asked("hour", "ann")
    row = cluster.kubectl("get", "csr", "hour", "--no-headers").split()
    assert (row[0], *row[2:]) == ("hour", CLIENTS, "labkit-admin", "60m", "Pending")
    cluster.kubectl("certificate", "approve", "hour")
    found = x509.load_pem_x509_certificate(_issued(cluster, "hour"))
    assert found.subject.rfc4514_string() == "CN=ann"
    assert found.public_key() == key.public_key()
    usages = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [each.dotted_string for each in usages] == ["1.3.6.1.5.5.7.3.2"]
    assert (found.not_valid_after_utc - found.not_valid_before_utc).total_seconds() == 3600 + 300
    assert cluster.kubectl("get", "csr", "hour", "--no-headers").split()[-1] == "Approved,Issued"


def test_what_is_denied_is_never_issued(cluster, asked):
    asked("denied", "ann")
    cluster.kubectl("certificate", "deny", "denied")
    assert cluster.kubectl("get", "csr", "denied", "--no-headers").split()[-1] == "Denied"
    again = cluster.run("kubectl", "certificate", "approve", "denied", check=False)
    assert "already Denied" in again.stderr
    assert cluster.kubectl("get", "csr", "denied", "-o", "jsonpath={.status.certificate}") == ""


def test_a_usage_that_is_no_clients_fails(cluster, asked):
    asked("server", "ann", usages=["server auth"])
    cluster.kubectl("certificate", "approve", "server")
    cluster.kubectl("wait", "csr/server", "--for=condition=Failed", "--timeout=60s")
    message = "jsonpath={.status.conditions[?(@.type=='Failed')].message}"
    assert cluster.kubectl("get", "csr", "server", "-o", message) == (
        "invalid usage for client certificate: server auth"
    )


def test_nobody_becomes_master_by_a_certificate(cluster, asked):
    refused = asked("master", "eve", "system:masters", check=False)
    assert f"use of {CLIENTS} signer with system:masters group is not allowed" in refused.stderr


def test_who_may_approve_is_a_matter_of_the_signer(cluster, asked):
    asked("bobs", "bob")
    rule = ("--verb=update,get", "--resource=certificatesigningrequests,certificatesigningrequests/approval")
    cluster.kubectl("create", "clusterrole", "approver", *rule)
    cluster.kubectl("create", "clusterrolebinding", "approver", "--clusterrole=approver", "--user=eve")
    try:
        refused = cluster.run("kubectl", "certificate", "approve", "bobs", "--as=eve", check=False)
        assert f'user not permitted to approve requests with signerName "{CLIENTS}"' in refused.stderr
    finally:
        cluster.kubectl("delete", "clusterrole,clusterrolebinding", "approver")


def _issued(cluster, name: str) -> bytes:
    cluster.kubectl("wait", f"csr/{name}", "--for=jsonpath={.status.certificate}", "--timeout=60s")
    return base64.b64decode(cluster.kubectl("get", "csr", name, "-o", "jsonpath={.status.certificate}"))
