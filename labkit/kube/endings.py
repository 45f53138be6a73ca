"""How a program ended, in words, and what most often is behind it."""

from __future__ import annotations

import signal

_SIGNALS = {
    signal.SIGILL: "the processor lacks an instruction it was built for (an old or an emulated one)",
    signal.SIGSYS: "the system's filter of calls (seccomp) forbids it something",
    signal.SIGKILL: "the system killed it, mostly because memory ran out (the machine's, or a limit)",
    signal.SIGBUS: "the disk or the memory behind a file of its is full or gone",
    signal.SIGSEGV: "it crashed",
    signal.SIGABRT: "it gave up by itself; its log says why",
}
_CODES = {
    126: "it may not be executed (a disk mounted noexec, or the wrong kind of machine)",
    127: "it, or a library it needs, is not there",
}


def why_ended(code: int) -> str:
    """Words for an exit status; a signal's is above 128 as a shell has it, or negative as Popen has it."""
    number = -code if code < 0 else code - 128
    if number > 0:
        try:
            ended = signal.Signals(number)
        except ValueError:
            return f"ended by signal {number}"
        return f"ended by {ended.name}: {_SIGNALS[ended]}" if ended in _SIGNALS else f"ended by {ended.name}"
    return f"exit status {code}: {_CODES[code]}" if code in _CODES else f"exit status {code}"
