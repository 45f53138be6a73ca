"""How many files and connections the daemon may have open."""

from __future__ import annotations

import contextlib
import resource

ENOUGH = 1 << 20
"""What container runtimes allow. Hard limits of a billion exist, and so do programs that try them all."""


def raise_limit() -> None:
    """Raise the soft limit of this process to the hard one; its children have it too, as in a container.

    The soft one is 1024 on most systems, for the sake of programs that use ``select``.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
