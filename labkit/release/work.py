"""What a shift works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labkit.clock import SYSTEM, Clock
from labkit.kube.api.api import Api, Obj
from labkit.kube.convergence.acknowledgement import Strategy
from labkit.release.change import Change, make_change
from labkit.release.course import Shift
from labkit.release.rule import Rule
from labkit.release.shadow import Shadow
from labkit.release.watching import Watch

PATIENCE = 60.0
"""Seconds a step may take until its destination has had enough requests."""


@dataclass
class Work:
    """What a shift works with, and what has come of it."""

    api: Api
    watch: Watch
    rule: Rule
    """As it was before."""
    wide: Rule
    """The same with the destination that gets the traffic, where it was none of the rule's."""
    target: int
    """Which of the destinations that is."""
    shift: Shift
    requests: int
    say: Callable[[str], None]
    shadow: Shadow | None = None
    strategy: Strategy | None = None
    clock: Clock = SYSTEM
    look: Callable[[], str] = lambda: ""
    """What is broken in the mesh itself, asked where a limit was broken."""

    def change(self, patch: Callable[[Rule], list[Obj]]) -> Change:
        """Change the rule as it is now, and wait until every proxy knows."""
        return make_change(self.api, self.rule, patch, strategy=self.strategy, clock=self.clock)
