"""Who works here: one alone, or one of a class on one cluster, each with names of their own.

``Lab(user="anna")``, or ``LABKIT_USER=anna`` where nothing else is said, puts ``-anna`` behind every
namespace of the scenario and gives her the host name ``anna.lab.test`` at the gateways. (``.test`` is a name
nobody can own: RFC 6761.) The manifests stay as they are; what is applied is changed on the way
(:mod:`labkit.scenario.personal`), and shown as it was changed.

A :class:`Learner` is made once, by whoever begins (a Lab, a command), and handed down from there: several
may work in one process.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from labkit.errors import UsageError
from labkit.kube.api.api import Api
from labkit.language import gettext
from labkit.scenario.cast import SYSTEM, Workload
from labkit.scenario.data import Scenario
from labkit.scenario.reading import chosen_scenario, the_book

LEARNER_LABEL = "labkit/learner"
_LONGEST = 20


def can_be_called(name: str) -> bool:
    """Whether a learner can have that *name*; who works alone has an empty one."""
    fits = re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
    return not name or (fits is not None and len(name) <= _LONGEST)


@dataclass(frozen=True)
class Learner:
    """One learner, with the names that are theirs; UsageError for a *name* that can't be part of them."""

    name: str = ""
    """Who works here, where a cluster is shared; else empty."""
    images: str = ""
    """Where the services' images are, see :mod:`labkit.scenario.images`; empty for those of the manifests."""
    scenario: Scenario = field(default_factory=the_book)
    """What is worked through."""

    def __post_init__(self) -> None:
        if self.name and not can_be_called(self.name):
            raise UsageError(
                gettext(
                    "LABKIT_USER (or user=) is {name!r}, which can't be part of a namespace's name: use "
                    "at most {longest} small letters, digits and dashes.",
                    name=self.name,
                    longest=_LONGEST,
                )
            )

    @classmethod
    def here(
        cls, name: str | None = None, images: str | None = None, scenario: Scenario | str | Path | None = None
    ) -> Learner:
        """The learner of that *name*; where it is not said, the one whom ``LABKIT_USER`` names. So with
        *images* and ``LABKIT_IMAGES``: an empty text is an answer, too. *scenario*: its folder, by default
        that of ``LABKIT_SCENARIO``, else the book."""
        return cls(
            os.environ.get("LABKIT_USER", "") if name is None else name,
            os.environ.get("LABKIT_IMAGES", "") if images is None else images,
            scenario if isinstance(scenario, Scenario) else chosen_scenario(scenario),
        )

    # ------------------------------------------------------------------------------------ namespaces

    def own(self, namespace: str) -> str:
        """The learner's own namespace for one of the manifests; any other as it is."""
        return (
            f"{namespace}-{self.name}" if self.name and namespace in self.scenario.namespaces else namespace
        )

    def workload(self, name: str) -> Workload:
        """The workload called *name*, see :meth:`Scenario.find_workload`, where this learner has it."""
        found = self.scenario.find_workload(name)
        return replace(found, namespace=self.own(found.namespace))

    @property
    def home(self) -> str:
        """Where things go that say nothing else."""
        return self.own(self.scenario.home)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that belong to this learner's lab."""
        return tuple(map(self.own, self.scenario.namespaces))

    @property
    def of_labs(self) -> frozenset[str]:
        """Those, and the names that they have where one works alone. Of a class each has a label."""
        return frozenset((*self.namespaces, *self.scenario.namespaces))

    def places(self, api: Api) -> tuple[str, ...]:
        """Where the lab looks: everywhere (``""``), or among others in its own namespaces and Istio's."""
        return (*self.namespaces, SYSTEM) if self.is_among_others(api) else ("",)

    def is_among_others(self, api: Api) -> bool:
        """Whether others may use the mesh of this cluster, too."""
        return api.shared or bool(self.name)

    # -------------------------------------------------------------------------------------- requests

    @property
    def host(self) -> str:
        """The host name of this learner's requests at the ingress gateway; empty for any."""
        return f"{self.name}.lab.test" if self.name else ""

    @property
    def headers(self) -> dict[str, str]:
        """What makes a request this learner's."""
        return {"Host": self.host} if self.host else {}

    @property
    def authorities(self) -> str:
        """Finds this learner's requests among those a shared gateway writes of (regular expression).

        Empty finds all.
        """
        if not self.name:
            return ""
        namespaces = "|".join(map(re.escape, self.namespaces))
        return rf"(?:^|\.){re.escape(self.host)}(?::\d+)?$|\.(?:{namespaces})\.svc(?:[.:]|$)"
