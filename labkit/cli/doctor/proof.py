"""The proof: one service calls another in a mesh that exists for this one request.

Everything a learner's requests need is used once: the daemon, the API, the node, istiod, the gateway, two
sidecars, the shim of a pod's network. Where no answer comes, :mod:`.reasons` says why.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.cli.doctor.findings import Finding
from labkit.cli.progress import Progress
from labkit.errors import LabkitError

if TYPE_CHECKING:
    from labkit.kube.api import Api

PROOF_SECONDS = 40.0
"""What a slow machine may take to bring the mesh up; an ordinary one takes two."""
_STEP = 2
"""The book's step at whose end one service calls another."""


def prove(shown: Progress) -> Finding:
    """One real request, or the reason why there is none."""
    from labkit.cli.throw_away import throw_away_home

    thing = "a request through gateway and sidecars of a throw-away cluster"
    try:
        with throw_away_home() as home:
            why = _tried(shown, home)
            seconds = f"{shown.seconds:.1f} s"
            shown.doing("throwing the cluster away")
    except LabkitError as error:
        why, seconds = str(error), ""
    return Finding(f"{thing} ({seconds})" if not why else thing, not why, why)


def _tried(shown: Progress, home: Path) -> str:
    from labkit.kube import embedded
    from labkit.kube.connect import connect

    # What is needed later takes as long to import as the cluster to start, so do both at once.
    importing = threading.Thread(target=_import_all, daemon=True)
    importing.start()
    shown.doing("starting a throw-away cluster")
    embedded.start(home, owner=os.getpid())
    importing.join()
    api = connect(kubeconfig=embedded.kubeconfig(home))
    try:
        return _sent(api, shown)
    finally:
        api.close()


def _import_all() -> None:
    importlib.import_module("labkit.kube.connect").import_client()
    for module in ("labkit.scenario.place", "labkit.traffic.curl", "labkit.book.checks"):
        importlib.import_module(module)


def _sent(api: Api, shown: Progress) -> str:
    from labkit.book.checks import ANSWER_B
    from labkit.cli.doctor.reasons import why_no_answer, why_not_ready
    from labkit.kube.gateway import find_gateway
    from labkit.scenario.reading import the_book
    from labkit.traffic.curl import Answer, curl

    problem = _brought_up(api, shown)
    if problem:
        return why_not_ready(api, problem)
    shown.doing("sending a request")
    answer: Answer | LabkitError
    try:
        answer = curl(find_gateway(api).url(the_book().path), timeout=15.0)
    except LabkitError as error:
        answer = error
    if isinstance(answer, Answer) and answer.text == ANSWER_B:
        return ""
    shown.doing("looking why it failed")
    return why_no_answer(api, answer)


def _brought_up(api: Api, shown: Progress) -> str:
    """Bring the book to where one service calls another; what was in the way.

    In a thread of its own: what waits for a pod would wait for minutes, and so would Ctrl-C.
    """
    from labkit.scenario.learner import Learner
    from labkit.scenario.place import bring_to

    outcome = [f"after {PROOF_SECONDS:.0f} s pods and proxies were not ready"]

    def work() -> None:
        with contextlib.suppress(Exception):  # of a cluster that is thrown away under it
            try:
                bring_to(api, Learner(), _STEP, finished=True, say=shown.doing)
                outcome[0] = ""
            except LabkitError as error:
                outcome[0] = str(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PROOF_SECONDS)
    return outcome[0]
