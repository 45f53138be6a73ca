"""The proof: one service calls another in a mesh that exists for this one request.

Everything a learner's requests need is used once: the daemon, the API, the node, istiod, the gateway, two
sidecars, the shim of a pod's network. Where no answer comes, :mod:`.reasons` says why.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.cli.doctor.findings import Finding
from labkit.cli.progress import Progress
from labkit.errors import LabkitError
from labkit.language import gettext

if TYPE_CHECKING:
    from labkit.kube.api.api import Api
    from labkit.scenario.data import Scenario

PROOF_SECONDS = 40.0
"""What a slow machine may take to bring the mesh up; an ordinary one takes two."""
_STEP = 2
"""The book's step at whose end one service calls another."""


@dataclass(frozen=True)
class Asked:
    """The request of the proof, and the end of which step it is sent at."""

    scenario: Scenario
    step: int
    fits: Callable[[int, str], bool]
    """Whether an answer's status and text are what is to come."""
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


def asked_of(scenario: Scenario) -> Asked:
    """Of the book, a call from service to service; of another, the last answer that its steps promise."""
    from labkit.book.checks import ANSWER_B
    from labkit.scenario.checking import is_as
    from labkit.scenario.promises import Answers
    from labkit.scenario.reading import the_book

    if scenario is the_book():
        return Asked(scenario, _STEP, lambda _, text: text == ANSWER_B, scenario.path)
    promised = [(step.number, one) for step in scenario.steps for one in step.checks]
    answers = [(number, one) for number, one in promised if isinstance(one, Answers)]
    if not answers:
        return Asked(scenario, scenario.steps[-1].number, lambda status, _: status < 400, scenario.path)
    step, last = answers[-1]
    return Asked(scenario, step, lambda status, text: is_as(last, status, text), last.path, last.headers)


def prove(shown: Progress, scenario: Scenario) -> Finding:
    """One real request, or the reason why there is none."""
    from labkit.cli.throw_away import throw_away_home

    thing = gettext("a request through gateway and sidecars of a throw-away cluster")
    try:
        with throw_away_home() as home:
            why = _tried(shown, home, scenario)
            seconds = gettext("{seconds:.1f} s", seconds=shown.seconds)
            shown.doing(gettext("throwing the cluster away"))
    except LabkitError as error:
        why, seconds = str(error), ""
    return Finding(f"{thing} ({seconds})" if not why else thing, not why, why)


def _tried(shown: Progress, home: Path, scenario: Scenario) -> str:
    from labkit.kube import embedded
    from labkit.kube.connecting.connect import connect

    # What is needed later takes as long to import as the cluster to start, so do both at once.
    importing = threading.Thread(target=_import_all, daemon=True)
    importing.start()
    shown.doing(gettext("starting a throw-away cluster"))
    embedded.start(home, owner=os.getpid())
    importing.join()
    api = connect(kubeconfig=embedded.kubeconfig(home))
    try:
        return _sent(api, shown, asked_of(scenario))
    finally:
        api.close()


def _import_all() -> None:
    importlib.import_module("labkit.kube.connecting.connect").import_client()
    for module in ("labkit.scenario.place", "labkit.traffic.curl", "labkit.book.checks"):
        importlib.import_module(module)


def _sent(api: Api, shown: Progress, asked: Asked) -> str:
    from labkit.cli.doctor.reasons import why_no_answer, why_not_ready
    from labkit.kube.mesh.gateway import find_gateway
    from labkit.traffic.curl import Answer, curl

    problem = _brought_up(api, shown, asked)
    if problem:
        return why_not_ready(api, problem)
    shown.doing(gettext("sending a request"))
    answer: Answer | LabkitError
    try:
        answer = curl(find_gateway(api).url(asked.path), headers=asked.headers, timeout=15.0)
    except LabkitError as error:
        answer = error
    if isinstance(answer, Answer) and asked.fits(answer.status, answer.text):
        return ""
    shown.doing(gettext("looking why it failed"))
    return why_no_answer(api, answer, asked.scenario)


def _brought_up(api: Api, shown: Progress, asked: Asked) -> str:
    """Bring the cluster to the end of the step in question; what was in the way.

    In a thread of its own: what waits for a pod would wait for minutes, and so would Ctrl-C.
    """
    from labkit.scenario.learner import Learner
    from labkit.scenario.place import bring_to

    outcome = [gettext("after {seconds:.0f} s pods and proxies were not ready", seconds=PROOF_SECONDS)]

    def work() -> None:
        with contextlib.suppress(Exception):  # of a cluster that is thrown away under it
            try:
                learner = Learner(scenario=asked.scenario)
                bring_to(api, learner, asked.step, finished=True, say=shown.doing)
                outcome[0] = ""
            except LabkitError as error:
                outcome[0] = str(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PROOF_SECONDS)
    return outcome[0]
