"""How a program ended, in words, and what most often is behind it."""

from __future__ import annotations

import signal

from labkit.language import gettext, gettext_noop

_SIGNALS = {
    signal.SIGILL: gettext_noop(
        "the processor lacks an instruction it was built for (an old or an emulated one)"
    ),
    signal.SIGSYS: gettext_noop("the system's filter of calls (seccomp) forbids it something"),
    signal.SIGKILL: gettext_noop(
        "the system killed it, mostly because memory ran out (the machine's, or a limit)"
    ),
    signal.SIGBUS: gettext_noop("the disk or the memory behind a file of its is full or gone"),
    signal.SIGSEGV: gettext_noop("it crashed"),
    signal.SIGABRT: gettext_noop("it gave up by itself; its log says why"),
}
_CODES = {
    126: gettext_noop("it may not be executed (a disk mounted noexec, or the wrong kind of machine)"),
    127: gettext_noop("it, or a library it needs, is not there"),
}


def why_ended(code: int) -> str:
    """Words for an exit status; a signal's is above 128 as a shell has it, or negative as Popen has it."""
    number = -code if code < 0 else code - 128
    if number > 0:
        try:
            ended = signal.Signals(number)
        except ValueError:
            return gettext("ended by signal {number}", number=number)
        return (
            gettext("ended by {ended}: {why}", ended=ended.name, why=gettext(_SIGNALS[ended]))
            if ended in _SIGNALS
            else gettext("ended by {ended}", ended=ended.name)
        )
    return (
        gettext("exit status {code}: {why}", code=code, why=gettext(_CODES[code]))
        if code in _CODES
        else gettext("exit status {code}", code=code)
    )
