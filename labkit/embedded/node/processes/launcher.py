"""Become another program that dies with the daemon.

Run as ``python -I -S launcher.py PARENT_PID PROGRAM ARGUMENT…``. Linux kills a process when its
parent dies if it asked for that (``PR_SET_PDEATHSIG``); Envoy has no switch for it, and asking
between fork and exec from inside the daemon is not safe with gRPC's threads about. So each child
starts as this script, asks for itself, and becomes the program: same pid, 10 ms later.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
CANNOT_START = 127  # as a shell says it


def main(parent: int, command: list[str]) -> None:
    """Does not return but for a program that can't be started."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the node died before this container started")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would hand that on
    try:
        os.execv(command[0], command)
    except OSError as error:
        print(f"cannot start {command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(CANNOT_START)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
