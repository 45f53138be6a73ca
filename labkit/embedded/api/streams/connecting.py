"""Who has a say in a conversation with a pod before it begins: CONNECT, as webhooks and policies know it.

Source: ``ConnectResource`` of k8s.io/apiserver (``pkg/endpoints/handlers/rest.go``).
"""

from __future__ import annotations

from collections.abc import Callable

from labkit.embedded.api.admission.webhooks.attributes import Connection
from labkit.embedded.api.admission.webhooks.reviewer import Reviewer
from labkit.embedded.api.objects.call import Call
from labkit.embedded.api.request import options
from labkit.embedded.objects import Obj

_FLAGS = ("stdin", "stdout", "stderr", "tty")


def review(call: Call, reviewer: Reviewer) -> None:
    """ApiError where *call* is refused; :class:`~..admission.webhooks.journal.Unanswered`."""
    part = call.target.part
    if part is None or part.name not in CONNECTIONS or not reviewer.has_hooks:
        return
    asked = Connection(
        "CONNECT",
        call.target.kind,
        call.target.version,
        {"kind": part.kind, "apiVersion": "v1", **CONNECTIONS[part.name](call)},
        None,
        part.name,
        user=call.requester.user,
        part=part,
        target=call.target.name,
        where=call.target.namespace,
    )
    reviewer.mutate(asked, call.journal)
    reviewer.validate(asked, call.journal)


def _attach(call: Call) -> Obj:
    """``PodAttachOptions``."""
    flags = {name: True for name in _FLAGS if options.flag(call.query, name)}
    container = call.query.get("container")
    return flags | ({"container": container} if container else {})


def _exec(call: Call) -> Obj:
    """``PodExecOptions``."""
    return {**_attach(call), "command": call.request.rel_url.query.getall("command", [])}


def _port_forward(call: Call) -> Obj:
    """``PodPortForwardOptions``; the ports may be named later."""
    texts = call.request.rel_url.query.getall("ports", [])
    ports = [int(each) for text in texts for each in text.split(",") if each.isdecimal()]
    return {"ports": ports} if ports else {}


def _proxy(call: Call) -> Obj:
    """``PodProxyOptions`` and ``ServiceProxyOptions``."""
    return {"path": call.target.rest} if call.target.rest else {}


CONNECTIONS: dict[str, Callable[[Call], Obj]] = {
    "attach": _attach,
    "exec": _exec,
    "portforward": _port_forward,
    "proxy": _proxy,
}
"""By subresource: the options that a call gives."""
