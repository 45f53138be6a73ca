"""What is known of one container, as ``containerStatuses`` tells it."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.embedded.objects import Obj

CREATING, INITIALIZING = "ContainerCreating", "PodInitializing"
"""Why a container waits that nothing is wrong with; the second in a pod that has init containers."""


@dataclass
class ContainerState:
    """What is known of one container; at most one of ``running`` and ``terminated`` is set."""

    name: str
    image: str
    waiting: tuple[str, str] = (CREATING, "")
    """Reason and message, while it neither runs nor has ended."""
    running: Obj | None = None
    terminated: Obj | None = None
    last: Obj | None = None
    """``lastState.terminated``."""
    restart_count: int = 0
    container_id: str = ""
    started: bool = False
    ready: bool = False

    def status(self) -> Obj:
        """The entry of ``containerStatuses``."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": f"labkit://{self.image}" if self.container_id else "",
            "restartCount": self.restart_count,
            "ready": self.ready,
            "started": self.started,
            "state": self._state(),
            "lastState": {"terminated": self.last} if self.last else {},
        } | ({"containerID": self.container_id} if self.container_id else {})

    def _state(self) -> Obj:
        if self.running:
            return {"running": self.running}
        if self.terminated:
            return {"terminated": self.terminated}
        reason, message = self.waiting
        return {"waiting": {"reason": reason} | ({"message": message} if message else {})}

    @property
    def succeeded(self) -> bool:
        """Whether it has ended well."""
        return self.terminated is not None and self.terminated.get("exitCode") == 0
