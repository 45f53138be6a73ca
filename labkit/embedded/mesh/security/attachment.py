"""Which workloads a policy is for: all of its namespace (the root namespace's: all of the mesh),
those that its selector finds, or the Gateways that its ``targetRefs`` name.

As istiod has it: only pods of a Gateway of the Kubernetes kind have such a name, and of the policies that
have ``targetRefs`` nobody else takes any notice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labkit.embedded.mesh.configs import Config
from labkit.embedded.objects import has_labels

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
_GATEWAY = ("gateway.networking.k8s.io", "Gateway")


def attached(
    configs: Sequence[Config], namespaces: Sequence[str], namespace: str, labels: Mapping[str, str]
) -> Iterator[Config]:
    """Those of *configs* that are for a pod of *namespace* with *labels*, in the order of *namespaces*."""
    for each in dict.fromkeys(namespaces):
        yield from (one for one in configs if one.namespace == each and _is_for(one, namespace, labels))


def _is_for(config: Config, namespace: str, labels: Mapping[str, str]) -> bool:
    targets = config.spec.get("targetRefs") or [each for each in [config.spec.get("targetRef")] if each]
    if not targets:
        selector = (config.spec.get("selector") or {}).get("matchLabels")
        # An EnvoyFilter's own spelling.
        selector = selector or (config.spec.get("workloadSelector") or {}).get("labels")
        return has_labels(labels, selector or {})
    return config.namespace == namespace and any(_names(each, namespace, labels) for each in targets)


def _names(target: Mapping[str, Any], namespace: str, labels: Mapping[str, str]) -> bool:
    kind = target.get("group") or "", target.get("kind")
    same = target.get("namespace") in (None, "", namespace)
    return kind == _GATEWAY and same and target.get("name") == labels.get(GATEWAY_NAME)
