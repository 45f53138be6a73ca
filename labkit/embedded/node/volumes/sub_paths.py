"""Which part of a volume a container sees, where its own variables say it (``subPathExpr``).

Source: ``ExpandContainerVolumeMounts`` and ``makeMounts`` of Kubernetes' kubelet.
"""

from __future__ import annotations

from collections.abc import Mapping

from labkit.embedded.node.processes.environment import ConfigError, expand, missing
from labkit.embedded.objects import Obj


def expanded(spec: Obj, variables: Mapping[str, str]) -> Obj:
    """The container *spec* with a ``subPath`` for each ``subPathExpr``; ConfigError where it is none."""
    mounts = spec.get("volumeMounts") or []
    if not any(each.get("subPathExpr") for each in mounts):
        return spec
    return {**spec, "volumeMounts": [_expanded(each, variables) for each in mounts]}


def _expanded(mount: Obj, variables: Mapping[str, str]) -> Obj:
    text = str(mount.get("subPathExpr") or "")
    if not text:
        return mount
    if lacking := missing(text, variables):
        raise ConfigError(f"missing value for {', '.join(lacking)}")
    path = expand(text, variables)
    if path.startswith("/"):
        raise ConfigError(f"error SubPath `{path}` must not be an absolute path")
    if ".." in path.split("/"):
        raise ConfigError(f"unable to provision SubPath `{path}`: must not contain '..'")
    return {**mount, "subPath": path}
