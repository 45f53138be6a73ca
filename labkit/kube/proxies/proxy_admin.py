"""What a proxy itself says: Envoy's admin interface, asked through the Kubernetes API.

Envoy's admin listens on the pod's own localhost, so it is reached by a forwarded port
(:mod:`labkit.kube.proxies.admin_connections`). Where ports may not be forwarded a command is run there, as
`istioctl` does: ``pilot-agent request GET config_dump`` in the container ``istio-proxy``, over one
WebSocket to ``pods/NAME/exec`` (protocol ``v4.channel.k8s.io``: the first byte of a message names its
stream; 1 is what the command prints, 2 what it complains of, 3 how it ended). Where commands are not
allowed either, the API server's pod proxy is tried, which reaches an admin interface that listens on the
pod's address.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

from labkit.errors import ApiRefused, ClusterError, ConnectionLost, LabkitError
from labkit.kube.api.api import Api
from labkit.kube.api.resources import PODS
from labkit.kube.pods import sessions
from labkit.kube.pods.pod_socket import open_channels
from labkit.kube.proxies.admin_connections import ADMIN_PORT, AdminConnections, AdminPort
from labkit.kube.proxies.proxies import CONTAINER, Proxy
from labkit.language import gettext

_OUTPUT, _COMPLAINT, _END = 1, 2, 3
_PATIENCE = 20.0
_AT_ONCE = 16


class AdminRefused(ClusterError):  # noqa: N818
    """A proxy could not be asked."""

    def __init__(self, message: str, *, is_gone: bool = False) -> None:
        super().__init__(message)
        self.is_gone = is_gone
        """Whether that is because its pod went away."""


def ask(api: Api, proxy: Proxy, page: str) -> Any:
    """What the admin page *page* (``config_dump``) of *proxy* says, as JSON.

    AdminRefused, in a sentence that names the pod and what to do, where it can't be asked.
    """
    return ask_with_size(api, proxy, page)[0]


def ask_text(api: Api, proxy: Proxy, page: str) -> str:
    """What a page says that is no JSON (``stats/prometheus``); AdminRefused as :func:`ask`."""
    return _answer(api, proxy, page).decode(errors="replace")


def ask_with_size(api: Api, proxy: Proxy, page: str) -> tuple[Any, int]:
    """As :func:`ask`, and how many bytes it said."""
    body = _answer(api, proxy, page)
    try:
        return json.loads(body or b"{}"), len(body)
    except ValueError as error:
        raise AdminRefused(
            gettext(
                "{name} answered {page!r} with what is no JSON: {error}",
                name=_name(proxy),
                page=page,
                error=error,
            )
        ) from error


def _answer(api: Api, proxy: Proxy, page: str) -> bytes:
    """What Envoy says, by the first way that is open."""
    try:
        return _by_port(api, proxy, page)
    except (ApiRefused, ConnectionLost):
        pass
    try:
        return _page(run(api, proxy, ["pilot-agent", "request", "GET", page]))
    except ApiRefused as error:
        refusal = error
    try:
        return api.request("GET", f"{PODS.path(proxy.namespace, proxy.pod)}:{ADMIN_PORT}/proxy/{page}").body
    except LabkitError as error:
        raise AdminRefused(_sentence(proxy, refusal), is_gone=refusal.code == 404) from error


def _by_port(api: Api, proxy: Proxy, page: str) -> bytes:
    kept = api.keep("proxies' admin", lambda: AdminConnections(api))
    status, body = kept.get(AdminPort(proxy.namespace, proxy.pod), page)
    if status != 200:
        why = _text(body).partition("\n")[0]  # Envoy lists all its pages behind it
        raise AdminRefused(
            gettext(
                "{name} answered {page!r} with {status}: {why}",
                name=_name(proxy),
                page=page,
                status=status,
                why=why,
            )
        )
    return body


def ask_all(api: Api, proxies: Iterable[Proxy], page: str) -> dict[Proxy, Any]:
    """As :func:`ask`, all at once; in the place of an answer the AdminRefused of those that gave none."""
    asked = list(proxies)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = threads.map(lambda proxy: _answer_or_error(lambda: ask(api, proxy, page)), asked)
        return dict(zip(asked, answers, strict=True))


def _answer_or_error(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except LabkitError as error:
        return error if isinstance(error, AdminRefused) else AdminRefused(str(error))


def _page(printed: bytes) -> bytes:
    """What Envoy said: the agent logs to the same stream, and where it has something to warn of, first."""
    begins = re.search(rb"^[\[{]", printed, re.MULTILINE)
    return printed[begins.start() :] if begins else printed


def run(api: Api, proxy: Proxy, command: list[str]) -> bytes:
    """What *command* prints in the container of *proxy*; AdminRefused where it fails.

    ApiRefused where commands may not be run there.
    """
    with ThreadPoolExecutor(1) as thread:  # a notebook's own thread has an event loop already
        streams = thread.submit(asyncio.run, _streams(api, proxy, command)).result()
    status = json.loads(streams[_END] or b"{}")
    if status.get("status") != "Success":
        why = _text(streams[_COMPLAINT]) or status.get("message") or gettext("it broke off")
        raise AdminRefused(
            gettext(
                "{name}: `{command}` failed: {why}", name=_name(proxy), command=" ".join(command), why=why
            )
        )
    return bytes(streams[_OUTPUT])


async def _streams(api: Api, proxy: Proxy, command: list[str]) -> Mapping[int, bytearray]:
    from aiohttp import ClientError

    words = [("container", CONTAINER), ("stdout", "true"), ("stderr", "true")]
    query = urlencode([*words, *(("command", word) for word in command)])
    pod = PODS.path(proxy.namespace, proxy.pod)
    streams: dict[int, bytearray] = defaultdict(bytearray)
    try:
        async with (
            asyncio.timeout(_PATIENCE),
            sessions.session() as session,
            await open_channels(api, session, pod, f"exec?{query}") as socket,
        ):
            async for message in socket:
                if isinstance(message.data, bytes) and message.data:
                    streams[message.data[0]] += message.data[1:]
    except TimeoutError as error:
        raise AdminRefused(
            gettext("{name} gave no answer within {patience:.0f} s.", name=_name(proxy), patience=_PATIENCE)
        ) from error
    except (ClientError, OSError) as error:
        raise ConnectionLost(
            gettext(
                "The connection to {pod} by way of {host} broke off: {error}",
                pod=proxy.pod,
                host=api.host,
                error=error,
            )
        ) from error
    return streams


def _sentence(proxy: Proxy, refusal: ApiRefused) -> str:
    name = _name(proxy)
    if refusal.code in (401, 403):
        return gettext(
            "{name} can't be asked: running commands in its pod is not allowed. Ask the "
            "administrator of the cluster for the permission `create pods/exec` in the namespace "
            "{namespace}.",
            name=name,
            namespace=proxy.namespace,
        )
    if refusal.code == 404:
        return gettext(
            "{name} can't be asked: it is gone. Run the cell again; lab.pods() shows what is there now.",
            name=name,
        )
    return gettext(
        "{name} can't be asked now: {refusal} See lab.pods(), and try again in a moment.",
        name=name,
        refusal=refusal,
    )


def _text(said: bytes | bytearray) -> str:
    return said.decode(errors="replace").strip()


def _name(proxy: Proxy) -> str:
    return gettext("The proxy of pod {pod} in {namespace}", pod=proxy.pod, namespace=proxy.namespace)
