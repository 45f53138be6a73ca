"""Run one command for ``kubectl exec``, and take everything it has started along when it ends.

Run as ``python -I -S exec_supervisor.py DAEMON_PID PROGRAM ARGV0 ARGUMENT…``. A shell leaves
processes behind: in the background, in groups and sessions of their own. In a real container the
kernel ends them with the container; here this script, which has asked to be the parent of every
orphan below it (``PR_SET_CHILD_SUBREAPER``), does so when the command ends, when it is told to
(SIGTERM), and when the daemon dies, of whatever (``PR_SET_PDEATHSIG``).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
import termios
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
CANNOT_START = 126  # as a shell says it
TERMINATED = 143


def main(daemon: int, program: str, argv: list[str]) -> None:
    """Does not return."""
    signal.signal(signal.SIGTERM, _told_to_end)
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != daemon:
        sys.exit("the node died before this command started")
    child = os.fork()
    if child == 0:
        _become(program, argv)
    _let_go_of_streams()
    code = _wait_for(child)
    _end_the_rest()
    os._exit(code)


def _become(program: str, argv: list[str]) -> None:
    """Be *program*, in a session of its own, with the terminal where there is one."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    try:
        os.execv(program, argv)
    except OSError as error:
        os.write(2, f"exec {program}: {(error.strerror or '').lower()}\n".encode())
    os._exit(CANNOT_START)


def _let_go_of_streams() -> None:
    """Leave the client's streams to the command: they close when it does."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _wait_for(child: int) -> int:
    """The exit code of *child*; orphans that end before it are buried."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _end_the_rest() -> None:
    """Kill children until there are none: those of a killed one become ours."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            for each in _children():
                os.kill(each, signal.SIGKILL)  # at worst a zombie: nobody but us can bury it
            os.waitpid(-1, 0)


def _children() -> list[int]:
    me, found = os.getpid(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # ended meanwhile
                continue
            if int(fields[1]) == me:
                found.append(int(entry.name))
    return found


def _told_to_end(*_: object) -> None:
    _end_the_rest()
    os._exit(TERMINATED)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
