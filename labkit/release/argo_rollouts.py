"""Argo Rollouts beside a notebook: somebody else's controller, which drives a release by itself.

It is not part of this package. Where its programs are found, they run as ordinary processes of this one, as
they are, and end with it; where they are not, whoever asks is told how to get them.
https://argo-rollouts.readthedocs.io/
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from labkit.errors import UsageError, WaitTimeout
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.manifests import read
from labkit.kube.applying.apply import apply
from labkit.language import gettext

VARIABLE = "LABKIT_ARGO_ROLLOUTS"
CONTROLLER, PLUGIN = "rollouts-controller", "kubectl-argo-rollouts"
_COMMANDS = f"""\
    go mod download -json github.com/argoproj/argo-rollouts@v1.9.0
    cd DIR
    go build -o ~/argo-rollouts/ ./cmd/...
    cp -r manifests/crds ~/argo-rollouts/
    export {VARIABLE}=~/argo-rollouts"""
"""How to get it; the notebook has been run with what they make."""
_CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rollouts.argoproj.io"
_PATIENCE = 120.0
"""Seconds for a release to come to rest, and for one command of the plug-in."""
_LOOK = 0.1


@dataclass(frozen=True)
class Programs:
    """Where they are."""

    controller: str
    plugin: str
    definitions: Sequence[Path]
    """Its CustomResourceDefinitions."""


def find_programs() -> Programs | None:
    """In the folder that ``LABKIT_ARGO_ROLLOUTS`` names, else on PATH; None where they are not."""
    named = os.environ.get(VARIABLE)
    found = [shutil.which(name, path=named) for name in (CONTROLLER, PLUGIN)]
    controller, plugin = found
    if controller is None or plugin is None:
        return None
    beside = (Path(controller).parent, Path(controller).resolve().parent)
    definitions = [sorted((folder / "crds").glob("*-crd.yaml")) for folder in beside]
    return Programs(controller, plugin, next(filter(None, definitions), []))


class Robot:
    """A controller that drives the Rollouts of one namespace; false where there is none.

    Called with the words of `kubectl argo rollouts`, it prints the command and what came of it.
    """

    def __init__(self, api: Api, namespace: str) -> None:
        self._api, self._namespace = api, namespace
        self._programs = find_programs()
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        if self._programs:
            self._start(self._programs)

    def __bool__(self) -> bool:
        return self._programs is not None

    def __repr__(self) -> str:
        if self._programs is None:
            return gettext(
                "There is no Argo Rollouts controller here. With Go you get one from its public module; the "
                "first command says in which folder that is, as `Dir`.\n\n{commands}\n\n"
                "What you see in this notebook before you run it was done by a real one.",
                commands=_COMMANDS,
            )
        if self._process is None:
            return gettext("The cluster has an Argo Rollouts controller of its own, which is used here.")
        return gettext(
            "An Argo Rollouts controller drives the Rollouts of {namespace}.", namespace=self._namespace
        )

    def __call__(self, *words: str) -> None:
        """Do what `kubectl argo rollouts WORDS` does; without a controller, say that there is none."""
        print(f"$ kubectl argo rollouts -n {self._namespace} {' '.join(words)}")
        if self._programs is None:
            print(gettext("(not done: there is no controller here)"))
            return
        command = [self._programs.plugin, "-n", self._namespace, *words, *self._where]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        except subprocess.TimeoutExpired as error:
            raise WaitTimeout(self._silent()) from error
        print((done.stdout + done.stderr).rstrip())

    def watch(self, name: str) -> None:
        """Print what becomes of the Rollout *name*, until it rests: healthy, paused, or given up.

        WaitTimeout where it does not.
        """
        if self._programs is None:
            return
        deadline, told = time.monotonic() + _PATIENCE, ""
        while True:
            found = self._api.get(_rollout(self._namespace, name))
            if _is_seen(found) and (now := _told(found)) != told:
                print(now)
                told = now
            if _is_seen(found) and _rests(found.get("status") or {}):
                return
            if time.monotonic() > deadline:
                raise WaitTimeout(self._silent())
            time.sleep(_LOOK)

    def close(self) -> None:
        """End the controller. Again and again is fine."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)
        if self._log is not None:
            self._log.close()

    # ---------------------------------------------------------------------------------------- starting

    def _start(self, programs: Programs) -> None:
        if self._api.find(_CRD) is None:
            self._define(programs)
        elif self._api.shared:
            return
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the controller
        command = [programs.controller, "--namespaced", "-n", self._namespace, "--leader-elect=false"]
        command += ["--healthzPort", _free_port(), "--metricsPort", _free_port(), *self._where]
        _replace(self)
        self._process = subprocess.Popen(
            command, stdout=self._log, stderr=self._log, preexec_fn=_die_with_the_kernel
        )

    def _define(self, programs: Programs) -> None:
        if not programs.definitions:
            raise UsageError(
                gettext(
                    "{controller} has no definitions beside it: put the module's "
                    "`manifests/crds` there as `crds`.",
                    controller=programs.controller,
                )
            )
        for file in programs.definitions:
            apply(self._api, read(file), "")

    @property
    def _where(self) -> list[str]:
        """The flags that say which cluster."""
        file = [f"--kubeconfig={self._api.kubeconfig}"] if self._api.kubeconfig else []
        return file + ([f"--context={self._api.context}"] if self._api.context else [])

    def _silent(self) -> str:
        return gettext(
            "The release is not done after {seconds:.0f} s: `kubectl get rollouts -n {namespace}` shows how "
            "it stands.",
            seconds=_PATIENCE,
            namespace=self._namespace,
        )


def _rollout(namespace: str, name: str) -> str:
    return f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts/{name}"


def _is_seen(rollout: Obj) -> bool:
    """Whether its status is about what it says now, and not about what the controller saw before."""
    observed = (rollout.get("status") or {}).get("observedGeneration")
    return str(observed) == str(rollout["metadata"]["generation"])


def _told(rollout: Obj) -> str:
    """``Paused - CanaryPauseStep: 50 % to the new version``."""
    status = rollout["status"]
    state = " - ".join(filter(None, [status.get("phase"), status.get("message")]))
    return gettext("{state}: {percent} % to the new version", state=state, percent=_percent(status))


def _percent(status: Obj) -> int:
    weights = (status.get("canary") or {}).get("weights") or {}
    return int((weights.get("canary") or {}).get("weight") or 0)


def _rests(status: Obj) -> bool:
    """Whether nothing more happens by itself."""
    match status.get("phase"):
        case "Paused":
            return bool(status.get("pauseConditions")) and not status.get("abort")
        case "Degraded":
            return not (status.get("abort") and _percent(status))
        case phase:
            return phase == "Healthy"


_PR_SET_PDEATHSIG = 1
_running: list[Robot] = []


def _replace(robot: Robot) -> None:
    """One at a time: running a cell again does not leave a second one at the same wheel."""
    _end()
    _running.append(robot)


@atexit.register
def _end() -> None:
    while _running:
        _running.pop().close()


def _die_with_the_kernel() -> None:
    """Also where that is killed, and has no time to end it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])
