"""TLS that a proxy begins on its own: ``ClientTLSSettings`` of a DestinationRule, SIMPLE and MUTUAL.

https://istio.io/latest/docs/reference/config/networking/destination-rule/#ClientTLSSettings
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labkit.embedded.mesh.mesh_config import MeshConfig
from labkit.embedded.mesh.translate.naming import without_empty
from labkit.embedded.mesh.translate.tls import contexts
from labkit.embedded.mesh.translate.tls.contexts import Context

Settings = Mapping[str, Any]
MODES = ("SIMPLE", "MUTUAL")


def begins(tls: Settings | None, *, may_have_secrets: bool) -> bool:
    """Whether *tls* makes the proxy begin TLS that is not the mesh's own.

    A Secret is not handed to every sidecar that a rule happens to hold for: where *may_have_secrets* is
    false, a ``credentialName`` makes the connections plain text, as istiod has it.
    """
    if tls is None or tls.get("mode") not in MODES:
        return False
    name = str(tls.get("credentialName") or "")
    return may_have_secrets or not name or name.startswith(contexts.CONFIG_MAP)


def socket(mesh: MeshConfig, tls: Settings, own_names: Sequence[str], *, http2: bool) -> dict[str, Any]:
    """The transport socket; *own_names*: the service's, whom the rule names none."""
    names = [str(each) for each in tls.get("subjectAltNames") or own_names]
    defaults = mesh.tls_defaults
    more = {"cipher_suites": list(defaults.cipher_suites), "ecdh_curves": list(defaults.ecdh_curves)}
    context: Context = {
        "tls_params": contexts.VERSIONS | without_empty(more),
        **({"alpn_protocols": ["h2"]} if http2 else {}),
        **_shown(tls),
        **_trusted(tls, contexts.exactly(names)),
    }
    return contexts.upstream(context, str(tls.get("sni") or ""))


def http_options(tls: Settings) -> dict[str, Any]:
    """``upstream_http_protocol_options``: without a name of the rule's, it is the request's host."""
    names_itself = not tls.get("sni")
    checks = names_itself and not tls.get("subjectAltNames") and not tls.get("insecureSkipVerify")
    found = {"auto_sni": names_itself, "auto_san_validation": checks}
    return {key: value for key, value in found.items() if value}


def _shown(tls: Settings) -> Context:
    if tls["mode"] != "MUTUAL":
        return {}
    if tls.get("credentialName"):
        return contexts.certificates(contexts.of_credential(str(tls["credentialName"])))
    return contexts.certificates(contexts.of_files(str(tls["clientCertificate"]), str(tls["privateKey"])))


def _trusted(tls: Settings, rules: Context) -> Context:
    if tls.get("insecureSkipVerify"):
        return {} if tls.get("credentialName") else {"validation_context": {}}
    if tls.get("credentialName"):
        name = contexts.of_credential(f"{tls['credentialName']}{contexts.AUTHORITY_SUFFIX}")
        return contexts.trusting(name, rules)
    return contexts.trusting(contexts.of_authorities(str(tls.get("caCertificates") or "")), rules)
