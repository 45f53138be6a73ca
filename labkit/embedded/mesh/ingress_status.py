"""What istiod writes into the status of an Ingress: the address at which its gateway is reached."""

from __future__ import annotations

from labkit.embedded.interfaces import Client
from labkit.embedded.mesh import ingresses
from labkit.embedded.mesh.istiod_log import IstiodLog
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.resources import INGRESSES, SERVICES
from labkit.embedded.objects import Obj, name_of, namespace_of
from labkit.embedded.status import ApiError


class IngressStatus:
    """Keeps the status of the mesh's Ingresses up to date; an Ingress of another keeps what it has."""

    def __init__(self, client: Client, log: IstiodLog) -> None:
        self._client, self._log = client, log

    def tell(self, state: MeshState) -> None:
        """Write where the gateway of *state* is."""
        if not state.ingresses:
            return
        wanted = ingresses.addresses(state.mesh, state.objects[SERVICES])
        for ingress in state.ingresses:
            if _told(ingress) != wanted:
                self._write(ingress, wanted)

    def _write(self, ingress: Obj, wanted: list[dict[str, str]]) -> None:
        name, namespace = name_of(ingress), namespace_of(ingress)
        status = {"status": {"loadBalancer": {"ingress": wanted or None}}}
        try:
            self._client.patch(INGRESSES, name, namespace, status, subresource="status")
        except ApiError as error:  # it went, or its namespace did
            self._log.warn("status", f"the status of ingress {namespace}/{name} is not written: {error}")


def _told(ingress: Obj) -> list[dict[str, str]]:
    found = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return [{key: each[key] for key in ("ip", "hostname") if each.get(key)} for each in found]
