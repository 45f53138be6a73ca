"""What a pod's annotation ``proxy.istio.io/config`` sets for its proxy (``mesh.v1alpha1.ProxyConfig``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from labkit.embedded.objects import Obj, annotations_of

PROXY_CONFIG = "proxy.istio.io/config"
_LEAD_OUT = (
    "LD_",
    "GLIBC_",
    "GCONV_",
    "LOCPATH",
    "MALLOC_",
    "HEAPPROFILE",
    "HEAPCHECK",
    "CPUPROFILE",
    "PPROF_",
)


def proxy_config(pod: Obj) -> Mapping[str, Any]:
    """The settings; none where the annotation holds no mapping, as injection does not let it pass."""
    try:
        found = yaml.safe_load(annotations_of(pod).get(PROXY_CONFIG) or "{}")
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def concurrency(pod: Obj) -> int | None:
    """How many workers the proxy has, 0 for one on each core; None where the pod does not say."""
    found = proxy_config(pod).get("concurrency")
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def leads_out(variable: str) -> bool:
    """Whether the loader, the C library or the allocator takes *variable* for files to load or to write.

    A proxy has no container around it that these would be looked for in, so it is not given such ones.
    """
    return variable.startswith(_LEAD_OUT)
