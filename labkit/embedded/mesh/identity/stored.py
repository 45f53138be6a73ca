"""Certificates that somebody has put into Secrets and ConfigMaps, for proxies that ask for them by name.

As istiod's: https://github.com/istio/istio/blob/master/pilot/pkg/credentials/kube/secrets.go A Secret is of
type ``kubernetes.io/tls`` (``tls.crt``, ``tls.key``, ``ca.crt``) or generic (``cert``, ``key``, ``cacert``);
a proxy is given those of its own namespace only. Files are looked up in the volumes of the proxy's container,
where a real pod's agent would read them: what is in the Secret now counts, with no restart.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from labkit.embedded import authorities
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.pods import proxy_container_of
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.snapshot import Resource
from labkit.embedded.mesh.translate.tls import contexts
from labkit.embedded.objects import Obj

_PAIRS = (("cert", "key"), ("tls.crt", "tls.key"))
_ROOTS = (("cacert", "crl"), ("ca.crt", "ca.crl"))
_STAPLE = "tls.ocsp-staple"

Data = Mapping[str, bytes]


class NotStoredError(LookupError):
    """There is no such certificate for this proxy; says why."""


def stored(state: MeshState, proxy: Proxy, name: str) -> Resource:
    """The secret *name* as Envoy takes it; :class:`NotStoredError` where there is none."""
    if name.startswith(contexts.PAIR):
        certificate, _, key = name.removeprefix(contexts.PAIR).partition(contexts.BETWEEN_FILES)
        return _pair(name, _file(state, proxy, certificate), _file(state, proxy, key))
    if name.startswith(contexts.ROOT):
        return _of_file(state, proxy, name)
    if name.startswith(contexts.CONFIG_MAP):
        return _of_config_map(state, name)
    if name.startswith(contexts.SECRET):
        return _of_secret(state, proxy, name)
    raise NotStoredError(f"unknown resource type: {name}")


def _of_secret(state: MeshState, proxy: Proxy, name: str) -> Resource:
    owner, _, secret = name.removeprefix(contexts.SECRET).rpartition("/")
    if owner not in ("", proxy.namespace):
        raise NotStoredError("cross namespace secret reference requires ReferenceGrant")
    found = state.secrets.get((proxy.namespace, secret))
    if secret.endswith(contexts.AUTHORITY_SUFFIX):
        plain = secret.removesuffix(contexts.AUTHORITY_SUFFIX)
        data = _data_of(found or state.secrets.get((proxy.namespace, plain)), f"{proxy.namespace}/{plain}")
        return _roots(name, data)
    data = _data_of(found, f"{proxy.namespace}/{secret}")
    for certificate, key in _PAIRS:
        if data.get(certificate) and data.get(key):
            return _pair(name, data[certificate], data[key], data.get(_STAPLE, b""))
    wanted = " or ".join(f"({certificate} and {key})" for certificate, key in _PAIRS)
    raise NotStoredError(
        f"found secret, but didn't have expected keys {wanted}; found: {', '.join(sorted(data))}"
    )


def _of_config_map(state: MeshState, name: str) -> Resource:
    owner, _, plain = name.removeprefix(contexts.CONFIG_MAP).partition("/")
    plain = plain.removesuffix(contexts.AUTHORITY_SUFFIX)
    found = state.config_maps.get((owner, plain))
    if found is None:
        raise NotStoredError(f"configmap {owner}/{plain} not found")
    return _roots(name, {key: str(text).encode() for key, text in (found.get("data") or {}).items()})


def _roots(name: str, data: Data) -> Resource:
    for key, revoked in _ROOTS:
        if data.get(key):
            return _authorities(name, data[key], data.get(revoked, b""))
    wanted = " or ".join(key for key, _ in _ROOTS)
    raise NotStoredError(
        f"found secret, but didn't have expected keys {wanted}; found: {', '.join(sorted(data))}"
    )


def _data_of(secret: Obj | None, title: str) -> Data:
    if secret is None:
        raise NotStoredError(f"secret {title} not found")
    try:
        return {key: base64.b64decode(text) for key, text in (secret.get("data") or {}).items()}
    except (binascii.Error, ValueError) as error:
        raise NotStoredError(f"secret {title} is not base64: {error}") from error


def _pair(name: str, certificate: bytes, key: bytes, staple: bytes = b"") -> Resource:
    """What Envoy would refuse is not sent: it keeps what it has."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate)[0]
        secret = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError, IndexError) as error:
        raise NotStoredError(f"its certificate or its key is no PEM: {error}") from error
    if secret.public_key() != leaf.public_key():
        raise NotStoredError("its key is not the key of its certificate")
    pair = {"certificate_chain": _bytes(certificate), "private_key": _bytes(key)}
    more = {"ocsp_staple": _bytes(staple)} if staple else {}
    return {"name": name, "tls_certificate": {**pair, **more}}


def _authorities(name: str, roots: bytes, revoked: bytes = b"") -> Resource:
    try:
        x509.load_pem_x509_certificates(roots)
    except ValueError as error:
        raise NotStoredError(f"its certificates of authorities are no PEM: {error}") from error
    context = {"trusted_ca": _bytes(roots), **({"crl": _bytes(revoked)} if revoked else {})}
    return {"name": name, "validation_context": context}


def _bytes(data: bytes) -> dict[str, Any]:
    return {"inline_bytes": base64.b64encode(data).decode()}


def _of_file(state: MeshState, proxy: Proxy, name: str) -> Resource:
    path = name.removeprefix(contexts.ROOT)
    if path in (contexts.SYSTEM, *authorities.OF_MACHINE):
        roots = authorities.trusted(state.config_maps.get(authorities.WHERE)).encode()
        return {"name": name, "validation_context": {"trusted_ca": _bytes(roots)}}
    return _authorities(name, _file(state, proxy, path))


def _file(state: MeshState, proxy: Proxy, path: str) -> bytes:
    """What *path* holds in the proxy's container."""
    pod = state.pod_of(proxy) or {}
    for place, source in _mounts(pod):
        if path.startswith(f"{place}/"):
            found = _files(state, proxy.namespace, source).get(path.removeprefix(f"{place}/"))
            if found is not None:
                return found
    raise NotStoredError(
        f"{path} is in no Secret or ConfigMap that is mounted into the container istio-proxy"
    )


def _mounts(pod: Obj) -> Iterator[tuple[str, Obj]]:
    """(where, volume), the narrowest place first."""
    volumes = {str(each.get("name")): each for each in (pod.get("spec") or {}).get("volumes") or []}
    mounts = (proxy_container_of(pod) or {}).get("volumeMounts") or []
    for each in sorted(mounts, key=lambda each: -len(str(each.get("mountPath") or ""))):
        if each.get("name") in volumes:
            yield str(each.get("mountPath") or "").rstrip("/"), volumes[each["name"]]


def _files(state: MeshState, namespace: str, source: Obj) -> Data:
    """Path → content of a volume, or of a part of one."""
    if "projected" in source:
        parts = (source["projected"] or {}).get("sources") or []
        return {path: data for each in parts for path, data in _files(state, namespace, each).items()}
    secret, config_map = source.get("secret"), source.get("configMap")
    if secret is not None:
        name = str(secret.get("secretName") or secret.get("name") or "")
        data = _data_of(state.secrets.get((namespace, name)), f"{namespace}/{name}")
        return _chosen(data, secret)
    if config_map is not None:
        found = state.config_maps.get((namespace, str(config_map.get("name") or ""))) or {}
        return _chosen(
            {key: str(text).encode() for key, text in (found.get("data") or {}).items()}, config_map
        )
    return {}


def _chosen(data: Data, given: Obj) -> Data:
    items = given.get("items")
    return (
        data if not items else {str(each["path"]): data[each["key"]] for each in items if each["key"] in data}
    )
