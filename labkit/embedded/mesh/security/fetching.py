"""Texts from the world, as a program in istiod's pod would fetch them."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp
from yarl import URL

from labkit.embedded import outside
from labkit.embedded.addresses import is_pods
from labkit.embedded.interfaces import Client
from labkit.embedded.low_ports import port_at
from labkit.embedded.mesh.kubernetes_services import kubernetes_services

LARGEST = 1_000_000
_AUTHORITY, _KEY = "lab-ca", "ca.crt"


class FetchError(Exception):
    """Says why."""


class Fetcher:
    """Finds services of the cluster by their names, and hosts
    that the lab plays, where they are; all others where this machine finds them."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def fetch(self, uri: str, patience: float) -> str:
        """The body that is behind *uri*."""
        try:
            url = URL(uri)
            if url.scheme not in ("http", "https"):
                raise FetchError(f"URI scheme {url.scheme!r} is not supported")
            async with asyncio.timeout(patience):
                return await self._asked(url)
        except TimeoutError:
            raise FetchError(f"no answer within {patience:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(str(error) or type(error).__name__) from error

    async def _asked(self, url: URL) -> str:
        where = url
        options: dict[str, Any] = {}
        found = self._found(url.host or "", url.port or 80)
        if found is not None:
            where = url.with_host(found[0]).with_port(found[1])
            options = {"server_hostname": url.host} if url.scheme == "https" else {}
        headers = {"Host": url.host_port_subcomponent or ""}
        async with (
            aiohttp.ClientSession(trust_env=found is None) as session,
            session.get(where, headers=headers, ssl=self._trust(), **options) as answer,
        ):
            body = (await answer.content.read(LARGEST)).decode(errors="replace")
            if not 200 <= answer.status < 300:
                raise FetchError(f"status {answer.status}, message {body[:100]!r}")
            return body

    def _found(self, host: str, port: int) -> tuple[str, int] | None:
        """Where a name, or an address, of the cluster's leads."""
        pods = self._client.list("pods")
        played = outside.address_of(pods, host) or (host if is_pods(host) else None)
        if played is not None:
            return played, port_at(played, port)
        names = [host, f"{host}.istio-system.svc.cluster.local", f"{host}.svc.cluster.local"]
        names.append(f"{host}.cluster.local")
        by_name = {(pod["metadata"]["namespace"], pod["metadata"]["name"]): pod for pod in pods}
        slices = self._client.list("endpointslices.discovery.k8s.io")
        for service in kubernetes_services(self._client.list("services"), slices, by_name, ("*",)):
            asked = service.port(port) if service.host in names else None
            endpoints = service.endpoints_of(asked) if asked else ()
            if endpoints:
                return endpoints[0].address, port_at(endpoints[0].address, endpoints[0].port)
        return None

    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority = self._client.find("configmaps", _AUTHORITY, outside.NAMESPACE)
        if authority is not None:
            context.load_verify_locations(cadata=(authority.get("data") or {}).get(_KEY))
        return context
