"""``/healthz``, ``/livez`` and ``/readyz``: whether the server is well, check by check where that is asked.

Of the real server's checks there are those whose subject is here; who has an answer at all has a good one.
"""

from __future__ import annotations

from collections.abc import Collection

_ALWAYS = ("ping", "log", "etcd")
_BEGUN = ("poststarthook/rbac/bootstrap-roles", "poststarthook/scheduling/bootstrap-system-priority-classes")
_CHECKS = {
    "healthz": (*_ALWAYS, *_BEGUN),
    "livez": (*_ALWAYS, *_BEGUN),
    "readyz": (*_ALWAYS, "etcd-readiness", "informer-sync", *_BEGUN, "shutdown"),
}
PATHS = tuple(_CHECKS)


def report(parts: list[str], excluded: Collection[str], *, verbose: bool) -> str | None:
    """The text of one check, or of all but the *excluded*; None where there is none such."""
    checks, name = _CHECKS[parts[0]], "/".join(parts[1:])
    if name:
        return "ok" if name in checks else None
    if len(parts) > 1 or not verbose:
        return "ok" if len(parts) == 1 else None
    lines = [f"[+]{each} {'excluded: ' if each in excluded else ''}ok" for each in checks]
    return "\n".join([*lines, f"{parts[0]} check passed", ""])
