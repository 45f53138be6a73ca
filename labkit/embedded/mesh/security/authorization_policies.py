"""AuthorizationPolicies: https://istio.io/latest/docs/reference/config/security/authorization-policy/"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from labkit.embedded.mesh.configs import Config
from labkit.embedded.mesh.security.attachment import attached

Action = Literal["ALLOW", "DENY", "AUDIT", "CUSTOM"]
DRY_RUN = "istio.io/dry-run"
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
"""What counts as true in an annotation (Go's ``ParseBool``)."""


@dataclass(frozen=True)
class Policy:
    """One AuthorizationPolicy."""

    config: Config

    @property
    def action(self) -> str:
        return str(self.config.spec.get("action") or "ALLOW")

    @property
    def provider(self) -> str:
        """Who decides, for CUSTOM."""
        return str((self.config.spec.get("provider") or {}).get("name") or "")

    @property
    def rules(self) -> Sequence[Mapping[str, Any]]:
        return [each or {} for each in self.config.spec.get("rules") or []]

    @property
    def is_dry_run(self) -> bool:
        """Whether it is only tried: what it would do is noted, nothing is refused."""
        return self.config.annotations.get(DRY_RUN) in _TRUE

    def rule_name(self, number: int) -> str:
        """How a rule is called in access logs."""
        return f"ns[{self.config.namespace}]-policy[{self.config.name}]-rule[{number}]"


class AuthorizationPolicies:
    """All of the mesh's."""

    def __init__(self, configs: Sequence[Config], root_namespace: str) -> None:
        """*configs*: oldest first."""
        self._configs, self._root = configs, root_namespace

    def of(self, action: Action, namespace: str, labels: Mapping[str, str]) -> list[Policy]:
        """Those with *action* that hold for a pod of *namespace* with *labels*; the root's first."""
        found = map(Policy, attached(self._configs, (self._root, namespace), namespace, labels))
        return [each for each in found if each.action == action]
