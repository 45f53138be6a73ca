"""The outside world, as the learner enters it: hosts that a pod of the lab plays, and whom they trust.

All of it is objects of one namespace of the cluster: a ConfigMap with the hosts, an authority that is made
once, a certificate for all hosts, one Deployment. The cluster's DNS answers for the hosts with its pod's
address. Nothing else of the mesh knows them, so a ServiceEntry is needed for them as for real ones.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from labkit.errors import UsageError
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.manifests import Source
from labkit.kube.api.resources import CONFIG_MAPS, NAMESPACES, Resource
from labkit.kube.api.wait import wait_for_rollouts, wait_until_gone
from labkit.kube.applying.apply import apply
from labkit.language import gettext

NAMESPACE, NAME, AUTHORITY = "outside-world", "outside-world", "lab-ca"
HOSTS = "labkit.dev/outside-hosts"
IMAGE = "labkit/outside-world:1"
_SECRETS = Resource("", "v1", "Secret", "secrets", True)
_YEARS = dt.timedelta(days=3650)
_DEFAULTS: dict[str, Any] = {"pages": None, "to_https": False}
_LONGEST = 100_000
"""Characters of all pages together: they travel in one variable."""


@dataclass(frozen=True)
class Host:
    """What one host of the outside world answers."""

    pages: Mapping[str, str] = field(default_factory=dict)
    """Path → what is answered there, word for word."""
    to_https: bool = False
    """Whether plain HTTP is answered by a redirect to HTTPS."""


def entered(api: Api) -> dict[str, Host]:
    """The hosts there are."""
    found = api.find(CONFIG_MAPS.path(NAMESPACE, NAME))
    hosts = json.loads(found["data"]["hosts"]) if found else {}
    return {name: Host(**one) for name, one in hosts.items()}


def host_of(pages: Mapping[str, Any] | None, to_https: bool) -> Host:
    """A host with *pages*: texts as they are, files by their content, anything else as JSON."""
    return Host({path: _text(page) for path, page in (pages or {}).items()}, to_https)


def _text(page: Any) -> str:
    if isinstance(page, Path):
        return page.read_text(encoding="utf-8")
    return page if isinstance(page, str) else json.dumps(page)


def of_file(path: str | Path) -> dict[str, Host]:
    """The hosts of a YAML file: ``HOST: {pages: {PATH: TEXT or FILE or JSON}, to_https: true}``."""
    file = Path(path)
    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
        return {name: host_of(**{**_DEFAULTS, **(one or {})}) for name, one in told.items()}
    except (yaml.YAMLError, AttributeError, TypeError) as error:
        raise UsageError(gettext("{file} is no list of hosts: {error}", file=file, error=error)) from None


def enter(api: Api, hosts: Mapping[str, Host]) -> None:
    """Let the lab play *hosts*, beside those it plays; returns when it does."""
    if api.shared:
        raise UsageError(
            gettext(
                "This cluster has an outside world of its own; the lab plays one in its own cluster only."
            )
        )
    _play(api, entered(api) | {_checked(name): one for name, one in hosts.items()})


def forget(api: Api, *names: str) -> None:
    """Play *names* no more; with none, none at all."""
    left = {name: one for name, one in entered(api).items() if names and name not in names}
    if unknown := [name for name in names if name not in entered(api)]:
        raise UsageError(gettext("{host} was never entered.", host=unknown[0]))
    if left:
        _play(api, left)
    elif api.find(NAMESPACES.path(name=NAMESPACE)):
        api.request("DELETE", NAMESPACES.path(name=NAMESPACE))
        wait_until_gone(api, NAMESPACES, "", NAMESPACE)


def _checked(name: str) -> str:
    rest = name.removeprefix("*.")
    if (
        "." not in rest
        or rest != rest.lower()
        or not all(part.isascii() and part for part in rest.split("."))
    ):
        raise UsageError(gettext("{host!r} is no name of a host, as in `edition.example`.", host=name))
    if rest.endswith((".cluster.local", ".svc")):
        raise UsageError(gettext("{host} is a name of the cluster's own.", host=name))
    return name


def _play(api: Api, hosts: Mapping[str, Host]) -> None:
    told = json.dumps({name: asdict(one) for name, one in hosts.items()})
    if len(told) > _LONGEST:
        raise UsageError(gettext("The pages of all hosts together are too long."))
    apply(api, Source(yaml.safe_dump(_namespace())), NAMESPACE)
    objects = _authority(api)
    certificate, key = _certificate(objects[-1]["data"], list(hosts))
    objects.append(_object("v1", "ConfigMap", NAME, data={"hosts": told}))
    objects.append(_object("v1", "Secret", "certificate", data={"tls.crt": certificate, "tls.key": key}))
    objects.append(_deployment(list(hosts), told, certificate))
    apply(api, Source(yaml.safe_dump_all(objects)), NAMESPACE)
    wait_for_rollouts(api, [(NAMESPACE, NAME)], timeout=60)


def _object(version: str, kind: str, name: str, **parts: Any) -> Obj:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **parts}


def _namespace() -> Obj:
    labels = {"istio-injection": "disabled"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def _authority(api: Api) -> list[Obj]:
    """The authority's certificate, for everybody, and with its key; made where there is none yet."""
    found = api.find(_SECRETS.path(NAMESPACE, AUTHORITY))
    data = found["data"] if found else _new_authority()
    public = base64.b64decode(data["tls.crt"]).decode()
    return [
        _object("v1", "ConfigMap", AUTHORITY, data={"ca.crt": public}),
        _object("v1", "Secret", AUTHORITY, data=dict(data)),
    ]


def _new_authority() -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "labkit: authority of the outside world")])
    built = _builder(name, key.public_key()).issuer_name(name)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return _pem(built.sign(key, hashes.SHA256()), key)


def _certificate(authority: Mapping[str, str], hosts: list[str]) -> tuple[str, str]:
    """One for all *hosts*, signed by *authority*; base64 of PEM."""
    issuer = x509.load_pem_x509_certificate(base64.b64decode(authority["tls.crt"]))
    signer = serialization.load_pem_private_key(base64.b64decode(authority["tls.key"]), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "labkit: stand-in for hosts of the outside")]
    )
    names = x509.SubjectAlternativeName([x509.DNSName(each) for each in hosts])
    built = (
        _builder(subject, key.public_key()).issuer_name(issuer.subject).add_extension(names, critical=False)
    )
    made = _pem(built.sign(signer, hashes.SHA256()), key)
    return made["tls.crt"], made["tls.key"]


def _builder(subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + _YEARS)
    )


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = certificate.public_bytes(encoding)
    return {"tls.crt": base64.b64encode(public).decode(), "tls.key": base64.b64encode(secret).decode()}


def _deployment(hosts: list[str], told: str, certificate: str) -> Obj:
    labels = {"app": NAME}
    keys = {"TLS_CERTIFICATE": "tls.crt", "TLS_KEY": "tls.key"}
    variables: list[Obj] = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": "certificate", "key": key}}}
        for name, key in keys.items()
    ]
    variables.append({"name": "OUTSIDE", "value": told.replace("$", "$$")})
    container = {
        "name": NAME,
        "image": IMAGE,
        "env": variables,
        "ports": [{"containerPort": 80}, {"containerPort": 443}],
    }
    notes = {HOSTS: json.dumps(hosts), "labkit.dev/certificate": _mark(certificate)}
    template = {
        "metadata": {"labels": labels, "annotations": notes},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    spec = {"selector": {"matchLabels": labels}, "template": template, "strategy": {"type": "Recreate"}}
    return _object("apps/v1", "Deployment", NAME, spec=spec)


def _mark(text: str) -> str:
    """A few characters that change with *text*."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
