"""Lifecycle hooks: a command in a container, a request or a pause, after its start or before its end."""

from __future__ import annotations

import asyncio

from labkit.embedded.node.containers import probes
from labkit.embedded.node.containers.probes import RunCommand
from labkit.embedded.objects import Obj

KINDS = ("exec", "httpGet", "sleep")
AGENT = "kube-lifecycle/1.34"


def hook_of(container: Obj, name: str) -> Obj:
    """The hook called *name*, ``postStart`` or ``preStop``; empty where *container* has none."""
    found: Obj = (container.get("lifecycle") or {}).get(name) or {}
    return found


async def run(hook: Obj, container: Obj, address: str, command: RunCommand) -> str | None:
    """Do what *hook* says, to *container*, which is at *address*; why it failed, None where it did not."""
    if words := (hook.get("exec") or {}).get("command"):
        ended = await command([str(each) for each in words])
        return ended.output if ended.code else None
    if action := hook.get("httpGet"):
        return await probes.call(action, container, address, AGENT)
    await asyncio.sleep((hook.get("sleep") or {}).get("seconds") or 0)
    return None
