"""AuthorizationPolicies of a workload as Envoy's filters, in the order in which they are asked:
CUSTOM, then (behind the tokens' filter) AUDIT, DENY and ALLOW.

Names, and so the words of access logs, are istiod's: ``ns[<namespace>]-policy[<name>]-rule[<number>]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.security.authorization_policies import Action, Policy
from labkit.embedded.mesh.translate.naming import typed
from labkit.embedded.mesh.translate.security.external import NOTED, POLICY, Asked, NobodyToAskError, asked
from labkit.embedded.mesh.translate.security.rules import NEVER, Translation, policies

Fields = dict[str, Any]
HTTP_FILTER, TCP_FILTER = "envoy.filters.http.rbac", "envoy.filters.network.rbac"
_HTTP_CONFIG = "envoy.extensions.filters.http.rbac.v3.RBAC"
_TCP_CONFIG = "envoy.extensions.filters.network.rbac.v3.RBAC"
_ENVOYS: Mapping[Action, str] = {"AUDIT": "LOG", "DENY": "DENY", "ALLOW": "ALLOW", "CUSTOM": "DENY"}
_DRY_RUN = {"ALLOW": "istio_dry_run_allow_", "DENY": "istio_dry_run_deny_"}
_BAD = "-deny-due-to-bad-CUSTOM-action"


@dataclass(frozen=True)
class Authorization:
    """The filters of one proxy, for HTTP or for the bytes of a TCP port."""

    state: MeshState
    proxy: Proxy
    bytes_only: bool = False

    def local(self) -> list[Fields]:
        """What the proxy decides itself."""
        actions: tuple[Action, ...] = ("AUDIT", "DENY", "ALLOW")
        return [self._local(action, found) for action in actions if (found := self._policies(action))]

    def custom(self) -> list[Fields]:
        """What a provider decides: an RBAC filter that notes which requests it is asked about, then it."""
        by_provider: dict[str, list[Policy]] = {}
        for each in self._policies("CUSTOM"):
            by_provider.setdefault(each.provider, []).append(each)
        if len(by_provider) > 1:  # which of them counts can't be said, so nobody is let in
            return [self._refusal(name, by_provider[name]) for name in sorted(by_provider)]
        return [each for name, found in by_provider.items() for each in self._custom(name, found)]

    def _policies(self, action: Action) -> list[Policy]:
        labels = self.state.labels_of(self.proxy)
        return self.state.authorization_policies.of(action, self.proxy.namespace, labels)

    def _local(self, action: Action, found: Sequence[Policy]) -> Fields:
        enforced = [each for each in found if not each.is_dry_run]
        tried = [each for each in found if each.is_dry_run]
        fields: Fields = {}
        if enforced:
            fields["rules"] = self._rbac(action, enforced)
        if tried:
            fields["shadow_rules"] = self._rbac(action, tried)
        # What has no rules to try counts as ALLOW with istiod.
        fields["shadow_rules_stat_prefix"] = _DRY_RUN.get(action if tried else "ALLOW", "")
        return self._filter(**{key: value for key, value in fields.items() if value != ""})

    def _custom(self, provider: str, found: Sequence[Policy]) -> Iterator[Fields]:
        try:
            decides = asked(self.state, self.proxy.namespace, provider)
        except NobodyToAskError:
            yield self._refusal(provider, found)
            return
        if not self.bytes_only or decides.takes_bytes:
            yield from self._asking(decides, found)

    def _asking(self, decides: Asked, found: Sequence[Policy]) -> Iterator[Fields]:
        prefix = _prefix(decides.authorizer.name)
        noted = [each for each in found if not each.is_dry_run]
        tried = [each for each in found if each.is_dry_run]
        rules = {"rules": self._rbac("CUSTOM", tried, prefix)} if tried else {}
        shadow = self._rbac("CUSTOM", noted, prefix)
        yield self._filter(**rules, shadow_rules=shadow, shadow_rules_stat_prefix=NOTED)
        yield decides.tcp_filter(TCP_FILTER) if self.bytes_only else decides.http_filter(HTTP_FILTER)

    def _refusal(self, provider: str, found: Sequence[Policy]) -> Fields:
        enforced = [each for each in found if not each.is_dry_run]
        rules = self._rbac("CUSTOM", enforced, _prefix(provider))
        named = {name + _BAD: each for name, each in rules["policies"].items()}
        return self._filter(rules={**rules, "policies": named})

    def _rbac(self, action: Action, found: Sequence[Policy], prefix: str = "") -> Fields:
        named = (
            (prefix + each.rule_name(number), policy)
            for each in found
            for number, policy in enumerate(self._rules(action, each))
        )
        return {"action": _ENVOYS[action], "policies": policies(named)}

    def _rules(self, action: Action, policy: Policy) -> list[Fields | None]:
        translation = Translation(
            policy.config.namespace,
            self.state.mesh.trust_domains,
            allows=action == "ALLOW",
            bytes_only=self.bytes_only,
        )
        return [translation.policy(each) for each in policy.rules] or [NEVER]

    def _filter(self, **fields: Any) -> Fields:
        if self.bytes_only:
            config = typed(_TCP_CONFIG, **fields, stat_prefix="tcp.")
            return {"name": TCP_FILTER, "typed_config": config}
        return {"name": HTTP_FILTER, "typed_config": typed(_HTTP_CONFIG, **fields)}


def _prefix(provider: str) -> str:
    return f"{POLICY}-{provider}-" if provider else f"{POLICY}-"
