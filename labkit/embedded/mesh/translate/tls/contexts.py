"""TLS contexts: how a certificate, and whom to trust, are asked for over this very stream, and wrapped.

The names of secrets are istiod's: ``default`` and ``ROOTCA`` for the workload's own, ``kubernetes://NAME``
for a ``credentialName``, ``file-cert:CERTIFICATE~KEY`` and ``file-root:CA`` for files in the pod.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labkit.embedded.mesh.translate.naming import ads, typed

OWN, TRUSTED = "default", "ROOTCA"
"""The secrets by which a proxy shows itself to the mesh and knows others of it."""
SECRET, CONFIG_MAP, PAIR, ROOT = "kubernetes://", "configmap://", "file-cert:", "file-root:"
BETWEEN_FILES, AUTHORITY_SUFFIX = "~", "-cacert"
SYSTEM = "system"
"""In the place of a file: whom the machine trusts."""
VERSIONS = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}

Context = dict[str, Any]
_TLS = "envoy.extensions.transport_sockets.tls.v3"
_SOCKET = "envoy.transport_sockets.tls"


def own_certificate() -> Context:
    """The workload's own is shown."""
    return {"tls_certificate_sds_secret_configs": [{"name": OWN, "sds_config": ads()}]}


def of_the_mesh(rules: Context) -> Context:
    """Who is of the mesh is trusted, as far as *rules* (of a ``CertificateValidationContext``) let it."""
    return _combined(rules, {"name": TRUSTED, "sds_config": ads()})


def certificates(*names: str) -> Context:
    """The certificates in these secrets are shown."""
    return {"tls_certificate_sds_secret_configs": [_asked_for(each) for each in names]}


def trusting(name: str, rules: Context) -> Context:
    """Whom the authorities in the secret *name* have signed is trusted, as far as *rules* let it."""
    return _combined(rules, _asked_for(name))


def exactly(names: Sequence[str]) -> Context:
    """The rule that a certificate is for one of *names*; none where there are none."""
    return {"match_subject_alt_names": [{"exact": each} for each in names]} if names else {}


def upstream(context: Context, server_name: str) -> dict[str, Any]:
    """The transport socket of a client."""
    sni = {"sni": server_name} if server_name else {}
    tls = typed(f"{_TLS}.UpstreamTlsContext", common_tls_context=context, **sni)
    return {"name": _SOCKET, "typed_config": tls}


def downstream(context: Context, *, insists: bool) -> dict[str, Any]:
    """The transport socket of a server; *insists*: on a certificate of the client."""
    fields = {"common_tls_context": context, "require_client_certificate": insists}
    return {"name": _SOCKET, "typed_config": typed(f"{_TLS}.DownstreamTlsContext", **fields)}


def of_credential(name: str) -> str:
    """The secret's name for a ``credentialName``."""
    return name if name.startswith((SECRET, CONFIG_MAP)) else f"{SECRET}{name}"


def of_files(certificate: str, key: str) -> str:
    """The secret's name for a pair of files."""
    return f"{PAIR}{certificate}{BETWEEN_FILES}{key}"


def of_authorities(file: str) -> str:
    """The secret's name for a file of authorities."""
    return f"{ROOT}{file or SYSTEM}"


def asked_for(socket: Mapping[str, Any]) -> Iterator[str]:
    """The names of the secrets that a transport *socket* asks for, the workload's own aside."""
    context = (socket.get("typed_config") or {}).get("common_tls_context") or {}
    combined = context.get("combined_validation_context") or {}
    trusted = combined.get("validation_context_sds_secret_config")
    for each in [*(context.get("tls_certificate_sds_secret_configs") or []), *([trusted] if trusted else [])]:
        if each["name"] not in (OWN, TRUSTED):
            yield each["name"]


def _asked_for(name: str) -> dict[str, Any]:
    """As istiod: Envoy waits 15 s for it and goes on without; it may not be there, and may come later."""
    return {"name": name, "sds_config": {"ads": {}, "resource_api_version": "V3"}}


def _combined(rules: Context, secret: dict[str, Any]) -> Context:
    combined = {"default_validation_context": rules, "validation_context_sds_secret_config": secret}
    return {"combined_validation_context": combined}
