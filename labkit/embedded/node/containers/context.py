"""What every pod of a node needs of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labkit.embedded.events import Recorder
from labkit.embedded.interfaces import Client
from labkit.embedded.node.containers.catalogue import Catalogue
from labkit.embedded.node.network.pod_addresses import PodAddresses
from labkit.embedded.node.processes.run_records import RunRecords
from labkit.embedded.node.volumes.tokens import Tokens
from labkit.embedded.node.volumes.volume_content import Sources
from labkit.embedded.objects import Obj, name_of, namespace_of, uid_of


@dataclass(frozen=True)
class NodeContext:
    """The node's parts and places, shared by its pods."""

    name: str
    client: Client
    recorder: Recorder
    catalogue: Catalogue
    addresses: PodAddresses
    records: RunRecords
    tokens: Tokens
    log_dir: Path
    """Logs: kept over a restart of the daemon."""
    run_dir: Path
    """Sockets and process files: gone with the daemon. Short."""
    network_socket: Path
    back_off_seconds: float
    """The first pause of CrashLoopBackOff."""

    @property
    def sources(self) -> Sources:
        """What volumes are filled from."""
        return Sources(self.client, self.tokens)

    def pod_log_dir(self, pod: Obj) -> Path:
        """As ``/var/log/pods/NAMESPACE_NAME_UID`` on a real node."""
        return self.log_dir / f"{namespace_of(pod)}_{name_of(pod)}_{uid_of(pod)}"

    def pod_run_dir(self, pod: Obj) -> Path:
        """A short path of the pod's own."""
        return self.run_dir / uid_of(pod)[:8]
