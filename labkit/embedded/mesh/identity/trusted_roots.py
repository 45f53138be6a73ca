"""The ConfigMap ``istio-ca-root-cert``, in every namespace: whom the mesh's proxies trust."""

from __future__ import annotations

from labkit.embedded.interfaces import Client
from labkit.embedded.mesh.istiod_log import IstiodLog
from labkit.embedded.objects import Obj, is_terminating, name_of, namespace_of
from labkit.embedded.status import ApiError

NAME, KEY = "istio-ca-root-cert", "root-cert.pem"
LABELS = {"istio.io/config": "true"}
_LEFT_ALONE = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})


class TrustedRoots:
    """Keeps the ConfigMaps as they should be."""

    def __init__(self, client: Client, root: str, log: IstiodLog) -> None:
        self._client, self._root, self._log = client, root, log

    async def run(self) -> None:
        """Until cancelled."""
        async for event in self._client.watch("namespaces", "configmaps"):
            if event.resource == "namespaces" and event.type in ("ADDED", "MODIFIED"):
                self._ensure(name_of(event.object))
            elif event.resource == "configmaps" and name_of(event.object) == NAME:
                self._ensure(namespace_of(event.object))

    def _ensure(self, namespace: str) -> None:
        holder = self._client.find("namespaces", namespace)
        if namespace in _LEFT_ALONE or holder is None or is_terminating(holder):
            return
        found = self._client.find("configmaps", NAME, namespace)
        try:
            if found is None:
                self._client.create("configmaps", self._config_map(namespace))
            elif found.get("data") != {KEY: self._root}:
                self._client.update("configmaps", {**found, "data": {KEY: self._root}})
        except ApiError as error:  # the namespace is going, or somebody else was faster
            self._log.warn("namespace", f"{NAME} in {namespace} is not written: {error}")

    def _config_map(self, namespace: str) -> Obj:
        metadata = {"name": NAME, "namespace": namespace, "labels": dict(LABELS)}
        return {"metadata": metadata, "data": {KEY: self._root}}
