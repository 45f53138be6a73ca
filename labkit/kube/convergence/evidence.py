"""What was seen of proxies since a wait began, and whether it shows that everything has arrived.

istiod sends what it knows once nothing new has come for a while (100 ms, ``PILOT_DEBOUNCE_AFTER``), and
says with nothing that it sends which change is in it. So one of these has to be seen:

- **the change itself**, where it is of VirtualServices alone: routes were seen that did not yet lead where
  these say, now or at an earlier wait, and now each does, in every proxy. Nothing is waited for then.
- **a push, then silence**: something changed in a proxy later than istiod waits after the wait began, so
  what came earlier is in it, and then nothing changed for :data:`SETTLED` seconds, as long as a second
  push would take that an earlier one held up.
- **silence alone**, for :data:`QUIET` seconds: nothing is to come, several times as long as istiod waits.
"""

from __future__ import annotations

from collections.abc import Collection, Set
from typing import Any

from labkit.kube.mesh.ways import RuleName

QUIET = 0.7
SETTLED = 0.25
_DEBOUNCE = 0.1
"""Seconds that istiod waits for more, by default."""


class Evidence:
    """From *now* on; *rules* are the VirtualServices that alone were changed, none where it was more."""

    def __init__(self, rules: Collection[RuleName], now: float) -> None:
        self._rules = frozenset(rules)
        self._started = self._changed = now
        self._before: Any = None
        self._wrong: Set[RuleName] = frozenset()
        self._seen_wrong: set[RuleName] = set()
        self._pushed = False

    def remember(self, wrong: Set[RuleName]) -> None:
        """The VirtualServices, as they are now, that some proxy did not follow when it was last seen."""
        self._seen_wrong |= wrong

    def add(
        self, fingerprints: Any, wrong: Set[RuleName], now: float, *, telling: Set[RuleName] | None = None
    ) -> None:
        """A look that ended *now*: what proxies use, and the VirtualServices that some do not follow yet.

        telling: those of them that a proxy does not follow which stands for others, where one does.
        """
        if self._before is None:
            self._before = fingerprints
        if fingerprints != self._before:
            self._before, self._changed = fingerprints, now
            self._pushed = self._pushed or now - self._started >= _DEBOUNCE
        self._wrong = wrong
        self._seen_wrong |= wrong if telling is None else telling

    @property
    def is_decisive(self) -> bool:
        """Whether the change itself was seen to arrive everywhere."""
        return bool(self._rules) and self._rules <= self._seen_wrong and not self._wrong

    def is_settled(self, began: float) -> bool:
        """Whether the last look, which *began* then, still saw what was seen long enough before."""
        return began - self._changed >= (SETTLED if self._pushed else QUIET)
