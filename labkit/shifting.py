"""What a lab does with the rule that shares traffic: read it, set it, shift it, break who gets it.

The rule, the shift and the panel know nothing of this course; here they are handed its hosts and names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from labkit.errors import UsageError
from labkit.kube.api.api import Api
from labkit.kube.convergence.acknowledgement import Strategy
from labkit.kube.convergence.mesh_health import first_trouble
from labkit.language import gettext
from labkit.record.keeping import Record
from labkit.scenario.data import Scenario
from labkit.scenario.learner import Learner
from labkit.traffic.sent import Sent
from labkit.traffic.split import Split
from labkit.traffic.target import Headers, Target, as_received

if TYPE_CHECKING:
    from labkit.release.argo_rollouts import Robot
    from labkit.release.fault import Broken
    from labkit.views.shift import Course
    from labkit.views.split_panel import SplitPanel


class Shifting(ABC):
    """The part of a :class:`labkit.Lab` that is about the rule, by the host which the scenario shares out."""

    api: Api
    learner: Learner
    namespace: str
    """Where the rule is."""
    record: Record
    _sent: Sent
    _strategy: Strategy
    _places: tuple[str, ...]

    @abstractmethod
    def _url(self, path: str) -> Target:
        """Where requests for *path* go."""

    @property
    def _here(self) -> tuple[Scenario, Api, str, tuple[str, ...]]:
        """Whose rule it is, and where it is looked for."""
        return self.learner.scenario, self.api, self.namespace, self.learner.namespaces

    def split(self, frame: pd.DataFrame, weights: Mapping[str, float] | None = None) -> Split:
        """How *frame*'s requests were shared out: by who answered, or by a log's destinations; those of the
        rule under the names that the panel and the shift have for them.

        weights: service → weight, what they are tested against; by default those of the VirtualService.
        """
        from labkit.scenario.splitting import sessions_of, shared_out, the_rule

        scenario = self.learner.scenario
        rule = the_rule(*self._here) if scenario.sharing else None
        found = shared_out(scenario, frame, rule, self._sent.journal, weights)
        found = replace(found, note=sessions_of(scenario, self.api, rule, self.namespace)) if rule else found
        if found.total and found.fits is not False:
            return found
        return replace(found, trouble=first_trouble(self.api, self._places))

    def weights(self) -> dict[str, float] | None:
        """The weights asked for, by service: what the rule for it says now. None where there is none."""
        from labkit.scenario.splitting import the_rule, weights_of

        rule = the_rule(*self._here)
        return weights_of(self.learner.scenario, rule) if rule else None

    def split_panel(
        self,
        path: str | None = None,
        *,
        rate: int = 20,
        total: int = 5000,
        window: int = 30,
        headers: Headers | None = None,
    ) -> SplitPanel:
        """Weight sliders, and a live picture of what comes of them; still where no widgets are.

        path: by default the scenario's. rate: requests a second, total: at most, window: seconds shown.
        headers: of the requests; the route of the rule is meant that takes requests with these.
        """
        from labkit.release.attribution import ByLog
        from labkit.release.managers import managed_elsewhere
        from labkit.release.sessions import sessions
        from labkit.scenario.splitting import held_rule, who_answers
        from labkit.views.split_panel import Release, SplitPanel

        scenario = self.learner.scenario
        sharing, path = scenario.shared(), path or scenario.path
        release = Release(
            find=partial(held_rule, *self._here, headers=as_received(headers)),
            tell=lambda held: who_answers(scenario, held) or ByLog(self._sent.journal, held.destinations),
            missing=gettext(
                "No rule shares out the requests for {host} in {namespace}: lab.goto({step}) makes one.",
                host=sharing.host,
                namespace=self.namespace,
                step=sharing.step,
            ),
            trouble=partial(first_trouble, self.api, self._places),
            note=lambda held: (
                managed_elsewhere(held.rule) or sessions(self.api, held.destinations, self.namespace)
            ),
            names=sharing.between,
            strategy=self._strategy,
            headers=headers,
        )
        return SplitPanel(self.api, partial(self._url, path), release, rate=rate, total=total, window=window)

    def shift(
        self,
        to: str | None = None,
        steps: Sequence[int] = (10, 25, 50, 75, 100),
        *,
        shadow: bool | float = False,
        requests: int = 100,
        rate: float = 50.0,
        headers: Headers | None = None,
        error_rate: float = 0.05,
        p95_ms: float = 1000.0,
    ) -> Course:
        """Move the weights to *to* step by step under load; roll back when a limit is broken.

        to: a service, a subset, or a host; by default the newcomer of the scenario. shadow: copy all requests
        to it first (or so many per cent) and judge it by the copies, before anybody gets its answers.
        requests: answers a step waits for, *rate* a second. error_rate (0 to 1) and p95_ms (milliseconds) are
        the limits of each destination, see :mod:`labkit.release`.
        headers: of the requests; the route of the rule is meant that takes requests with these.
        """
        from labkit.release.limits import Limits
        from labkit.release.shift import shift
        from labkit.scenario.splitting import destination_called, names_of, needed_rule
        from labkit.views.report.pictures import kept
        from labkit.views.shift import Course

        scenario = self.learner.scenario
        rule = needed_rule(*self._here, headers=as_received(headers))
        target, new = destination_called(scenario, rule, to or scenario.shared().between[-1], self.namespace)
        names = names_of(scenario, rule, target)
        with self.record.release(names[target], kept) as done:
            found = shift(
                self.api,
                partial(self._url, scenario.path),
                self._sent.journal,
                rule,
                to=target,
                new=new,
                names=names,
                steps=steps,
                shadow=shadow,
                requests=requests,
                rate=rate,
                headers=headers,
                caller=self.namespace,
                limits=Limits(error_rate, p95_ms),
            )
            done.append(found)
        return Course(found)

    def robot(self) -> Robot:
        """A controller of somebody else's that drives releases by itself: Argo Rollouts, where it is found.

        ``robot("promote", "NAME")`` does what `kubectl argo rollouts promote NAME` does. Where its
        programs are not found (on PATH, or where ``LABKIT_ARGO_ROLLOUTS`` says), it says how to get them.
        """
        from labkit.release.argo_rollouts import Robot

        return Robot(self.api, self.namespace)

    def fault(self, of: str | None = None, *, errors: int = 0, delay: float = 0.0) -> Broken:
        """Break a service in the mesh: *errors* of 100 requests to it fail, each waits *delay* seconds.

        ::

            with lab.fault("C", errors=30):  # the service is well again when the block ends
                lab.shift()

        Without ``with`` until ``.off()``, goto() or reset(). of: a service, a subset, or a host of the rule;
        by default the newcomer of the scenario.
        A connection that is open already serves one more request as before.
        """
        from labkit.release.fault import Broken, Fault
        from labkit.scenario.splitting import destination_of, name_of

        wanted = Fault(errors, delay)
        if not wanted:
            raise UsageError(gettext('Say what is to go wrong: lab.fault("C", errors=30), or delay=1.'))
        scenario = self.learner.scenario
        of = of or scenario.shared().between[-1]
        found = destination_of(self.api, self.namespace, of, self.learner)
        return Broken(self.api, found, wanted, name=name_of(scenario, found), strategy=self._strategy)
