"""TLS that a gateway, or a sidecar's ingress listener, takes: ``ServerTLSSettings`` as a transport socket.

https://istio.io/latest/docs/reference/config/networking/gateway/#ServerTLSSettings
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit.embedded.mesh.mesh_config import MeshConfig
from labkit.embedded.mesh.translate.naming import without_empty
from labkit.embedded.mesh.translate.tls import contexts
from labkit.embedded.mesh.translate.tls.contexts import Context

Settings = Mapping[str, Any]
PASSTHROUGH, AUTO_PASSTHROUGH = "PASSTHROUGH", "AUTO_PASSTHROUGH"
SIMPLE, MUTUAL, OPTIONAL_MUTUAL, ISTIO_MUTUAL = "SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL", "ISTIO_MUTUAL"
CIPHER_SUITES = frozenset(
    {
        *("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        *("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"),
        *("ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA"),
        *("AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA", "DES-CBC3-SHA"),
    }
)
"""What Istio takes; others are left out."""
_VERSIONS = {f"TLSV1_{minor}": f"TLSv1_{minor}" for minor in range(4)}


def mode_of(tls: Settings | None) -> str:
    """The mode, where there are settings; empty where there are none."""
    return "" if tls is None else str(tls.get("mode") or PASSTHROUGH)


def socket(mesh: MeshConfig, tls: Settings, *, http: bool) -> dict[str, Any]:
    """The transport socket of a server that ends TLS; *http*: whether it goes on with HTTP."""
    mode = mode_of(tls)
    exchange = [] if http or mode != ISTIO_MUTUAL else ["istio-peer-exchange"]
    context = {"alpn_protocols": [*exchange, "h2", "http/1.1"], **_certificates(tls, mode)}
    if mode != ISTIO_MUTUAL:
        params = _params(mesh, tls)
        context |= {"tls_params": params} if params else {}
    return contexts.downstream(context, insists=mode in (MUTUAL, ISTIO_MUTUAL))


def _certificates(tls: Settings, mode: str) -> Context:
    if mode == ISTIO_MUTUAL:
        return contexts.own_certificate() | contexts.of_the_mesh(_names(tls))
    names = list(tls.get("credentialNames") or filter(None, [tls.get("credentialName")]))
    return _stored(tls, names, mode) if names else _filed(tls, mode)


def _stored(tls: Settings, names: list[str], mode: str) -> Context:
    """Certificates from Secrets; the client's authorities from the first one's, or one of their own."""
    shown = contexts.certificates(*map(contexts.of_credential, names))
    if mode in (MUTUAL, OPTIONAL_MUTUAL):
        authorities = tls.get("caCertCredentialName") or f"{names[0]}{contexts.AUTHORITY_SUFFIX}"
        pins = {
            "verify_certificate_spki": list(tls.get("verifyCertificateSpki") or []),
            "verify_certificate_hash": list(tls.get("verifyCertificateHash") or []),
        }
        rules = _names(tls) | without_empty(pins)
        return shown | contexts.trusting(contexts.of_credential(str(authorities)), rules)
    return shown | ({"validation_context": _names(tls)} if _names(tls) else {})


def _filed(tls: Settings, mode: str) -> Context:
    """Certificates from files in the pod."""
    pairs = tls.get("tlsCertificates") or [tls]
    names = [
        contexts.of_files(str(each.get("serverCertificate") or ""), str(each.get("privateKey") or ""))
        for each in pairs
    ]
    shown = contexts.certificates(*names)
    if mode == SIMPLE:
        return shown
    return shown | contexts.trusting(f"{contexts.ROOT}{tls.get('caCertificates') or ''}", _names(tls))


def _names(tls: Settings) -> Context:
    return contexts.exactly([str(each) for each in tls.get("subjectAltNames") or []])


def _is_suite(text: str) -> bool:
    """Whether it is one, or what OpenSSL takes for several."""
    return text in CIPHER_SUITES or text in ("", "ALL") or not text[0].isalnum()


def _params(mesh: MeshConfig, tls: Settings) -> Context:
    """The mesh's defaults, and over them the server's own."""
    defaults = mesh.tls_defaults
    suites = [each for each in dict.fromkeys(tls.get("cipherSuites") or []) if _is_suite(str(each))]
    lowest = _VERSIONS.get(str(tls.get("minProtocolVersion") or ""))
    return without_empty(
        {
            "tls_minimum_protocol_version": lowest or (defaults.lowest if defaults.is_given else None),
            "tls_maximum_protocol_version": _VERSIONS.get(str(tls.get("maxProtocolVersion") or "")),
            "cipher_suites": suites or list(defaults.cipher_suites),
            "ecdh_curves": list(defaults.ecdh_curves),
        }
    )
