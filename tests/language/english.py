"""Finding English in what is said in another language.

Words in Latin letters are names, commands and the field's own terms, or they were forgotten. What stands as
code (`…`), in a link's address or as a {place} is nobody's language.
"""

import re

_TERMS = """
    A B C Clopper Pearson
    ALLOW_ANY REGISTRY_ONLY READY Running
    API DNS GET HTML HTTP ID IP JSON READY URL YAML
    Deployment DestinationRule Gateway Namespace Service ServiceEntry Sidecar VirtualService ReplicaSet
    Egress Ingress egress ingress inbound outbound cluster client
    Envoy Istio Jupyter JupyterLab Kubernetes istiod kubectl labkit
    ServiceA ServiceB ServiceC
    Control control plane Mesh mesh service
    p s x
    ConfigMap LABKIT_USER NO_PROXY Python SOCKS TLS apiVersion imagePullPolicy kind kubeconfig metadata mode
    outboundTrafficPolicy timeout
    default delay errors exportTo headless noexec seccomp xx
    DI EnvoyFilter Ready Telemetry UT UTC
    AnalysisTemplate Argo Go Job Rollout Rollouts
    Debian Docker Linux NAT TMPDIR Ubuntu WSL curl export firewalld libvirt linux localhost sh ufw y
"""
ALLOWED = set(_TERMS.split())
_NOT_WORDS = [
    r"404 Not Found|502 Bad Gateway|503 Service Unavailable|504 Gateway Timeout|Failed to connect",
    r"UnknownHostException|External Cluster Service",
    r"```.*?```",
    r"`[^`]*`",
    r"\]\([^)]*\)",
    r"\{[^}]*\}",
    r"https?://\S+",
    r"[\w.-]+\.(?:yml|ipynb)\b",
    r"[\w.]+\([^)]*\)|[\w.]+=|\b[A-Za-z]\w*(?:-[\w.]+)+",
    r"[\w./]*[/=_][\w./=_-]*",
    r"<[^>]*>",
]


def english(text: str) -> list[str]:
    """The words of *text* in Latin letters that have no business there."""
    for pattern in _NOT_WORDS:
        text = re.sub(pattern, " ", text, flags=re.DOTALL)
    return [word for word in re.findall(r"[A-Za-z][A-Za-z_]*", text) if word not in ALLOWED]
