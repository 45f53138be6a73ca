"""New weights for a rule, and when every proxy has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import yaml

from labkit.clock import SYSTEM, Clock
from labkit.errors import ApiRefused, UsageError
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.manifests import Source
from labkit.kube.api.resources import VIRTUAL_SERVICES
from labkit.kube.applying.apply import kubectl_command
from labkit.kube.convergence.acknowledgement import Acknowledgement, Strategy
from labkit.kube.convergence.convergence import wait_for_proxies
from labkit.language import gettext
from labkit.release.managers import refuse_managed
from labkit.release.rule import Rule, is_conflict, read_again, write

_ATTEMPTS = 5
"""How often a rule is read again that somebody changes at the same time."""


@dataclass(frozen=True)
class Change:
    """A rule with other weights than before, and when every proxy had them."""

    rule: Rule
    """As it is now."""
    acknowledged: Acknowledgement
    """Its ``seconds`` count from the moment of asking."""
    at: float
    """Seconds since the epoch: when the proxies had acknowledged."""

    @property
    def command(self) -> str:
        """The kubectl command that does the same."""
        return command(self.rule)

    @property
    def sentence(self) -> str:
        """``applied → acknowledged by 4 proxies in 23 ms``."""
        return gettext("applied → {acknowledged}", acknowledged=self.acknowledged)


def manifest(rule: Rule) -> Source:
    """*rule*'s VirtualService as one writes it: everything that is in it, nothing that the server adds."""
    found = {"apiVersion": VIRTUAL_SERVICES.group_version, "kind": VIRTUAL_SERVICES.kind} | {
        "metadata": {"name": rule.name, "namespace": rule.namespace},
        "spec": rule.object["spec"],
    }
    return Source(yaml.safe_dump(found, sort_keys=False))


def command(rule: Rule) -> str:
    """The kubectl command that applies :func:`manifest`, which it reads from its input."""
    source = manifest(rule)
    return f"{kubectl_command(source, rule.namespace)} <<'EOF'\n{source.text}EOF"


def set_weights(
    api: Api,
    rule: Rule,
    weights: Sequence[int | None],
    *,
    strategy: Strategy | None = None,
    timeout: float = 30.0,
) -> Change:
    """Give the destinations of *rule* these *weights*, nothing else, and wait until every proxy knows.

    None takes a weight away. Raises UsageError where the rule is gone, leads elsewhere now or is a
    controller's (:mod:`labkit.release.managers`), ApiRefused, WaitTimeout.
    """
    wanted = rule.with_weights(weights)
    return make_change(api, rule, lambda now: now.patch_to(wanted), strategy=strategy, timeout=timeout)


def make_change(
    api: Api,
    rule: Rule,
    patch: Callable[[Rule], list[Obj]],
    *,
    strategy: Strategy | None = None,
    timeout: float = 30.0,
    clock: Clock = SYSTEM,
) -> Change:
    """The change that *patch* makes of *rule* as it is now; as :func:`set_weights`."""
    began = clock.monotonic()
    now = _written(api, rule, patch)
    revision = str(now.object["metadata"]["resourceVersion"])
    changed = [(rule.name, rule.namespace)]
    answer = wait_for_proxies(api, revision, rules=changed, strategy=strategy, timeout=timeout)
    return Change(now, replace(answer, seconds=clock.monotonic() - began), clock.time())


def _written(api: Api, rule: Rule, patch: Callable[[Rule], list[Obj]]) -> Rule:
    for attempt in range(_ATTEMPTS):
        now = read_again(api, rule)
        if now is None:
            raise UsageError(
                gettext(
                    "The VirtualService {rule} in {namespace} is gone, or leads elsewhere than a moment "
                    "ago: look at it, then try again.",
                    rule=rule.name,
                    namespace=rule.namespace,
                )
            )
        changes = patch(now)
        if not changes:
            return now
        if any(one["path"].startswith("/spec/") for one in changes):
            refuse_managed(now)
        try:
            return write(api, now, changes)
        except ApiRefused as error:
            if not is_conflict(error) or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")
