"""The rule that a split panel is about: looked at again and again, and given other weights by its sliders.

Others may change it meanwhile, rename it, take it away. What becomes of it stands in the panel's controls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from labkit.clock import Clock
from labkit.errors import LabkitError, UsageError
from labkit.kube.api.api import Api
from labkit.kube.convergence.acknowledgement import Strategy
from labkit.language import gettext
from labkit.release import change
from labkit.release.attribution import Tell
from labkit.release.held import Held
from labkit.release.rule import Rule
from labkit.traffic.target import Headers
from labkit.views.split_break import Breaking
from labkit.views.split_controls import Controls
from labkit.views.theme import colours_of

__all__ = ["Made", "Release", "SteeredRule", "listed"]

_SILENCE = 3.0
"""Seconds after which the API server is said not to answer: a daemon that is stopped says nothing at all."""
_NOTED = 10
"""Looks for one at what there is to know of the destinations."""


@dataclass(frozen=True)
class Release:
    """What a panel is about."""

    find: Callable[[], Held | None]
    """The rule as it is now. Raises LabkitError where the cluster does not say."""
    tell: Callable[[Held], Tell]
    """What tells whose an answer is."""
    missing: str
    """What to say where there is no rule."""
    trouble: Callable[[], str] = str
    """What is broken in the mesh itself; nothing where it works."""
    note: Callable[[Held], str] = lambda held: ""
    """What to know of its destinations to read what one sees."""
    names: Sequence[str] = ()
    """Whom answers may come from where there is no rule, as they greet."""
    strategy: Strategy | None = None
    headers: Headers | None = None
    """Of the requests."""


@dataclass(frozen=True)
class Made:
    """A change that was made here."""

    asked: float
    """When, in seconds since the epoch."""
    change: change.Change


class SteeredRule:
    """*controls* and *breaking* show it.

    adopted: is told when it is another one than before, or has other weights: from which moment on, whether
    it leads elsewhere now, and the change if it was made here. lost: is told when there is none any more.
    """

    def __init__(
        self,
        api: Api,
        release: Release,
        controls: Controls,
        breaking: Breaking,
        *,
        adopted: Callable[[Held, float, bool, Made | None], None],
        lost: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._api, self._release, self._clock = api, release, clock
        self._controls, self._breaking = controls, breaking
        self._adopted, self._lost = adopted, lost
        self._setting, self._looks = threading.RLock(), 0
        self.held: Held | None = None
        """As it was last seen."""
        self.problem: str | None = None
        """Why there is none, or nobody to ask for it."""
        self.made: Made | None = None
        """The newest change made here; None where somebody else made one since."""

    @property
    def weights(self) -> dict[str, int]:
        """Name → parts of 100; empty where there is none."""
        return self.held.weights if self.held else {}

    @property
    def names(self) -> Sequence[str]:
        """Its destinations, or whom answers may come from."""
        return self.held.names if self.held else self._release.names

    @property
    def command(self) -> str:
        """The kubectl command that does what the newest change did, with its manifest."""
        if self.held is None:
            raise UsageError(self._release.missing)
        return self.made.change.command if self.made else change.command(self.held.rule)

    def told(self, made: Made) -> str:
        """What *made* came to."""
        return f"{listed(self.weights)}: {made.change.sentence}"

    # -------------------------------------------------------------------------------------- set here

    def set(self, weights: int | Mapping[str, int]) -> None:
        """Give destinations so many of 100 requests; refusals stand in the controls."""
        with self._setting:
            asked = self._clock.time()
            try:
                held = self._still_the_same()
                changed = held.write(self._api, _wanted(held, weights), strategy=self._release.strategy)
            except LabkitError as error:
                self._controls.weigh(self.weights)
                self._controls.show_refusal(str(error))
                return
            self._adopt(Held(changed.rule, held.numbers), changed.at, Made(asked, changed))

    def _still_the_same(self) -> Held:
        """The rule as it is now; UsageError where it isn't the one whose sliders are shown."""
        with self._api.within(_SILENCE):
            found, before = self._release.find(), self.held
        if found is None:
            self._lose(self._release.missing)
            raise UsageError(self._release.missing)
        if before is None or before.destinations != found.destinations:
            self._adopt(found, self._clock.time())
            raise UsageError(
                gettext("The rule leads elsewhere than a moment ago: look at it, then set it again.")
            )
        self.problem = None
        return found

    # ----------------------------------------------------------------------------------- set elsewhere

    def look(self) -> None:
        """See whether it is as it was: kubectl, lab.shift() and others change it, too."""
        if not self._setting.acquire(blocking=False):
            return
        try:
            with self._api.within(_SILENCE):
                self._breaking.look()
                found, problem = self._found()
            if found is None:
                self._lose(problem)
            elif self.problem or not self.held or _seen(found) != _seen(self.held):
                words = self._words_of(found)
                self._adopt(found, self._clock.time())
                if words:
                    self._controls.show_change(words)
                else:
                    self._controls.change.value = ""
            if found and self._looks % _NOTED == 0:
                self._controls.show_note(self._release.note(found))
            self._looks += 1
        finally:
            self._setting.release()

    def _found(self) -> tuple[Held | None, str]:
        try:
            return self._release.find(), self._release.missing
        except LabkitError as error:
            cure = "" if self._api.shared else gettext(" `labkit status`, typed in a terminal, says why.")
            return None, gettext(
                "The cluster does not answer: {error}{cure} The panel goes on when it does.",
                error=error,
                cure=cure,
            )

    def _words_of(self, found: Held) -> str:
        """What has become of the rule since the last look; nothing at the first one."""
        weights = listed(found.weights)
        if self.problem:
            return gettext("{weights}: the rule is there again", weights=weights)
        if self.held is None:
            return ""
        if self.held.rule.name != found.rule.name:
            return gettext("{weights}: by the rule {name} now", weights=weights, name=found.rule.name)
        return gettext("{weights}: set elsewhere", weights=weights)

    # ----------------------------------------------------------------------------------------- shown

    def _adopt(self, found: Held, at: float, made: Made | None = None) -> None:
        """From *at* on this is the rule."""
        is_other = self.held is None or self.held.destinations != found.destinations
        self.held, self.problem, self.made = found, None, made
        if is_other:
            self._controls.offer(found.weights, colours_of(found.names))
            self._breaking.offer(found.destinations)
            self._looks = 0
        self._controls.weigh(found.weights)
        self._controls.enable(enabled=len(found.names) > 1)
        self._controls.show_command(self.command)
        if made:
            self._controls.show_change(self.told(made))
        self._adopted(found, at, is_other, made)

    def _lose(self, words: str) -> None:
        """There is no rule, or nobody to ask for it."""
        if words == self.problem:
            return
        self.problem = words
        self._controls.enable(enabled=False)
        self._controls.show_refusal(words)
        self._lost()


def listed(weights: Mapping[str, int]) -> str:
    """``Catalogue v1 90, Catalogue v2 10``; of many, those that get anything."""
    if len(weights) > 2:
        weights = {name: weight for name, weight in weights.items() if weight}
    return ", ".join(f"{name} {weight}" for name, weight in weights.items())


def _wanted(held: Held, weights: int | Mapping[str, int]) -> Rule:
    """The rule with these weights; UsageError for names and numbers that make no sense."""
    names = held.names
    if not isinstance(weights, Mapping):
        if len(names) != 2:
            raise UsageError(
                gettext("Say whose weight it is, as in panel.set({{{name!r}: 40}}).", name=names[-1])
            )
        weights = {names[1]: weights}
    if unknown := [name for name in weights if name not in names]:
        raise UsageError(
            gettext(
                "The rule leads to {names}, not to {unknown}.",
                names=gettext(" and ").join(names),
                unknown=gettext(" and ").join(map(str, unknown)),
            )
        )
    if len(weights) == 1:
        ((name, percent),) = weights.items()
        return held.sharing(name, percent)
    if len(weights) < len(names) or sum(weights.values()) != 100:
        raise UsageError(
            gettext(
                "Give the weight of one, or those of {names}, which make 100.",
                names=gettext(" and ").join(names),
            )
        )
    by_number = sorted(names, key=held.numbers.__getitem__)
    return held.rule.with_weights([weights[name] for name in by_number])


def _seen(held: Held) -> object:
    """What a look compares."""
    return held.rule.namespace, held.rule.name, held.destinations, held.weights
