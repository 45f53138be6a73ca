"""``pods/NAME/log``: which log is meant, whether there is one, in the kubelet's words."""

from __future__ import annotations

from collections.abc import AsyncIterator

from labkit.embedded.interfaces import LogOptions
from labkit.embedded.node.containers.container import Container
from labkit.embedded.node.containers.container_state import ContainerState
from labkit.embedded.node.logs import log_reader
from labkit.embedded.node.pods.pod_worker import PodWorker
from labkit.embedded.objects import name_of
from labkit.embedded.status import ApiError, bad_request

_WAITING = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


def stream(worker: PodWorker, options: LogOptions) -> AsyncIterator[bytes]:
    """The log *options* ask for; ApiError where there is none."""
    container = _container(worker, options.container)
    state = container.state
    pod = name_of(worker.pod)
    since = log_reader.earliest_time(options)
    if options.previous:
        if not state.last:
            raise bad_request(f'previous terminated container "{state.name}" in pod "{pod}" not found')
        return log_reader.read(container.log_dir(_previous_run(state)), options, since=since)
    if not (state.running or state.terminated or state.last):
        reason, _ = state.waiting
        why = _WAITING.get(reason, reason)
        raise bad_request(f'container "{state.name}" in pod "{pod}" is waiting to start: {why}')
    return log_reader.read(container.log_dir(state.restart_count), options, since=since, live=container.log)


def _previous_run(state: ContainerState) -> int:
    """The run before the one at work; between two runs, the last one."""
    return state.restart_count - 1 if state.running else state.restart_count


def _container(worker: PodWorker, name: str) -> Container:
    pod = name_of(worker.pod)
    if not name:
        return _only_container(worker)
    if found := worker.find(name):
        return found
    raise bad_request(f"container {name} is not valid for pod {pod}")


def _only_container(worker: PodWorker) -> Container:
    if len(worker.containers) == 1:
        return worker.containers[0]
    names = " ".join(each.name for each in worker.containers)
    message = f"a container name must be specified for pod {name_of(worker.pod)}, choose one of: [{names}]"
    if worker.init_containers:
        names = " ".join(each.name for each in worker.init_containers)
        message += f" or one of the init containers: [{names}]"
    if worker.ephemeral_containers:
        names = " ".join(each.name for each in worker.ephemeral_containers)
        message += f" or one of the ephemeral containers: [{names}]"
    raise bad_request(message)


def no_node(pod: str) -> ApiError:
    """400 for a pod that runs nowhere yet."""
    return bad_request(f"pod {pod} does not have a host assigned")
