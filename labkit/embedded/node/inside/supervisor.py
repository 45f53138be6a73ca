"""Run one program inside a pod, and take everything it has started along when it ends.

Started by :func:`.start.command_line`. It puts the program into the pod (its network and its files), and
answers its calls while it lives. A shell leaves processes behind: in the background, in groups and
sessions of their own. In a real container the kernel ends them with the container; here this process, which
has asked to be the parent of every orphan below it (``PR_SET_CHILD_SUBREAPER``), does so when the program
ends, when it is told to (SIGTERM for a command; SIGQUIT for a container, whose program gets SIGTERM), and
when the daemon dies, of whatever (``PR_SET_PDEATHSIG``).
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import sys
import termios
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from labkit.embedded.node.inside import capabilities, files, paths, seccomp, tracee
from labkit.embedded.node.inside.files import Mount
from labkit.embedded.node.inside.network import Network
from labkit.embedded.node.inside.node import Place
from labkit.embedded.node.inside.paths import Paths
from labkit.embedded.node.inside.seccomp import UnsupportedError
from labkit.embedded.node.inside.start import Inside

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
CANNOT_START = 126  # as a shell says it
TERMINATED, KILLED = 143, 137
LONGEST_REASON = 200
ASKS, SEEN = b"?", b"!"
APART, TRANSLATED = b"a", b"t"
"""How a program is kept to its pod's files: in a mount namespace, or by translating paths."""
NO_NETWORK = (
    "labkit: this host lets no program but Python into a pod's network ({why}), so every connection was "
    "refused, rather than made past the mesh; `labkit doctor` says more."
)


def main() -> None:
    """Does not return."""
    daemon, given, program, *argv = sys.argv[1:]
    told: dict[str, Any] = json.loads(given)
    mounts = [Mount(**each) for each in told.pop("mounts")]
    inside = Inside(Place(**told.pop("place")), mounts, **told)
    Supervisor(inside).run(int(daemon), program, argv)


class Supervisor:
    """Around one program."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside
        self._network: Network | None = None
        self._child = 0
        self._why_not = ""
        """Why this host gives the program no network."""
        self._stderr = 2

    def run(self, daemon: int, program: str, argv: Sequence[str]) -> NoReturn:
        """Until the program ends; exits with its exit code."""
        signal.signal(signal.SIGTERM, self._told_to_stop)
        signal.signal(signal.SIGQUIT, self._told_to_end)
        _prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        if os.getppid() != daemon:
            sys.exit("the node died before this command started")
        ours, theirs = socket.socketpair()
        self._child = os.fork()
        if self._child == 0:
            ours.close()
            _Program(self._inside, theirs).become(program, argv)
        theirs.close()
        if self._inside.begun >= 0:
            os.close(self._inside.begun)
        self._serve(ours)
        _let_go_of_streams()
        code = _wait_for(self._child)
        if code and self._why_not:
            os.write(self._stderr, f"{NO_NETWORK.format(why=self._why_not)}\n".encode())
        _end_the_rest()
        if self._network:
            self._network.keeper.finish()
        os._exit(code)

    def _serve(self, ours: socket.socket) -> None:
        """Take the filter's other end from the child, and answer on it beside."""
        descriptors = array.array("i")
        with ours:
            if ours.recv(len(ASKS)):
                ours.sendall(tracee.why_hidden(self._child).encode() or SEEN)
            said, control, _, _ = ours.recvmsg(LONGEST_REASON, socket.CMSG_SPACE(4))
            for _, _, data in control:
                descriptors.frombytes(data[:4])
        if descriptors:
            listener = seccomp.Listener(descriptors[0])
            translated = Paths(self._inside.mounts, listener) if said == TRANSLATED else None
            self._network = Network(self._inside.place, listener, translated)
            threading.Thread(target=self._network.serve, daemon=True).start()
        elif said:
            self._why_not, self._stderr = said.decode(), os.dup(2)

    def _told_to_stop(self, *_: object) -> None:
        if not self._inside.is_container:
            self._told_to_end()
        if self._child:
            os.kill(self._child, signal.SIGTERM)

    def _told_to_end(self, *_: object) -> None:
        _end_the_rest()
        os._exit(KILLED if self._inside.is_container else TERMINATED)


class _Program:
    """The child, on its way to be the program."""

    def __init__(self, inside: Inside, supervisor: socket.socket) -> None:
        self._inside, self._supervisor = inside, supervisor

    def become(self, program: str, argv: Sequence[str]) -> NoReturn:
        """Be *program*, in a session of its own, with the terminal where there is one."""
        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        if self._inside.begun >= 0:
            os.set_inheritable(self._inside.begun, False)
        if os.isatty(0):
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        environment = dict(os.environ)
        apart = self._enter_files(environment)
        self._enter_network(program, environment, apart=apart)
        if os.getuid() == 0:
            capabilities.leave(self._inside.capabilities)
        try:
            os.execve(program, list(argv), environment)
        except OSError as error:
            os.write(2, f"exec {program}: {(error.strerror or '').lower()}\n".encode())
        os._exit(CANNOT_START)

    def _enter_files(self, environment: dict[str, str]) -> bool:
        """Whether a mount namespace keeps the program to the pod's files; else paths must be translated."""
        if not self._inside.mounts:
            return True
        folder = self._inside.directory
        try:
            files.enter(self._inside.mounts, self._inside.top)
        except OSError:
            tmp = (each.source for each in self._inside.mounts if each.target == "/tmp")
            environment["TMPDIR"] = next(tmp, "/tmp")
            folder = paths.on_host(folder, self._inside.mounts) or folder
            return False
        finally:
            if folder:
                with contextlib.suppress(OSError):  # of an image's folders there are only those of the host
                    os.chdir(folder)
        return True

    def _enter_network(self, program: str, environment: dict[str, str], *, apart: bool) -> None:
        try:
            self._make_sure_of_being_seen()
            descriptor = seccomp.install(() if apart else paths.SHAPES)
        except UnsupportedError as error:
            self._without_network(str(error), program, environment)
            return
        with self._supervisor:
            rights = array.array("i", [descriptor])
            self._supervisor.sendmsg(
                [APART if apart else TRANSLATED], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
            )
        os.close(descriptor)

    def _make_sure_of_being_seen(self) -> None:
        """UnsupportedError where the supervisor could not read what calls are about."""
        self._supervisor.sendall(ASKS)
        said = self._supervisor.recv(LONGEST_REASON)
        if said != SEEN:
            raise UnsupportedError(said.decode())

    def _without_network(self, why: str, program: str, environment: dict[str, str]) -> None:
        """Python is helped by the shim; another program gets no connection rather than one past the mesh."""
        if Path(program).name.startswith("python"):
            environment.update(self._inside.place.shim_environment())
            return
        try:
            seccomp.refuse()
        except UnsupportedError as error:
            os.write(2, f"{NO_NETWORK.format(why=error)}\n".encode())
            os._exit(CANNOT_START)
        self._supervisor.sendall(why.encode())


def _let_go_of_streams() -> None:
    """Leave the client's streams to the command: they close when it does."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _wait_for(child: int) -> int:
    """The exit code of *child*; orphans that end before it are buried.

    Signals wake by a pipe: one that came just before ``waitpid`` would be heard when that returns, too late.
    """
    woken, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if pid == 0:
            select.select([woken], [], [])
            os.read(woken, 4096)


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


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
