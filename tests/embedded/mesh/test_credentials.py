"""Whose certificates a proxy is given: its own, renewed in time; those of Secrets that are for it."""

import base64
import datetime as dt
import ssl

import pytest
from cryptography import x509

from labkit.embedded.mesh.identity import authority as authorities
from labkit.embedded.mesh.identity.authority import Authority
from labkit.embedded.mesh.identity.credentials import Credentials
from labkit.embedded.mesh.identity.stored import NotStoredError, stored
from labkit.embedded.mesh.istiod_log import IstiodLog
from labkit.embedded.mesh.translate import translate

MESH = """
kind: Pod
metadata: {name: a, labels: {app: a}}
spec: {serviceAccountName: one}
---
kind: Pod
metadata: {name: b, labels: {app: b}}
spec: {serviceAccountName: two}
---
kind: Pod
metadata: {name: ingress, namespace: istio-system, labels: {istio: ingressgateway}}
spec:
  containers: [{name: istio-proxy, volumeMounts: [{name: files, mountPath: /etc/certs}]}]
  volumes:
  - name: files
    projected: {sources: [{secret: {name: web, items: [{key: tls.crt, path: chain.pem}]}}]}
---
kind: Gateway
metadata: {name: gw}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: a, protocol: HTTPS}
    hosts: [a.example]
    tls: {mode: MUTUAL, credentialName: web}
"""


class Log(list):
    """istiod's, as lines."""

    def __call__(self, line):
        self.append(line)


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def told(mesh, log):
    """``told(pod, credentials, more)``: the secrets of the pod's proxy."""

    def find(pod, credentials=None, more=""):
        made = mesh(MESH + more)
        given = credentials or Credentials(Authority.self_signed("cluster.local"), IstiodLog(log))
        proxy = made.proxy(pod)
        return given.secrets_for(proxy, made.state, translate(made.state, proxy))

    return find


def certificates(secret):
    return x509.load_pem_x509_certificates(inline(secret["tls_certificate"]["certificate_chain"]))


def inline(source):
    return base64.b64decode(source["inline_bytes"])


def identity(secret):
    names = certificates(secret)[0].extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return names.value.get_values_for_type(x509.UniformResourceIdentifier)


def secret(name, namespace, **data):
    found = "".join(
        f"\n  {key.replace('__', '.')}: {base64.b64encode(each.encode()).decode()}"
        for key, each in data.items()
    )
    return f"---\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata:{found}\n"


def pair():
    made = Authority.self_signed("web.example").issue("spiffe://web.example/ns/a/sa/b")
    return made.chain, made.key


def test_a_proxy_is_given_its_own_pods_certificate_and_nobody_elses(told):
    mine, theirs = told("a"), told("b")

    assert set(mine) == {"default", "ROOTCA"}
    assert identity(mine["default"]) == ["spiffe://cluster.local/ns/default/sa/one"]
    assert identity(theirs["default"]) == ["spiffe://cluster.local/ns/default/sa/two"]


def test_a_certificate_is_for_a_day_and_renewed_half_way(told, log):
    credentials = Credentials(Authority.self_signed("cluster.local"), IstiodLog(log))
    first = told("a", credentials)["default"]
    leaf = certificates(first)[0]
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == dt.timedelta(hours=24, minutes=2)
    assert told("a", credentials)["default"] == first

    now = dt.datetime.now(dt.UTC)
    assert not credentials.drop_due(now + dt.timedelta(hours=11, minutes=59))
    assert credentials.drop_due(now + dt.timedelta(hours=12, minutes=1))
    assert not credentials.drop_due(now + dt.timedelta(hours=12, minutes=1))
    assert told("a", credentials)["default"] != first


def test_secrets_of_both_kinds_are_told_with_whom_to_believe(told):
    chain, key = pair()
    root = Authority.self_signed("clients").root
    one = told("ingress", more=secret("web", "istio-system", tls__crt=chain, tls__key=key, ca__crt=root))
    two = told(
        "ingress",
        more=secret("web", "istio-system", cert=chain, key=key)
        + secret("web-cacert", "istio-system", cacert=root),
    )

    assert one == {**two, "default": one["default"], "ROOTCA": one["ROOTCA"]}
    shown = one["kubernetes://web"]["tls_certificate"]["certificate_chain"]["inline_bytes"]
    assert base64.b64decode(shown).decode() == chain
    trusted = one["kubernetes://web-cacert"]["validation_context"]["trusted_ca"]["inline_bytes"]
    assert base64.b64decode(trusted).decode() == root


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("", "secret istio-system/web not found"),
        (
            secret("web", "default", tls__crt=pair()[0], tls__key=pair()[1]),
            "secret istio-system/web not found",
        ),
        (secret("web", "istio-system", tls__crt=pair()[0], tls__key=pair()[1]), "is not the key of"),
        (secret("web", "istio-system", tls__crt="x", tls__key="y"), "no PEM"),
        (secret("web", "istio-system", other="x"), "didn't have expected keys"),
    ],
    ids=["missing", "elsewhere", "another key", "garbage", "other keys"],
)
def test_what_is_no_certificate_for_it_is_not_told_and_said_once(told, log, more, reason):
    credentials = Credentials(Authority.self_signed("cluster.local"), IstiodLog(log))
    for _ in range(2):
        assert "kubernetes://web" not in told("ingress", credentials, more)
    lines = [line for line in log if "failed to fetch certificate kubernetes://web for" in line]
    assert len(lines) == 1
    assert reason in lines[0]


def test_a_secret_of_another_namespace_is_refused_by_its_full_name_too(mesh):
    chain, key = pair()
    made = mesh(MESH + secret("web", "default", tls__crt=chain, tls__key=key))
    with pytest.raises(NotStoredError, match="cross namespace"):
        stored(made.state, made.proxy("ingress"), "kubernetes://default/web")


def test_files_are_those_of_the_mounted_secret(mesh):
    chain, key = pair()
    made = mesh(MESH + secret("web", "istio-system", tls__crt=chain, tls__key=key))
    found = stored(made.state, made.proxy("ingress"), "file-root:/etc/certs/chain.pem")
    assert base64.b64decode(found["validation_context"]["trusted_ca"]["inline_bytes"]).decode() == chain
    with pytest.raises(NotStoredError, match="is in no Secret or ConfigMap that is mounted"):
        stored(made.state, made.proxy("ingress"), "file-root:/etc/certs/tls.crt")


@pytest.fixture(scope="module")
def plugged_in():
    """A root, and data of a Secret ``cacerts`` with an intermediate of it."""
    root = Authority.self_signed("root.example")
    return root, lambda: _intermediate(root)


def _intermediate(root):
    made = Authority.self_signed("intermediate.example")
    now = dt.datetime.now(dt.UTC)
    certificate = (
        authorities._builder(made.certificate.subject, made.key.public_key(), now, dt.timedelta(days=30))
        .issuer_name(root.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(authorities._usage(signs=True), critical=True)
        .sign(root.key, authorities._digest(root.key))
    )
    chain = authorities._pem(certificate)
    files = {
        "ca-cert.pem": chain,
        "ca-key.pem": authorities._pem_of_key(made.key),
        "cert-chain.pem": chain,
        "root-cert.pem": root.root,
    }
    return {name.replace(".", "__"): text for name, text in files.items()}


def encoded(files):
    """As a Secret's data."""
    return {name.replace("__", "."): base64.b64encode(text.encode()).decode() for name, text in files.items()}


def test_a_plugged_in_authority_signs_with_its_whole_chain(told, log, plugged_in):
    root, intermediate = plugged_in
    data = {
        name.replace("__", "."): base64.b64encode(text.encode()).decode()
        for name, text in intermediate().items()
    }
    credentials = Credentials(Authority.from_secret(data), IstiodLog(log))
    found = told("a", credentials)

    assert inline(found["ROOTCA"]["validation_context"]["trusted_ca"]).decode() == root.root
    leaf, between = certificates(found["default"])
    leaf.verify_directly_issued_by(between)
    between.verify_directly_issued_by(root.certificate)
    assert ssl.create_default_context(cadata=root.root).get_ca_certs()


def test_another_intermediate_is_taken_up_and_another_root_is_not(mesh, log, plugged_in):
    _, intermediate = plugged_in
    first, second = intermediate(), intermediate()
    data = encoded(first)
    credentials = Credentials(Authority.from_secret(data), IstiodLog(log))
    before = credentials.authority

    assert not credentials.follow(mesh(secret("cacerts", "istio-system", **first)).state)
    assert credentials.follow(mesh(secret("cacerts", "istio-system", **second)).state)
    assert credentials.authority.certificate != before.certificate
    other = _intermediate(Authority.self_signed("other.example"))
    assert not credentials.follow(mesh(secret("cacerts", "istio-system", **other)).state)
    assert "updating new ROOT-CA not supported: restart istiod" in log[-1]
