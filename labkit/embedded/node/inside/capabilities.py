"""What root may do in a container: what container runtimes leave it, with what the container adds and drops.

An ordinary account has no capability to begin with. Where root runs the cluster, its pods' programs would
have all of them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable

_DROP_FROM_BOUNDING_SET = 24
_NUMBERS = {name: number for number, name in enumerate((
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
))}  # fmt: skip
_DEFAULT = frozenset({
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
    "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
})  # fmt: skip
_ALWAYS = frozenset({"NET_BIND_SERVICE"})
"""Runtimes let any account of a container open its low ports."""
_ALL = "ALL"


def kept(security: dict[str, object]) -> list[str]:
    """By name, for a container with this ``securityContext``."""
    given = security.get("capabilities")
    asked = given if isinstance(given, dict) else {}
    added, dropped = _named(asked.get("add")), _named(asked.get("drop"))
    if security.get("privileged"):
        return sorted(_NUMBERS)
    found = set() if _ALL in dropped else set(_DEFAULT) - dropped
    found |= set(_NUMBERS) if _ALL in added else added & set(_NUMBERS)
    return sorted(found | _ALWAYS)


def _named(given: object) -> set[str]:
    return {str(each).upper().removeprefix("CAP_") for each in given} if isinstance(given, list) else set()


def leave(names: Iterable[str]) -> None:
    """Only these to what this process will become; what it is itself goes on as it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    for number in {*_NUMBERS.values()} - {_NUMBERS[name] for name in names}:
        libc.prctl(_DROP_FROM_BOUNDING_SET, number, 0, 0, 0)  # refused to who has none, which is as well
