"""Everything labkit raises on purpose.

::

    LabkitError                 a sentence for the learner: the thing, its state, the next step
    ├── ClusterError            the cluster can't be started, reached or stopped
    │   ├── NotRunning          nothing to talk to; `labkit up`
    │   ├── StartFailed         the daemon died or was too slow
    │   ├── NotAgreed           somebody's cluster, and nobody said that it may be changed
    │   └── ConnectionLost      it was there and is gone
    ├── ApiRefused              the Kubernetes API refused a request (carries status, reason, object)
    ├── ManifestError           a manifest can't be read or is not one
    ├── WaitFailed              what was waited for can no longer happen
    │   └── WaitTimeout         … or has not happened in time
    ├── RequestFailed           curl could not get an answer
    ├── NotVerified             what a notebook states does not hold
    ├── StepError               no such step, or a step's start can't be reached
    ├── ScenarioError           a scenario's folder can't be read, or something in it does not fit
    └── UsageError              a command or call makes no sense as given
"""

from __future__ import annotations


class LabkitError(Exception):
    """Base of all; ``str()`` is a sentence that can be shown to a learner as it is."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows instead of a traceback: IPython asks for it."""
        return [f"{type(self).__name__}: {self}"]


class ClusterError(LabkitError):
    """The cluster can't be started, reached or stopped."""


class NotRunning(ClusterError):  # noqa: N818 - reads as the state it names
    """There is no cluster to talk to."""


class StartFailed(ClusterError):  # noqa: N818
    """The daemon died while starting, or did not become ready in time."""


class NotAgreed(ClusterError):  # noqa: N818
    """A change of a cluster that is not the book's own, before its learner agreed to any."""


class ConnectionLost(ClusterError):  # noqa: N818
    """The API server answered before and does not now."""


class ApiRefused(LabkitError):  # noqa: N818
    """The Kubernetes API refused a request.

    ``code`` is the HTTP status, ``reason`` the ``metav1.Status`` reason, ``thing`` names the object.
    """

    def __init__(self, message: str, *, code: int = 0, reason: str = "", thing: str = "") -> None:
        super().__init__(message)
        self.code, self.reason, self.thing = code, reason, thing


class ManifestError(LabkitError):
    """A manifest can't be read, or what was read is no manifest."""


class WaitFailed(LabkitError):  # noqa: N818
    """What was waited for can no longer happen."""


class WaitTimeout(WaitFailed):
    """What was waited for has not happened in time."""


class RequestFailed(LabkitError):  # noqa: N818
    """A request got no answer at all."""


class NotVerified(LabkitError):  # noqa: N818
    """What a notebook states was looked at, and does not hold."""


class StepError(LabkitError):
    """No such step, or the start of a step can't be reached."""


class ScenarioError(LabkitError):
    """A scenario's folder can't be read, or something in it does not fit: says file, line and key."""


class UsageError(LabkitError):
    """A command or call makes no sense as given."""
