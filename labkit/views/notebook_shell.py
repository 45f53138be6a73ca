"""What a notebook's shell is told: a stopped cell says so in a sentence, and `!kubectl` means the lab."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from labkit.language import gettext, gettext_noop

WORDS = gettext_noop("Stopped: this cell did not come to its end. Run it again, or go on with the next one.")


def tell_shortly() -> None:
    """From now on a notebook tells KeyboardInterrupt in one sentence, unless its kernel has its own ways."""
    shell = notebooks_shell()
    if shell is not None and not shell.custom_exceptions:
        shell.set_custom_exc((KeyboardInterrupt,), _tell)


def offer_kubectl(kubeconfig: Path | None) -> None:
    """In a notebook ``!kubectl`` is about the embedded cluster, where that is the one *kubeconfig* leads to.

    The cell's commands know the kernel's environment alone. Outside a notebook nothing is changed, nor in
    one whose environment says already which cluster is meant.
    """
    from labkit.kube import embedded

    if notebooks_shell() is not None and kubeconfig == embedded.kubeconfig():
        embedded.offer(os.environ)


def notebooks_shell() -> Any:
    """The IPython that runs this code, in a notebook or a terminal; None where it is plain Python."""
    if "IPython" not in sys.modules:  # importing it takes its time
        return None
    from IPython.core.getipython import get_ipython

    return get_ipython()


def _tell(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType,
    tb_offset: int | None = None,
) -> list[str]:
    error._render_traceback_ = lambda: [gettext(WORDS)]  # type: ignore[attr-defined]  # IPython's own way to say it
    shell.showtraceback((kind, error, traceback))
    return [WORDS]
