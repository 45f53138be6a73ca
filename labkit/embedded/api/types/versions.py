"""Kubernetes' order of versions: ``v2``, ``v1``, ``v1beta1``, ``v1alpha3``, ``v1alpha1``, then all others."""

from __future__ import annotations

import re

_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_STAGES = {None: 0, "beta": 1, "alpha": 2}


def version_priority(version: str) -> tuple[int, int, int, str]:
    """Sort key; see ``k8s.io/apimachinery/pkg/version.CompareKubeAwareVersionStrings``."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return 3, 0, 0, version
    return _STAGES[match[2]], -int(match[1]), -int(match[3] or 0), ""
