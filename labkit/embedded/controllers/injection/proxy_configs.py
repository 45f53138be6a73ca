"""ProxyConfigs: what proxies are started with, for the mesh, a namespace or chosen pods.

https://istio.io/latest/docs/reference/config/networking/proxy-config/

They count when a pod is made. The narrower one's settings lie over the wider one's: the mesh's
``defaultConfig``, the root namespace's ProxyConfig, the namespace's, the pod's annotation, one that selects
the pod. Of several of one kind the oldest comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from labkit.embedded.interfaces import Client
from labkit.embedded.objects import Obj, has_labels, labels_of, name_of
from labkit.embedded.proxy_config import leads_out, proxy_config

RESOURCE = "proxyconfigs.networking.istio.io"
_ROOT = "istio-system"
HOLDS = "holdApplicationUntilProxyStarts"
Settings = dict[str, Any]
"""``concurrency``, ``proxyMetadata`` (variables of the proxy's environment), and whether it is waited for."""


def effective(client: Client, namespace: str, pod: Obj) -> Settings:
    """The settings for the proxy of *pod*, which is about to be made in *namespace*."""
    everywhere = [] if namespace == _ROOT else _of(client, _ROOT, None)
    levels = [
        *_of(client, namespace, labels_of(pod)),
        _own(pod),
        *_of(client, namespace, None),
        *everywhere,
        _defaults(client),
    ]
    return _merged(levels)


def _of(client: Client, namespace: str, labels: Mapping[str, str] | None) -> list[Settings]:
    """Those of *namespace* that select a pod with *labels*; those that select none, where it is None."""
    found = sorted(client.list(RESOURCE, namespace), key=_age)
    return [_settings(each.get("spec") or {}) for each in found if _is_for(each, labels)]


def _age(obj: Obj) -> tuple[str, str]:
    return str(obj["metadata"].get("creationTimestamp") or ""), name_of(obj)


def _is_for(obj: Obj, labels: Mapping[str, str] | None) -> bool:
    selector = ((obj.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return not selector if labels is None else bool(selector) and has_labels(labels, selector)


def _settings(spec: Mapping[str, Any]) -> Settings:
    found = {"concurrency": spec.get("concurrency"), "proxyMetadata": spec.get("environmentVariables")}
    return {name: value for name, value in found.items() if value is not None}


def _own(pod: Obj) -> Settings:
    return _known(proxy_config(pod))


def _known(given: Mapping[str, Any]) -> Settings:
    return {
        name: given[name] for name in ("concurrency", "proxyMetadata", HOLDS) if given.get(name) is not None
    }


def _defaults(client: Client) -> Settings:
    found = client.find("configmaps", "istio", _ROOT) or {}
    try:
        mesh = yaml.safe_load((found.get("data") or {}).get("mesh") or "{}")
    except yaml.YAMLError:  # istiod tells of it, and goes on with what it had
        return {}
    given = (mesh.get("defaultConfig") or {}) if isinstance(mesh, dict) else {}
    return _known(given) if isinstance(given, dict) else {}


def _merged(levels: Sequence[Settings]) -> Settings:
    """*levels*, the one that counts most first; variables are joined."""
    numbers: Iterator[int] = (each["concurrency"] for each in levels if "concurrency" in each)
    variables: dict[str, str] = {}
    for each in reversed(levels):
        variables |= {str(name): str(value) for name, value in (each.get("proxyMetadata") or {}).items()}
    given = {name: value for name, value in variables.items() if not leads_out(name)}
    holds: Iterator[object] = (each[HOLDS] for each in levels if HOLDS in each)
    return {"concurrency": next(numbers, None), "proxyMetadata": given, HOLDS: next(holds, None) is True}
