"""Wait for a rollout: until it is done, or until it can no longer succeed.

Both endings are conditions, looked at whenever the Deployment or one of its pods changes. Waiting for
success alone would make a learner sit through the time-out of every misspelt image.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from labkit.errors import WaitFailed, WaitTimeout
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.conditions import is_true
from labkit.kube.api.resources import DEPLOYMENTS, PODS, Resource
from labkit.kube.api.watch import Watches
from labkit.language import gettext, gettext_noop

_HOPELESS = {
    "ImagePullBackOff": gettext_noop(
        "Check the image's name. Where its registry can't be reached from the cluster, "
        "`--image-prefix` says where the lab's own images are."
    ),
    "InvalidImageName": gettext_noop("Check the image's name."),
    "ErrImageNeverPull": gettext_noop(
        "The image is not on the node, and imagePullPolicy forbids to fetch it."
    ),
    "CreateContainerConfigError": gettext_noop("Check what the container refers to."),
    "CrashLoopBackOff": gettext_noop(
        "Its log says why: `kubectl logs {pod} -c {container} -n {namespace} --previous`."
    ),
}
"""Reasons a container waits for that no more waiting cures, and what to do about each."""

_PASSING = ("CrashLoopBackOff", "ProgressDeadlineExceeded")
"""Those that pass by themselves where the program is good, and only was killed, or its node was down."""

_MADE_AGAIN = ("failed calling webhook", "error looking up service account", "Internal error occurred")
"""In the messages of pods that were refused and are tried again: who had to be asked first, istiod of the
proxy say, gave no answer, or a namespace is so young that its account is still to come."""

_NO_SUCH_IMAGE = ("not found", "not in this node", "does not exist", "denied")
"""A first ErrImagePull may be the network's fault and pass; with one of these in it, it will not."""


def is_rolled_out(deployment: Obj) -> bool:
    """Whether every replica is of the newest template and available (`kubectl rollout status`)."""
    status = deployment.get("status") or {}
    wanted: int = deployment["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1)
        and status.get("updatedReplicas", 0) >= wanted
        and status.get("replicas", 0) <= status.get("updatedReplicas", 0)
        and status.get("availableReplicas", 0) >= status.get("updatedReplicas", 0)
    )


def wait_for_rollouts(
    api: Api,
    deployments: Sequence[tuple[str, str]],
    *,
    timeout: float = 120.0,
    passing: Callable[[str], None] | None = None,
) -> None:
    """Wait until each of *deployments*, (namespace, name), is rolled out.

    Raises WaitFailed as soon as one can't succeed any more, WaitTimeout after *timeout* seconds. With
    *passing*, what ran before is given the time to run again: a back-off is told there, and waited through.
    """
    if not deployments:
        return
    state = _Rollouts(set(deployments), passing)
    namespaces = {namespace for namespace, _ in deployments}
    paths = [kind.path(namespace) for namespace in sorted(namespaces) for kind in (DEPLOYMENTS, PODS)]
    with Watches(api, *paths) as watches:
        for event in watches.until(time.monotonic() + timeout):
            if event.object:
                state.observe(event.object, gone=event.type == "DELETED", pods=event.path.endswith("/pods"))
            if state.is_done():
                return
    raise WaitTimeout(state.sentence(timeout))


class _Rollouts:
    """What the watches have told so far."""

    def __init__(self, wanted: set[tuple[str, str]], passing: Callable[[str], None] | None = None) -> None:
        self.wanted, self._passing = wanted, passing
        self.deployments: dict[tuple[str, str], Obj] = {}
        self.pods: dict[tuple[str, str], Obj] = {}

    def observe(self, obj: Obj, *, gone: bool, pods: bool) -> None:
        known = self.pods if pods else self.deployments
        key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        if gone:
            known.pop(key, None)
        else:
            known[key] = obj
        if gone and not pods and key in self.wanted:
            raise WaitFailed(gettext("The Deployment {key} was deleted while it was rolled out.", key=key[1]))
        self._fail_if_hopeless()

    def _fail_if_hopeless(self) -> None:
        for key in self.pending():
            deployment = self.deployments.get(key)
            if deployment is None:
                continue
            for reason, problem in _problems(deployment, self._pods_of(deployment)):
                if self._passing and reason in _PASSING:
                    self._passing(f"{key[1]}: {problem}")
                    continue
                raise WaitFailed(
                    gettext(
                        "The Deployment {key} can't be rolled out: {problem}", key=key[1], problem=problem
                    )
                )

    def _pods_of(self, deployment: Obj) -> list[Obj]:
        """Pods of the newest template: an older one may well be broken, its pods are on their way out."""
        labels = deployment["spec"]["selector"].get("matchLabels") or {}
        namespace = deployment["metadata"]["namespace"]
        pods = [
            pod
            for (its_namespace, _), pod in self.pods.items()
            if its_namespace == namespace and labels.items() <= (pod["metadata"].get("labels") or {}).items()
        ]
        images = _images(deployment["spec"]["template"]["spec"])
        return [pod for pod in pods if images <= _images(pod["spec"]) and not _is_leaving(pod)]

    def pending(self) -> list[tuple[str, str]]:
        return sorted(
            key for key in self.wanted if not (d := self.deployments.get(key)) or not is_rolled_out(d)
        )

    def is_done(self) -> bool:
        return not self.pending()

    def sentence(self, timeout: float) -> str:
        reports = [self._report(key) for key in self.pending()]
        return gettext(
            "After {timeout:.0f} s there is still no end of the rollout of {reports}",
            timeout=timeout,
            reports="; ".join(reports),
        )

    def _report(self, key: tuple[str, str]) -> str:
        deployment = self.deployments.get(key)
        if deployment is None:
            return gettext(
                "{name} (there is no such Deployment in {namespace})", name=key[1], namespace=key[0]
            )
        status = deployment.get("status") or {}
        ready, wanted = status.get("availableReplicas", 0), deployment["spec"].get("replicas", 1)
        refusals = [why for one in status.get("conditions") or [] if (why := _refusal(one))]
        states = [*map(_state, self._pods_of(deployment)), *refusals] or [gettext("no pod yet")]
        return gettext(
            "{key} ({ready} of {wanted} available; {states})",
            key=key[1],
            ready=ready,
            wanted=wanted,
            states=", ".join(states),
        )


def _is_leaving(pod: Obj) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _images(pod_spec: Obj) -> set[tuple[str, str]]:
    return {(c["name"], c["image"]) for c in pod_spec.get("containers") or [] if c.get("image") != "auto"}


def _problems(deployment: Obj, pods: Iterable[Obj]) -> Iterable[tuple[str, str]]:
    """(reason, what it is and what to do about it)."""
    for condition in (deployment.get("status") or {}).get("conditions") or []:
        if (why := _refusal(condition)) and not any(words in why for words in _MADE_AGAIN):
            yield "ReplicaFailure", why
        if condition.get("reason") == "ProgressDeadlineExceeded":
            yield "ProgressDeadlineExceeded", str(condition.get("message"))
    for pod in pods:
        for container, waiting in _waiting(pod):
            reason = waiting.get("reason", "")
            message = waiting.get("message") or gettext("no further message")
            if reason == "ErrImagePull" and any(words in message for words in _NO_SUCH_IMAGE):
                reason = "ImagePullBackOff"  # where it is about to go
            if reason in _HOPELESS:
                names = {"container": container, **_names(pod)}
                cure = gettext(_HOPELESS[reason], **names)
                yield (
                    reason,
                    gettext(
                        "container {container} is in {reason}: {message}\n{cure}",
                        container=container,
                        reason=reason,
                        message=message,
                        cure=cure,
                    ),
                )


def _refusal(condition: Obj) -> str:
    """Why no pod could be made, where *condition* of a Deployment says so."""
    is_one = condition["type"] == "ReplicaFailure" and condition["status"] == "True"
    return str(condition.get("message") or "") if is_one else ""


def _names(pod: Obj) -> dict[str, str]:
    metadata = pod["metadata"]
    return {"pod": metadata["name"], "namespace": metadata.get("namespace", "default")}


def _waiting(pod: Obj) -> list[tuple[str, dict[str, Any]]]:
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return [(c["name"], c["state"]["waiting"]) for c in containers if (c.get("state") or {}).get("waiting")]


def _state(pod: Obj) -> str:
    status = pod.get("status") or {}
    waiting = _not_placed(pod) or ", ".join(
        f"{name} {state.get('reason', 'waiting')}" for name, state in _waiting(pod)
    )
    phase = status.get("phase", "Unknown")
    state = f"{phase} ({waiting})" if waiting else phase
    return gettext("pod {name} {state}", name=pod["metadata"]["name"], state=state)


def wait_for_pods(api: Api, *, timeout: float) -> list[str]:
    """Wait until every pod is ready, has ended or can't be ready; ``namespace/name`` of the last kind.

    For a cluster that comes back: nothing raises, as what did not run before need not run now.
    """
    pods: dict[str, Obj] = {}
    synced = False
    with Watches(api, PODS.path()) as watches:
        for event in watches.until(time.monotonic() + timeout):
            synced = synced or event.type == "SYNCED"
            if event.object:
                metadata = event.object["metadata"]
                pods[f"{metadata['namespace']}/{metadata['name']}"] = event.object
            if event.type == "DELETED":
                pods.pop(f"{metadata['namespace']}/{metadata['name']}")
            if synced and all(is_true(pod, "Ready") or _is_hopeless(pod) for pod in pods.values()):
                break
    return sorted(name for name, pod in pods.items() if not is_true(pod, "Ready") and not _has_ended(pod))


def _has_ended(pod: Obj) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _not_placed(pod: Obj) -> str:
    """Why no node takes the pod; empty where one has."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    found = (each for each in conditions if each["type"] == "PodScheduled" and each["status"] == "False")
    return next((str(each.get("message") or each.get("reason", "")) for each in found), "")


def _is_hopeless(pod: Obj) -> bool:
    if _not_placed(pod) or _has_ended(pod):
        return True
    reasons = {waiting.get("reason", "") for _, waiting in _waiting(pod)}
    return bool(reasons & (_HOPELESS.keys() | {"ErrImagePull"}))


def wait_until_gone(
    api: Api, resource: Resource, namespace: str, name: str, *, uid: str = "", timeout: float = 180.0
) -> None:
    """Wait until an object is deleted and its finalizers are done; WaitTimeout after *timeout* seconds.

    A namespace goes after its pods, each of which may take the half minute that it is given to end.

    uid: the object's; another of the same name is not waited for. By default every one of that name is meant.
    """
    there = False
    last: Obj = {}
    with Watches(api, resource.path(namespace)) as watches:
        for event in watches.until(time.monotonic() + timeout):
            if event.type == "SYNCED":
                if not there:
                    return
                there = False  # until a fresh list says so again
            elif _is_called(event.object, name, uid):
                if event.type == "DELETED":
                    return
                there, last = True, event.object
    said = gettext(
        "{resource} is still being deleted after {timeout:.0f} s.",
        resource=resource.title(name),
        timeout=timeout,
    )
    raise WaitTimeout(" ".join([said, *_what_remains(last)]))


def _what_remains(obj: Obj) -> list[str]:
    """What a Namespace says that is being deleted: what is in it, and who still has to let go."""
    found = (obj.get("status") or {}).get("conditions") or []
    remaining = (one for one in found if "Remaining" in one["type"] and one["status"] == "True")
    return [str(one.get("message") or one["type"]) for one in remaining]


def _is_called(obj: Obj, name: str, uid: str) -> bool:
    metadata = obj["metadata"]
    return bool(metadata["name"] == name and (not uid or metadata.get("uid") == uid))
