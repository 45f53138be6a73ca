"""RequestAuthentications: https://istio.io/latest/docs/reference/config/security/request_authentication/"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labkit.embedded.mesh.configs import Config
from labkit.embedded.mesh.durations import seconds
from labkit.embedded.mesh.security.attachment import attached

JwtRule = Mapping[str, Any]
KeySource = tuple[str, str]
"""Where an issuer's keys are: the issuer, and the keys' URI (empty: the issuer tells it)."""


def key_source(rule: JwtRule) -> KeySource:
    return str(rule.get("issuer") or ""), str(rule.get("jwksUri") or "")


class RequestAuthentications:
    """All of the mesh's."""

    def __init__(self, configs: Sequence[Config], root_namespace: str) -> None:
        """*configs*: oldest first."""
        self._configs, self._root = configs, root_namespace

    def rules_for(self, namespace: str, labels: Mapping[str, str]) -> list[JwtRule]:
        """What tokens a pod of *namespace* with *labels* knows, by issuer."""
        found = attached(self._configs, (namespace, self._root), namespace, labels)
        rules = [rule for each in found for rule in each.spec.get("jwtRules") or []]
        return sorted(rules, key=lambda rule: str(rule.get("issuer") or ""))

    @property
    def rules(self) -> list[JwtRule]:
        """Those of all policies."""
        return [rule for each in self._configs for rule in each.spec.get("jwtRules") or []]

    @property
    def key_sources(self) -> dict[KeySource, float]:
        """Where keys have to be fetched from, and how many seconds that may take."""
        wanted = (rule for rule in self.rules if not rule.get("jwks"))
        return {key_source(rule): float(seconds(str(rule.get("timeout") or "5s"))) for rule in wanted}
